//! One INVITE that goes to all contacts of a user (RFC 3261 16.6, 16.7): provisional answers of all pass, every 2xx passes, the best
//! refusal passes once all have refused, and who has not answered when one has is cancelled, after a while.

use std::net::SocketAddr;
use std::time::Duration;

use agreements::Tick;
use sip_wire::{HeaderName, Method, Request, Response, StatusCode};

use super::{GIVE_UP, Proxy, T1, address_of, branch_of, challenge, tagged};

/// Timer C (RFC 3261 16.6).
const RINGS_FOR: Duration = Duration::from_secs(180);

/// See the file.
pub(super) struct Fork {
    /// As it came.
    request: Request,
    from: SocketAddr,
    legs: Vec<Leg>,
    /// What was last said to the caller.
    said: Vec<u8>,
    /// Somebody has answered, or all are refused: nothing more is decided.
    settled: bool,
    /// When cancelling begins.
    cancel: Option<Tick>,
    /// Who is left is cancelled.
    cancelling: bool,
    forget: Tick,
}

struct Leg {
    invite: Request,
    to: SocketAddr,
    state: State,
    cancelled: bool,
}

enum State {
    /// Nothing came back: sent again, up to 64*T1.
    Calling { next: Tick, wait: Duration, until: Tick },
    /// Something came back; up to then.
    Proceeding { until: Tick },
    /// It is over, with this.
    Over(Option<Response>),
}

impl Fork {
    pub(super) fn deadline(&self) -> Option<Tick> {
        let legs = self.legs.iter().filter_map(|leg| match &leg.state {
            State::Calling { next, until, .. } => Some(*next.min(until)),
            State::Proceeding { until } => Some(*until),
            State::Over(_) => None,
        });
        legs.chain(self.cancel).chain([self.forget]).min()
    }

    fn is_over(&self) -> bool {
        self.legs.iter().all(|leg| matches!(leg.state, State::Over(_)))
    }

    /// The lowest class wins, 6xx before all (RFC 3261 16.7, step 6).
    fn best(&self) -> Option<&Response> {
        let all = self.legs.iter().filter_map(|leg| match &leg.state {
            State::Over(response) => response.as_ref(),
            State::Calling { .. } | State::Proceeding { .. } => None,
        });
        all.min_by_key(|response| if response.status.class() == 6 { 0 } else { response.status.code() })
    }
}

impl Proxy {
    pub(super) fn on_invite(&mut self, now: Tick, from: SocketAddr, request: Request) {
        let branch = branch_of(&request);
        if let Some(known) = self.forks.iter().find(|fork| branch_of(&fork.request) == branch) {
            let said = known.said.clone();
            return self.put(from, said);
        }
        let mut fork = Fork {
            said: request.response(StatusCode::TRYING).to_bytes(),
            from,
            legs: Vec::new(),
            settled: false,
            cancel: None,
            cancelling: false,
            forget: now + RINGS_FOR + GIVE_UP * 2,
            request,
        };
        self.put(from, fork.said.clone());
        if self.challenging && !fork.request.headers.has(HeaderName::PROXY_AUTHORIZATION) {
            let refusal = challenge(&fork.request, StatusCode::PROXY_AUTHENTICATION_REQUIRED, HeaderName::PROXY_AUTHENTICATE);
            self.refuse(now, &mut fork, &refusal);
        } else {
            self.start_legs(now, &mut fork);
        }
        self.forks.push(fork);
    }

    fn start_legs(&mut self, now: Tick, fork: &mut Fork) {
        let user = fork.request.uri.user().unwrap_or_default();
        for (uri, _) in self.bindings.get(user).cloned().unwrap_or_default() {
            let Some(to) = address_of(&uri) else { continue };
            let mut invite = fork.request.clone();
            invite.uri = uri;
            self.leave_own_route(&mut invite);
            invite.headers.push_front(HeaderName::RECORD_ROUTE, format!("<sip:{};lr>", self.address));
            let branch = self.fresh_branch();
            self.add_via(&mut invite, &branch);
            self.put(to, invite.to_bytes());
            let state = State::Calling { next: now + T1, wait: T1 * 2, until: now + GIVE_UP };
            fork.legs.push(Leg { invite, to, state, cancelled: false });
        }
        if fork.legs.is_empty() {
            let refusal = tagged(&fork.request, StatusCode::NOT_FOUND);
            self.refuse(now, fork, &refusal);
        }
    }

    /// A final answer that is repeated until its ACK.
    fn refuse(&mut self, now: Tick, fork: &mut Fork, refusal: &Response) {
        fork.settled = true;
        fork.said = refusal.to_bytes();
        fork.forget = now + GIVE_UP;
        self.put_repeatedly(now, &branch_of(&fork.request), fork.from, fork.said.clone());
    }

    /// The caller wants it no more. False: there is no such INVITE.
    pub(super) fn cancel_fork(&mut self, now: Tick, branch: &str) -> bool {
        let Some(fork) = self.forks.iter_mut().find(|fork| branch_of(&fork.request) == branch) else { return false };
        fork.cancel = Some(now);
        self.on_fork_time(now);
        true
    }

    /// False: it belongs to no INVITE of ours.
    pub(super) fn on_fork_response(&mut self, now: Tick, branch: &str, response: &Response) -> bool {
        if !response.headers.cseq().unwrap().method.is_invite() {
            return false;
        }
        let of = |fork: &Fork| fork.legs.iter().position(|leg| branch_of(&leg.invite) == branch);
        let Some((place, leg)) = self.forks.iter().enumerate().find_map(|(place, fork)| Some((place, of(fork)?))) else {
            return false;
        };
        let mut fork = self.forks.remove(place);
        self.take_response(now, &mut fork, leg, response);
        self.forks.push(fork);
        self.on_fork_time(now);
        true
    }

    fn take_response(&mut self, now: Tick, fork: &mut Fork, leg: usize, response: &Response) {
        let leg = &mut fork.legs[leg];
        let was_over = matches!(leg.state, State::Over(_));
        let mut upstream = response.clone();
        upstream.headers.remove_top_via();
        if response.status.is_success() {
            leg.state = State::Over(None);
            fork.said = upstream.to_bytes();
            self.put_upstream(&upstream);
            if !std::mem::replace(&mut fork.settled, true) {
                fork.cancel = Some(now + self.patience);
                fork.forget = now + self.patience + GIVE_UP * 2;
            }
        } else if response.status.is_final() {
            let ack = follow(&leg.invite, Method::ACK, response.headers.get(HeaderName::TO));
            let to = leg.to;
            if !was_over {
                leg.state = State::Over(Some(upstream));
                if response.status.class() == 6 {
                    fork.cancel = Some(now);
                }
            }
            self.put(to, ack.to_bytes());
        } else if !was_over {
            leg.state = State::Proceeding { until: now + RINGS_FOR };
            if response.status.code() > 100 && !fork.settled {
                fork.said = upstream.to_bytes();
                self.put_upstream(&upstream);
            }
        }
    }

    pub(super) fn on_fork_time(&mut self, now: Tick) {
        let mut forks = std::mem::take(&mut self.forks);
        for fork in &mut forks {
            self.age(now, fork);
            self.cancel_legs(now, fork);
            if fork.is_over() && !fork.settled {
                let refusal = fork.best().cloned().unwrap_or_else(|| tagged(&fork.request, StatusCode::REQUEST_TIMEOUT));
                self.refuse(now, fork, &refusal);
            }
        }
        forks.retain(|fork| fork.forget > now);
        self.forks = forks;
    }

    fn age(&mut self, now: Tick, fork: &mut Fork) {
        for leg in &mut fork.legs {
            match &mut leg.state {
                State::Calling { until, .. } if *until <= now => leg.state = State::Over(None),
                State::Calling { next, wait, .. } if *next <= now => {
                    *next = now + *wait;
                    *wait *= 2;
                    self.packets.push((leg.to, leg.invite.to_bytes()));
                }
                State::Proceeding { until } if *until <= now => leg.state = State::Over(None),
                State::Calling { .. } | State::Proceeding { .. } | State::Over(_) => {}
            }
        }
    }

    /// Only who has said something can be cancelled (RFC 3261 9.1); the others are once they do.
    fn cancel_legs(&mut self, now: Tick, fork: &mut Fork) {
        if fork.cancel.take_if(|at| *at <= now).is_some() {
            fork.cancelling = true;
        }
        for leg in fork.legs.iter_mut().filter(|_| fork.cancelling) {
            if let (State::Proceeding { until }, false) = (&mut leg.state, leg.cancelled) {
                leg.cancelled = true;
                *until = now + GIVE_UP;
                let cancel = follow(&leg.invite, Method::CANCEL, None);
                self.put_repeatedly(now, &branch_of(&cancel), leg.to, cancel.to_bytes());
            }
        }
    }
}

/// CANCEL, or the ACK of a refusal, of an INVITE (RFC 3261 9.1, 17.1.1.3).
fn follow(invite: &Request, method: Method, to: Option<&str>) -> Request {
    let mut request = Request::new(method.clone(), invite.uri.clone());
    request.headers.push(HeaderName::VIA, invite.headers.top_via().unwrap());
    for name in [HeaderName::ROUTE, HeaderName::FROM, HeaderName::TO, HeaderName::CALL_ID, HeaderName::MAX_FORWARDS] {
        request.headers.copy(name, &invite.headers);
    }
    if let Some(to) = to {
        request.headers.set(HeaderName::TO, to);
    }
    request.headers.push(HeaderName::CSEQ, sip_wire::CSeq::new(invite.headers.cseq().unwrap().number, method));
    request
}
