//! Journey: a person with two hands and ears. The phone is used by its handset and its keys alone; what its lamps and its
//! earpiece say is all there is to know. A script watches.

use house_tests::may_make_namespaces;
use house_tests::namespace::Namespace;
use house_tests::phone::{Phone, Setup};
use house_tests::watch::Watch;
use serde_json::json;

/// What the microphone hears, and so what 100 sends back.
const OUR_TONE: f64 = 440.0;
/// DIAL_TONE1_FRQ.
const DIAL_TONE: [f64; 2] = [350.0, 440.0];

struct Desk {
    phone: Phone,
    // Last: it ends what is still there.
    _namespace: Namespace,
}

impl Desk {
    async fn with_a_phone() -> Desk {
        let namespace = Namespace::new();
        let phone = Phone::start(&namespace, &Setup::with_the_exchange()).await;
        phone.registered().await;
        Desk { phone, _namespace: namespace }
    }

    fn lift(&self) {
        self.phone.run(&["board", "hook", "off"]);
    }

    fn put_down(&self) {
        self.phone.run(&["board", "hook", "on"]);
    }

    fn press(&self, keys: &[&str]) {
        keys.iter().for_each(|key| self.phone.run(&["board", "key", key]));
    }

    /// Waits until these lamps show this and all others are dark.
    async fn lamps(&self, lit: &[(&str, &str)]) {
        let shown = async |phone: &Phone| {
            let lamps = phone.json(&["board", "leds"]);
            let wanted = |lamp: &str| lit.iter().find(|(name, _)| *name == lamp).map_or("off", |(_, pattern)| *pattern);
            let known = lit.iter().all(|(name, _)| lamps[name].is_string());
            let all = lamps.as_object().is_some_and(|lamps| lamps.iter().all(|(lamp, pattern)| pattern == wanted(lamp)));
            (known && all).then_some(())
        };
        self.phone.until(&format!("the lamps {lit:?}"), shown).await;
    }

    async fn talking_to_the_echo(&self) -> String {
        let call = self.phone.call_that("talking with the echo", |call| call.state == "talking" && call.media == "flowing").await;
        assert_eq!(call.number, "100");
        call.path
    }

    async fn over(&self, path: &str) {
        let ended = self.phone.call_that("the end", |call| call.path == path && call.state == "ended").await;
        assert_eq!(ended.ended_by, "local");
    }
}

/// B194: the pound key ends dialing. Hold and mute are keys that are pressed again to take them back.
#[tokio::test]
async fn handset_and_keys_make_hold_mute_and_end_a_call_and_the_lamps_follow() {
    if !may_make_namespaces() {
        return;
    }
    let desk = Desk::with_a_phone().await;
    desk.lamps(&[]).await;
    desk.lift();
    desk.lamps(&[("line-1", "on")]).await;
    desk.phone.hears_tone(&DIAL_TONE).await;
    desk.press(&["1", "0", "0", "pound"]);
    let call = desk.talking_to_the_echo().await;
    desk.lamps(&[("line-1", "on")]).await;
    desk.phone.hears_tone(&[OUR_TONE]).await;

    desk.press(&["mute"]);
    desk.lamps(&[("line-1", "on"), ("mute", "on")]).await;
    desk.phone.hears_nothing().await;
    desk.press(&["mute"]);
    desk.lamps(&[("line-1", "on")]).await;

    desk.press(&["hold"]);
    desk.lamps(&[("line-1", "flash-slow")]).await;
    desk.phone.hears_nothing().await;
    desk.press(&["hold"]);
    desk.lamps(&[("line-1", "on")]).await;
    desk.phone.hears_tone(&[OUR_TONE]).await;

    desk.put_down();
    desk.over(&call).await;
    desk.lamps(&[]).await;
    desk.phone.stop().await;
}

/// The speaker takes the call over from the handset; redial calls again hands-free, and cancel ends it.
#[tokio::test]
async fn the_speaker_keeps_the_call_and_redial_makes_it_again() {
    if !may_make_namespaces() {
        return;
    }
    let desk = Desk::with_a_phone().await;
    // B206: keyed first, dialed when the handset is lifted.
    desk.press(&["1", "0", "0"]);
    desk.lamps(&[]).await;
    desk.lift();
    let first = desk.talking_to_the_echo().await;
    desk.press(&["speaker"]);
    desk.lamps(&[("line-1", "on"), ("speaker", "on")]).await;
    desk.put_down();
    // The hook is in order behind the key: had it ended the call, its end would be seen here.
    desk.phone.hears_tone(&[OUR_TONE]).await;
    assert_eq!(desk.talking_to_the_echo().await, first);
    desk.press(&["speaker"]);
    desk.over(&first).await;
    desk.lamps(&[]).await;

    desk.press(&["redial"]);
    desk.lamps(&[("line-1", "on"), ("speaker", "on")]).await;
    let second = desk.talking_to_the_echo().await;
    assert_ne!(second, first);
    desk.press(&["cancel"]);
    desk.over(&second).await;
    desk.lamps(&[]).await;
    desk.phone.stop().await;
}

/// B193: nothing ends dialing but time, five seconds after the last digit, so that a slow machine keys them in one go. The call
/// that comes back flashes until the handset is lifted; a script sees it all.
#[tokio::test]
async fn a_watching_script_sees_keys_calls_and_lamps_as_they_come() {
    if !may_make_namespaces() {
        return;
    }
    let desk = Desk::with_a_phone().await;
    desk.phone.run(&["settings", "set", "INTDIGIT_TIM=5"]);
    let mut watch = Watch::start(&desk.phone).await;
    let key = |name: &'static str, action: &'static str| {
        move |event: &serde_json::Value| event["signal"] == "Key" && event["arguments"] == json!([name, action, {}])
    };
    desk.lift();
    watch.property("Hook", &json!("off")).await;
    for digit in ["1", "0", "1"] {
        desk.press(&[digit]);
        watch.event("the key going down", key(digit, "pressed")).await;
        watch.event("the key coming up", key(digit, "released")).await;
    }
    // 101 hangs up and calls back.
    let call = |event: &serde_json::Value| event["interfaces"]["org.deskphone.Sip1.Call"].clone();
    let out = watch.event("the call out", |event| event["event"] == "added" && call(event)["RemoteNumber"] == "101").await;
    assert_eq!(call(&out)["Direction"], "outgoing");
    watch.event("its end", |event| event["path"] == out["path"] && event["properties"]["State"] == "ended").await;
    desk.put_down();

    let back = watch.event("the call back", |event| event["event"] == "added" && call(event)["State"] == "incoming").await;
    assert_eq!(call(&back)["RemoteNumber"], "101");
    desk.lamps(&[("line-1", "flash-fast"), ("ringer", "flash-fast")]).await;
    desk.lift();
    watch.event("talking", |event| event["path"] == back["path"] && event["properties"]["State"] == "talking").await;
    desk.lamps(&[("line-1", "on")]).await;
    desk.put_down();
    watch.event("its end", |event| event["path"] == back["path"] && event["properties"]["State"] == "ended").await;
    watch.event("that it goes", |event| event["event"] == "removed" && event["path"] == back["path"]).await;
    desk.lamps(&[]).await;
    desk.phone.stop().await;
}
