//! The session interval of one call (RFC 4028): what is asked for, what is answered, who refreshes. Reads and writes the three
//! headers; when something is sent is decided in `refresh`.
//!
//! The refresher stands in terms of the request at hand (`uac` is who sent it), so that it turns round with each request of the
//! other side.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use sip_wire::{HeaderName, Headers, Method, SessionExpires};

use crate::interface::{NamedRefresher, RefreshMethod, SessionSettings};

/// The smallest interval that may be asked of others, in seconds (RFC 4028 section 5).
const LEAST: u32 = 90;
/// The smallest that is believed of others, in seconds: SIP_SESSION_TIME_n goes no lower. Less would be a storm of refreshes.
const LEAST_TAKEN: u32 = 60;
/// How often the servers of one call may raise the interval by 422.
const MOST_RAISES: u8 = 5;
/// How long before its end a session that nobody has refreshed is given up, at most (RFC 4028 section 10).
const EARLY_END: Duration = Duration::from_secs(32);

/// See the file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SessionInterval {
    /// The largest Min-SE of this call's 422s; 0: none came.
    least: u32,
    raises: u8,
    agreed: Option<Agreed>,
    /// The far end has shown that it knows session timers.
    known: bool,
    updates: Updates,
    /// It is time to refresh, and something is in the way.
    pub(super) due: bool,
}

/// A running session timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Agreed {
    seconds: u32,
    /// We refresh.
    by_us: bool,
}

/// What is known of the far end's UPDATE.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Updates {
    #[default]
    Unknown,
    /// Its Allow names it.
    Named,
    /// It has refused one.
    Refused,
}

impl Agreed {
    /// When to refresh, where that is ours (RFC 4028 section 10: half the interval).
    pub(super) fn refresh_after(self) -> Option<Duration> {
        self.by_us.then(|| Duration::from_secs(self.seconds.into()) / 2)
    }

    /// How long a refresh that was refused may wait: after half the interval there is still time for another one.
    pub(super) fn longest_silence(self) -> Duration {
        Duration::from_secs(self.seconds.into()) / 3
    }

    /// When to give up. The side that waits for a refresh ends a little early, so that its BYE still finds a session.
    pub(super) fn end_after(self) -> Duration {
        let whole = Duration::from_secs(self.seconds.into());
        if self.by_us { whole } else { whole.saturating_sub(EARLY_END.min(whole / 3)) }
    }
}

impl SessionInterval {
    /// The running timer.
    pub(super) fn agreed(&self) -> Option<Agreed> {
        self.agreed
    }

    /// On the INVITE that begins a call.
    pub(super) fn ask(&self, headers: &mut Headers, own: &SessionSettings) {
        let refresher = match own.refresher {
            NamedRefresher::Nobody => None,
            NamedRefresher::Uas => Some("uas"),
            NamedRefresher::Uac => Some("uac"),
        };
        if own.expires > 0 {
            self.write(headers, own.expires, refresher);
        }
    }

    /// On a later request of ours: the roles stay (RFC 4028 section 7.4). Of the option tags only this one: a re-INVITE's
    /// provisional responses are not acknowledged, so none of them may be reliable.
    pub(super) fn ask_again(&self, headers: &mut Headers, own: &SessionSettings) {
        if self.is_wanted(own) {
            headers.push(HeaderName::SUPPORTED, TIMER);
        }
        if let Some(agreed) = self.agreed {
            self.write(headers, agreed.seconds, Some(if agreed.by_us { "uac" } else { "uas" }));
        }
    }

    fn write(&self, headers: &mut Headers, seconds: u32, refresher: Option<&str>) {
        headers.push(HeaderName::SESSION_EXPIRES, SessionExpires::new(seconds.max(self.least), refresher));
        if self.least > 0 {
            headers.push(HeaderName::MIN_SE, self.least);
        }
    }

    /// A 422: takes its Min-SE. False: asking again with it would be no better (RFC 4028 section 7.3).
    pub(super) fn raise(&mut self, refusal: &Headers, asked: &Headers) -> bool {
        let before = asked.session_expires().ok().flatten().map(|expires| expires.seconds);
        let wanted = refusal.min_se().ok().flatten().unwrap_or(0);
        self.raises = self.raises.saturating_add(1);
        let better = before.is_some_and(|before| wanted > before) && self.raises <= MOST_RAISES;
        if better {
            self.least = wanted;
        }
        better
    }

    /// The 2xx to a request of ours. Without Session-Expires the session does not end by itself (RFC 4028 section 7.2), unless it
    /// comes from who has never heard of it: then we refresh on, as table 2 of section 9 lets us.
    pub(super) fn take_answer(&mut self, answer: &Headers, own: &SessionSettings) {
        self.note_abilities(answer);
        self.due = false;
        let expires = answer.session_expires().ok().flatten().filter(|_| self.is_wanted(own));
        if expires.is_none() && !self.known {
            return;
        }
        self.agreed = expires.map(|expires| Agreed {
            seconds: expires.seconds.max(LEAST_TAKEN),
            by_us: !expires.refresher().is_some_and(|refresher| refresher.eq_ignore_ascii_case("uas")),
        });
    }

    /// Whether a request of theirs must be answered 422 with [`SessionInterval::LEAST`]: who does not know 422 is not sent one.
    pub(super) fn is_too_small(&self, request: &Headers, own: &SessionSettings) -> bool {
        let asked = request.session_expires().ok().flatten().map(|expires| expires.seconds);
        self.is_wanted(own) && knows_timer(request) && asked.is_some_and(|asked| asked < LEAST.min(own.expires.max(LEAST_TAKEN)))
    }

    /// Of a 422 of ours.
    pub(super) const LEAST: u32 = LEAST;

    /// A request of theirs, and our 2xx to it (RFC 4028 section 9, table 2).
    pub(super) fn answer(&mut self, request: &Headers, answer: &mut Headers, own: &SessionSettings) {
        self.note_abilities(request);
        self.due = false;
        if !self.is_wanted(own) {
            return;
        }
        let asked = request.session_expires().ok().flatten();
        let least = request.min_se().ok().flatten().unwrap_or(0).max(LEAST_TAKEN);
        let known = knows_timer(request);
        let wish = self.agreed.map_or(own.expires, |agreed| agreed.seconds).max(least);
        let seconds = asked.as_ref().map_or(wish, |asked| asked.seconds.min(wish)).max(LEAST_TAKEN);
        let named = asked.as_ref().and_then(SessionExpires::refresher).filter(|_| known);
        // Nobody named: who refreshes goes on; at the beginning whoever called, if it can.
        let by_us = match named {
            Some(refresher) => refresher.eq_ignore_ascii_case("uas"),
            None => !known || self.agreed.is_some_and(|agreed| agreed.by_us),
        };
        self.agreed = Some(Agreed { seconds, by_us });
        if known {
            answer.push(HeaderName::REQUIRE, TIMER);
        }
        answer.push(HeaderName::SESSION_EXPIRES, SessionExpires::new(seconds, Some(if by_us { "uas" } else { "uac" })));
    }

    /// The setting counts for the next call; a timer that runs is kept.
    fn is_wanted(&self, own: &SessionSettings) -> bool {
        own.expires > 0 || self.agreed.is_some()
    }

    fn note_abilities(&mut self, headers: &Headers) {
        self.known |= knows_timer(headers) || headers.has(HeaderName::SESSION_EXPIRES);
        let named = headers.allow().is_ok_and(|methods| methods.contains(&Method::UPDATE));
        if named && self.updates == Updates::Unknown {
            self.updates = Updates::Named;
        }
    }

    /// The far end does not serve UPDATE, whatever it has said.
    pub(super) fn update_refused(&mut self) {
        self.updates = Updates::Refused;
    }

    /// Whether the next refresh is an UPDATE (B316).
    pub(super) fn refreshes_by_update(&self, own: &SessionSettings) -> bool {
        match own.method {
            RefreshMethod::Reinvite => false,
            RefreshMethod::Update => self.updates != Updates::Refused,
            RefreshMethod::Automatic => self.updates == Updates::Named,
        }
    }
}

/// The option tag of RFC 4028.
pub(crate) const TIMER: &str = "timer";

fn knows_timer(headers: &Headers) -> bool {
    let tags = [headers.supported(), headers.require()];
    tags.into_iter().flatten().flatten().any(|tag| tag.eq_ignore_ascii_case(TIMER))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(expires: u32) -> SessionSettings {
        SessionSettings { expires, ..SessionSettings::default() }
    }

    fn asked(lines: &[(&str, &str)]) -> Headers {
        let mut headers = Headers::new();
        for (name, value) in lines {
            headers.push(*name, *value);
        }
        headers
    }

    fn answered(request: &[(&str, &str)], expires: u32) -> Option<String> {
        let mut answer = Headers::new();
        SessionInterval::default().answer(&asked(request), &mut answer, &own(expires));
        let required = answer.get("Require").unwrap_or("-").to_owned();
        answer.get("Session-Expires").map(|value| format!("{value} {required}"))
    }

    /// RFC 4028 section 9, table 2.
    #[test]
    fn the_answer_names_the_refresher_as_the_table_says() {
        let timer = ("Supported", "100rel, timer");
        let asks = |value| [timer, ("Session-Expires", value)];
        assert_eq!(answered(&asks("1800"), 1800).as_deref(), Some("1800;refresher=uac timer"));
        assert_eq!(answered(&asks("1800;refresher=uac"), 1800).as_deref(), Some("1800;refresher=uac timer"));
        assert_eq!(answered(&asks("1800;refresher=uas"), 1800).as_deref(), Some("1800;refresher=uas timer"));
        assert_eq!(answered(&[timer], 600).as_deref(), Some("600;refresher=uac timer"));
        assert_eq!(answered(&[("Session-Expires", "1800")], 1800).as_deref(), Some("1800;refresher=uas -"));
        assert_eq!(answered(&[], 600).as_deref(), Some("600;refresher=uas -"));
        assert_eq!(answered(&asks("1800"), 0), None);
    }

    /// RFC 4028 section 9: the answer may be smaller than what is asked, not larger, and not below Min-SE.
    #[test]
    fn the_smaller_interval_wins_but_not_below_min_se() {
        let with = |value, least| [("Supported", "timer"), ("Session-Expires", value), ("Min-SE", least)];
        assert_eq!(answered(&with("1800", "90"), 600).as_deref(), Some("600;refresher=uac timer"));
        assert_eq!(answered(&with("1800", "900"), 600).as_deref(), Some("900;refresher=uac timer"));
        assert_eq!(answered(&with("300", "90"), 600).as_deref(), Some("300;refresher=uac timer"));
    }

    /// RFC 4028 section 9: 422 below 90 s, only to who knows it; the guide's 60 s are taken where they are our own.
    #[test]
    fn too_small_is_below_ninety_and_said_only_to_who_knows_it() {
        let small = |lines: &[(&str, &str)], expires| SessionInterval::default().is_too_small(&asked(lines), &own(expires));
        let with = |value| [("Supported", "timer"), ("Session-Expires", value)];
        assert!(small(&with("89"), 1800) && !small(&with("90"), 1800));
        assert!(!small(&with("60"), 60) && small(&with("59"), 60));
        assert!(!small(&[("Session-Expires", "10")], 1800) && !small(&with("10"), 0));
    }

    /// RFC 4028 section 7.3; a Min-SE that asks for no more, or for ever more, ends it.
    #[test]
    fn a_422_raises_the_interval_a_few_times() {
        let mut interval = SessionInterval::default();
        let ask = |interval: &SessionInterval| {
            let mut headers = Headers::new();
            interval.ask(&mut headers, &own(100));
            headers
        };
        assert!(!interval.clone().raise(&asked(&[("Min-SE", "100")]), &ask(&interval)));
        assert!(!interval.clone().raise(&asked(&[]), &ask(&interval)));
        for round in 1..=5 {
            assert!(interval.raise(&asked(&[("Min-SE", &(round * 1000).to_string())]), &ask(&interval)));
        }
        let last = ask(&interval);
        assert_eq!((last.get("Session-Expires"), last.get("Min-SE")), (Some("5000"), Some("5000")));
        assert!(!interval.raise(&asked(&[("Min-SE", "6000")]), &last));
    }

    /// RFC 4028 sections 7.2 and 10.
    #[test]
    fn the_answer_says_who_refreshes_and_when_it_ends() {
        let taken = |value: &str| {
            let mut interval = SessionInterval::default();
            interval.take_answer(&asked(&[("Session-Expires", value)]), &own(90));
            interval.agreed().map(|agreed| (agreed.refresh_after().map(|wait| wait.as_secs()), agreed.end_after().as_secs()))
        };
        assert_eq!(taken("1800;refresher=uac"), Some((Some(900), 1800)));
        assert_eq!(taken("1800;refresher=uas"), Some((None, 1768)));
        assert_eq!(taken("90;refresher=uas"), Some((None, 60)));
        assert_eq!(taken("1"), Some((Some(30), 60)), "no storm of refreshes");
        let mut off = SessionInterval::default();
        off.take_answer(&asked(&[]), &own(90));
        assert_eq!(off.agreed(), None);
    }

    /// RFC 4028 sections 7.2 and 9: who knows of it may turn it off, who does not is refreshed on.
    #[test]
    fn a_2xx_without_interval_ends_the_timer_of_who_knows_it() {
        for (lines, kept) in [(&[][..], true), (&[("Supported", "timer")][..], false)] {
            let mut interval = SessionInterval::default();
            interval.answer(&asked(lines), &mut Headers::new(), &own(600));
            interval.take_answer(&asked(&[]), &own(600));
            assert_eq!(interval.agreed().is_some(), kept, "{lines:?}");
        }
    }

    /// RFC 4028 section 7.4: what was uas in their request is uac in ours.
    #[test]
    fn the_refresher_stays_when_the_other_side_asks() {
        let mut interval = SessionInterval::default();
        let asks = [("Supported", "timer"), ("Session-Expires", "600;refresher=uas")];
        interval.answer(&asked(&asks), &mut Headers::new(), &own(600));
        let mut again = Headers::new();
        interval.ask_again(&mut again, &own(600));
        assert_eq!(again.get("Session-Expires"), Some("600;refresher=uac"));
        let mut answer = Headers::new();
        interval.answer(&asked(&[("Supported", "timer")]), &mut answer, &own(600));
        assert_eq!(answer.get("Session-Expires"), Some("600;refresher=uas"));
    }

    /// B316.
    #[test]
    fn the_method_follows_the_setting_and_what_the_far_end_takes() {
        let by_update = |method, allow: &str, refused: bool| {
            let mut interval = SessionInterval::default();
            interval.take_answer(&asked(&[("Allow", allow)]), &own(90));
            if refused {
                interval.update_refused();
            }
            interval.refreshes_by_update(&SessionSettings { method, ..own(90) })
        };
        assert!(!by_update(RefreshMethod::Reinvite, "INVITE, UPDATE", false));
        assert!(by_update(RefreshMethod::Update, "INVITE", false) && !by_update(RefreshMethod::Update, "UPDATE", true));
        assert!(by_update(RefreshMethod::Automatic, "INVITE, UPDATE", false));
        assert!(!by_update(RefreshMethod::Automatic, "INVITE", false) && !by_update(RefreshMethod::Automatic, "UPDATE", true));
    }
}
