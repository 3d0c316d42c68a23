//! A server that keeps do-not-disturb and forwarding of the phone's line 1 (event package as-feature-event): the part of an
//! application server that no package of Debian has. SIP by hand over UDP; it takes whatever it is asked for, and says everything
//! after every change, unless it is told to be silent.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::net::UdpSocket;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::LIMIT;
use crate::namespace::{FAR, Namespace};

const KIND: &str = "application/x-as-feature-event+xml";

/// What it keeps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// DoNotDisturb.
    pub do_not_disturb: bool,
    /// All calls are forwarded.
    pub forwards: bool,
    /// There.
    pub to: String,
}

#[derive(Default)]
struct State {
    kept: Kept,
    /// The SUBSCRIBE that began the newest subscription, and where it came from.
    subscriber: Option<(String, SocketAddr)>,
    /// Of the last NOTIFY.
    cseq: u32,
    /// What it is asked for it neither takes nor answers.
    silent: bool,
}

/// The running server; ends with this value.
pub struct FeatureServer {
    socket: Arc<UdpSocket>,
    state: Arc<Mutex<State>>,
    /// Bodies of SUBSCRIBEs, and "end" for the end of one.
    heard: watch::Receiver<Vec<String>>,
    task: JoinHandle<()>,
}

impl FeatureServer {
    /// At port 5060 of [`FAR`].
    pub fn start(namespace: &Namespace) -> FeatureServer {
        let socket = namespace.inside(|| {
            let socket = std::net::UdpSocket::bind((FAR, 5060))?;
            socket.set_nonblocking(true).map(|()| socket)
        });
        let socket = Arc::new(UdpSocket::from_std(socket.expect("its socket")).expect("its socket"));
        let state = Arc::new(Mutex::new(State::default()));
        let (hears, heard) = watch::channel(Vec::new());
        let task = tokio::spawn(serve(socket.clone(), state.clone(), hears));
        FeatureServer { socket, state, heard, task }
    }

    /// Somebody changes it at the server.
    pub async fn change(&self, change: impl FnOnce(&mut Kept)) {
        let notify = {
            let mut state = self.state.lock().expect("its state");
            change(&mut state.kept);
            state.notify("active;expires=3600")
        };
        let (text, phone) = notify.expect("a subscription");
        self.socket.send_to(text.as_bytes(), phone).await.expect("a NOTIFY");
    }

    /// From now on it neither takes what it is asked for nor says anything by itself; or it does.
    pub fn be_silent(&self, silent: bool) {
        self.state.lock().expect("its state").silent = silent;
    }

    /// What it keeps now.
    pub fn kept(&self) -> Kept {
        self.state.lock().expect("its state").kept.clone()
    }

    /// Waits until what it keeps is so.
    pub async fn keeps(&self, what: &str, fits: impl Fn(&Kept) -> bool) {
        // It changes with what is heard, and before that is told.
        let mut heard = self.heard.clone();
        let kept = tokio::time::timeout(LIMIT, heard.wait_for(|_| fits(&self.kept()))).await.map(|kept| kept.is_ok());
        assert_eq!(kept, Ok(true), "{what}: it keeps {:?}", self.kept());
    }

    /// Waits until it has heard a SUBSCRIBE whose body holds this; all that it has heard so far.
    pub async fn hears(&self, words: &str) -> Vec<String> {
        let mut heard = self.heard.clone();
        let said = heard.wait_for(|all| all.iter().any(|body| body.contains(words)));
        let all = tokio::time::timeout(LIMIT, said).await;
        all.unwrap_or_else(|_| panic!("{words} was not heard")).expect("a running server").clone()
    }
}

impl Drop for FeatureServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(socket: Arc<UdpSocket>, state: Arc<Mutex<State>>, hears: watch::Sender<Vec<String>>) {
    let mut bytes = vec![0; 65_535];
    while let Ok((length, phone)) = socket.recv_from(&mut bytes).await {
        let text = String::from_utf8_lossy(bytes.get(..length).unwrap_or_default()).into_owned();
        if !text.starts_with("SUBSCRIBE ") {
            continue;
        }
        let ends = header(&text, "Expires") == "0";
        let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body).to_owned();
        let notify = {
            let mut state = state.lock().expect("its state");
            if state.silent {
                None
            } else {
                state.take(&text, phone, &body);
                state.notify(if ends { "terminated;reason=timeout" } else { "active;expires=3600" })
            }
        };
        let answers = std::iter::once((answer(&text), phone)).chain(notify);
        for (answer, phone) in answers {
            if socket.send_to(answer.as_bytes(), phone).await.is_err() {
                return;
            }
        }
        hears.send_modify(|all| all.push(if ends { "end".to_owned() } else { body }));
    }
}

impl State {
    fn take(&mut self, subscribe: &str, phone: SocketAddr, body: &str) {
        let begins = !header(subscribe, "To").contains(";tag=");
        if begins || self.subscriber.is_none() {
            self.subscriber = Some((subscribe.to_owned(), phone));
        }
        if body.contains("<SetDoNotDisturb ") {
            self.kept.do_not_disturb = element(body, "doNotDisturbOn") == "true";
        } else if element(body, "forwardingType") == "forwardImmediate" {
            self.kept.forwards = element(body, "activateForward") == "true";
            element(body, "forwardDN").clone_into(&mut self.kept.to);
        }
    }

    /// Everything, in one NOTIFY of two parts.
    fn notify(&mut self, subscription: &str) -> Option<(String, SocketAddr)> {
        let (subscribe, phone) = self.subscriber.as_ref()?;
        self.cseq += 1;
        let Kept { do_not_disturb, forwards, to } = &self.kept;
        let documents = [
            format!("<DoNotDisturbEvent><device/><doNotDisturbOn>{do_not_disturb}</doNotDisturbOn></DoNotDisturbEvent>"),
            format!(
                "<ForwardingEvent><device/><forwardingType>forwardImmediate</forwardingType>\
                 <forwardStatus>{forwards}</forwardStatus><forwardTo>{to}</forwardTo></ForwardingEvent>"
            ),
        ];
        let part = |document: &String| format!("--parts\r\nContent-Type: {KIND}\r\n\r\n{document}\r\n");
        let body = format!("{}--parts--\r\n", documents.iter().map(part).collect::<String>());
        let contact = header(subscribe, "Contact").trim_start_matches('<').split(['>', ';']).next().unwrap_or_default();
        let text = format!(
            "NOTIFY {contact} SIP/2.0\r\nVia: SIP/2.0/UDP {FAR}:5060;branch=z9hG4bKf{cseq}\r\nMax-Forwards: 70\r\n\
             From: {};tag=server\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {cseq} NOTIFY\r\nContact: <sip:{FAR}:5060>\r\n\
             Event: as-feature-event\r\nSubscription-State: {subscription}\r\n\
             Content-Type: multipart/mixed;boundary=parts\r\nContent-Length: {}\r\n\r\n{body}",
            header(subscribe, "To"),
            header(subscribe, "From"),
            header(subscribe, "Call-ID"),
            body.len(),
            cseq = self.cseq,
        );
        Some((text, *phone))
    }
}

fn answer(request: &str) -> String {
    let to = header(request, "To");
    let tag = if to.contains(";tag=") { "" } else { ";tag=server" };
    format!(
        "SIP/2.0 200 OK\r\nVia: {}\r\nFrom: {}\r\nTo: {to}{tag}\r\nCall-ID: {}\r\nCSeq: {}\r\nContact: <sip:{FAR}:5060>\r\n\
         Expires: {}\r\nContent-Length: 0\r\n\r\n",
        header(request, "Via"),
        header(request, "From"),
        header(request, "Call-ID"),
        header(request, "CSeq"),
        header(request, "Expires"),
    )
}

fn header<'m>(message: &'m str, name: &str) -> &'m str {
    let lines = message.lines().take_while(|line| !line.is_empty()).filter_map(|line| line.split_once(':'));
    let mut values = lines.filter(|(key, _)| key.trim().eq_ignore_ascii_case(name)).map(|(_, value)| value.trim());
    values.next().unwrap_or_default()
}

fn element<'b>(body: &'b str, name: &str) -> &'b str {
    let inner = body.split_once(&format!("<{name}>")).and_then(|(_, rest)| rest.split_once("</"));
    inner.map_or("", |(inner, _)| inner)
}
