//! The exchange's one loop: datagrams, orders and deadlines in, datagrams and the view out. It decides nothing; what a request
//! means is in `requests`, `registrar`, `calls`, `answers` and `proxy`.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;

use sip_wire::{HeaderName, Message, ParseError, Request, Response, Uri, parse_datagram};
use tokio::net::UdpSocket;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{Instant, sleep_until};

use super::authentication::Authenticator;
use super::bindings::Bindings;
use super::call::Call;
use super::random::Random;
use super::transactions::{Answer, Due, Transactions};
use super::{CallReport, Command, Counters, ExchangeError, ExchangeOptions, View};

/// Calls under way.
pub(super) const CALLS: usize = 32;
/// Ended calls that the view remembers, and call-backs that wait.
const REMEMBERED: usize = 32;
/// A datagram.
const LARGEST: usize = 65_536;

pub(super) struct Engine {
    pub socket: UdpSocket,
    pub local: SocketAddr,
    pub options: ExchangeOptions,
    pub authenticator: Authenticator,
    pub bindings: Bindings,
    pub transactions: Transactions,
    pub calls: Vec<Call>,
    pub last_call: u64,
    pub counters: Counters,
    pub random: Random,
    /// A packet has come on a call's media after a change.
    pub media_news: Arc<Notify>,
    orders: mpsc::Receiver<Command>,
    shown: watch::Sender<View>,
    ended: VecDeque<CallReport>,
    call_backs: VecDeque<(Instant, String)>,
    /// Datagrams to send: bounded by what one input can cause.
    pub outbox: VecDeque<(SocketAddr, Vec<u8>)>,
}

impl Engine {
    pub fn bind(
        options: ExchangeOptions,
        orders: mpsc::Receiver<Command>,
        shown: watch::Sender<View>,
    ) -> Result<Engine, ExchangeError> {
        let socket = bind(options.address).map_err(|source| ExchangeError::Bind { address: options.address, source })?;
        let local = socket.local_addr().map_err(|source| ExchangeError::Bind { address: options.address, source })?;
        let random = Random::from_system()?;
        let authenticator = Authenticator::new(&options, random.secret(), Instant::now());
        Ok(Engine {
            socket,
            local,
            options,
            authenticator,
            bindings: Bindings::default(),
            transactions: Transactions::default(),
            calls: Vec::new(),
            last_call: 0,
            counters: Counters::default(),
            random,
            media_news: Arc::new(Notify::new()),
            orders,
            shown,
            ended: VecDeque::new(),
            call_backs: VecDeque::new(),
            outbox: VecDeque::new(),
        })
    }
    pub fn address(&self) -> SocketAddr {
        self.local
    }
    pub async fn run(mut self) {
        let mut buffer = vec![0_u8; LARGEST];
        loop {
            let deadline = self.next_deadline();
            tokio::select! {
                // An ICMP error of an earlier datagram comes up here; it ends nothing.
                received = self.socket.recv_from(&mut buffer) => {
                    if let Ok((length, source)) = received {
                        self.on_datagram(buffer.get(..length).unwrap_or_default(), source, Instant::now());
                    }
                }
                order = self.orders.recv() => match order {
                    Some(Command::Call { user, reply }) => drop(reply.send(self.call(&user, Instant::now()))),
                    Some(Command::HangUp { number }) => self.hang_up(number, Instant::now()),
                    Some(Command::Stop) | None => break,
                },
                () = self.media_news.notified() => {}
                () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {}
            }
            self.on_time(Instant::now());
            self.flush().await;
            self.show();
        }
        self.end_all(Instant::now());
        self.flush().await;
        self.show();
    }
    fn end_all(&mut self, now: Instant) {
        let numbers: Vec<u64> = self.calls.iter().map(|call| call.number).collect();
        numbers.into_iter().for_each(|number| self.hang_up(number, now));
    }
    fn on_datagram(&mut self, datagram: &[u8], source: SocketAddr, now: Instant) {
        match parse_datagram(datagram) {
            Ok(message) => {
                self.counters.received = self.counters.received.saturating_add(1);
                match message {
                    Message::Request(request) => self.on_request(request, source, now),
                    Message::Response(response) => self.on_response(response, now),
                }
            }
            Err(error) if error.is_keep_alive() => {}
            Err(error) => self.on_malformed(error, source),
        }
    }
    /// The answer that the parser prepared, sent without a transaction.
    fn on_malformed(&mut self, error: ParseError, source: SocketAddr) {
        self.counters.malformed = self.counters.malformed.saturating_add(1);
        tracing::debug!(%source, %error, "a datagram that cannot be read");
        let Some(mut answer) = error.answer else { return };
        let Ok(mut via) = answer.headers.top_via() else { return };
        via.note_source(source);
        answer.headers.set_top_via(&via);
        self.tag(&mut answer);
        self.send(via.answer_address().unwrap_or(source), answer.to_bytes());
    }
    /// Adds our To tag where there is none.
    pub fn tag(&mut self, response: &mut Response) {
        if let Ok(to) = response.headers.to()
            && to.tag().is_none()
        {
            let tag = self.random.token();
            response.headers.set(HeaderName::TO, to.with_tag(&tag));
        }
    }
    pub fn send(&mut self, to: SocketAddr, bytes: Vec<u8>) {
        self.outbox.push_back((to, bytes));
    }
    /// Answers a request in its transaction.
    pub fn respond(&mut self, key: &str, mut response: Response, call: Option<u64>, now: Instant) {
        if response.status.code() > 100 {
            self.tag(&mut response);
        }
        let Some(destination) = self.transactions.source_of(key) else { return };
        let invite = response.headers.cseq().is_ok_and(|cseq| cseq.method.is_invite());
        let kind = match (response.status.is_final(), invite) {
            (false, _) => Answer::Provisional,
            (true, false) => Answer::Final,
            (true, true) => Answer::UntilAcknowledged,
        };
        let bytes = response.to_bytes();
        self.transactions.answer(key, bytes.clone(), kind, call, now);
        self.send(destination, bytes);
    }
    /// Sends a request of ours in a transaction; false when there is no place for it.
    pub fn request(&mut self, key: String, request: Request, to: SocketAddr, call: u64, now: Instant) -> bool {
        let bytes = request.to_bytes();
        let begun = self.transactions.begin_client(key, request, to, call, now);
        if begun {
            self.send(to, bytes);
        }
        begun
    }
    fn on_time(&mut self, now: Instant) {
        for due in self.transactions.due(now) {
            match due {
                Due::Send(to, bytes) => {
                    self.counters.retransmissions_sent = self.counters.retransmissions_sent.saturating_add(1);
                    self.send(to, bytes);
                }
                Due::Unanswered(client) => self.on_unanswered(&client, now),
                Due::Unacknowledged(call) => self.hang_up(call, now),
            }
        }
        self.bindings.expire(now);
        let over: Vec<u64> =
            self.calls.iter().filter(|call| call.hangs_up_at.is_some_and(|at| at <= now)).map(|call| call.number).collect();
        over.into_iter().for_each(|number| self.hang_up(number, now));
        while self.call_backs.front().is_some_and(|(at, _)| *at <= now) {
            if let Some((_, user)) = self.call_backs.pop_front()
                && let Err(error) = self.call(&user, now)
            {
                tracing::info!(%user, %error, "no call-back");
            }
        }
        self.forget_ended();
    }
    /// A call back, later; those that find no place are not made.
    pub fn call_back(&mut self, user: &str, now: Instant) {
        if self.call_backs.len() < REMEMBERED {
            self.call_backs.push_back((now + self.options.call_back_after, user.to_owned()));
        }
    }
    fn forget_ended(&mut self) {
        for call in self.calls.extract_if(.., |call| call.is_ended()) {
            if self.ended.len() >= REMEMBERED {
                self.ended.pop_front();
            }
            self.ended.push_back(call.report());
        }
    }
    fn next_deadline(&self) -> Option<Instant> {
        let hang_ups = self.calls.iter().filter_map(|call| call.hangs_up_at).min();
        let call_back = self.call_backs.front().map(|(at, _)| *at);
        [self.transactions.next_deadline(), self.bindings.next_expiry(), hang_ups, call_back].into_iter().flatten().min()
    }
    async fn flush(&mut self) {
        while let Some((to, bytes)) = self.outbox.pop_front() {
            match self.socket.send_to(&bytes, to).await {
                Ok(_) => self.counters.sent = self.counters.sent.saturating_add(1),
                Err(error) => tracing::debug!(%to, %error, "not sent"),
            }
        }
    }
    fn show(&self) {
        let calls = self.ended.iter().cloned().chain(self.calls.iter().map(Call::report)).collect();
        self.shown.send_replace(View { bindings: self.bindings.all().to_vec(), calls, counters: self.counters });
    }
    /// Our Contact as an extension.
    pub fn contact(&self, extension: &str) -> Uri {
        Uri::sip(Some(extension), self.local.ip(), Some(self.local.port()))
    }
    /// Whether a URI leads to us.
    pub fn is_ours(&self, uri: &Uri) -> bool {
        uri.host().and_then(|host| host.socket(uri.port_or_default())) == Some(self.local)
    }
}

fn bind(address: SocketAddr) -> std::io::Result<UdpSocket> {
    let socket = std::net::UdpSocket::bind(address)?;
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket)
}
