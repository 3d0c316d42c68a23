//! Journey: a newcomer's first minutes. The phone under phonelab with the lab's own preset and the lab exchange, nothing else.

use house_tests::may_make_namespaces;
use house_tests::namespace::Namespace;
use house_tests::phone::{Phone, Setup};

/// What the microphone hears, and so what 100 sends back.
const OUR_TONE: f64 = 440.0;

#[tokio::test]
async fn a_newcomer_has_a_registered_phone_and_hears_the_echo_of_100() {
    if !may_make_namespaces() {
        return;
    }
    let namespace = Namespace::new();
    let phone = Phone::start(&namespace, &Setup::with_the_exchange()).await;
    assert_eq!(phone.ready["exchange"], "127.0.0.2:5060");
    phone.registered().await;

    phone.run(&["call", "100"]);
    let call = phone.call_that("talking with the echo", |call| call.state == "talking" && call.media == "flowing").await;
    assert_eq!(call.number, "100");
    phone.hears_tone(&[OUR_TONE]).await;

    phone.run(&["hangup"]);
    let ended = phone.call_in("ended").await;
    assert_eq!((ended.path, ended.ended_by.as_str()), (call.path, "local"));
    phone.stop().await;
}

#[tokio::test]
async fn extension_101_calls_back_and_103_is_busy() {
    if !may_make_namespaces() {
        return;
    }
    let namespace = Namespace::new();
    let phone = Phone::start(&namespace, &Setup::with_the_exchange()).await;
    phone.registered().await;
    phone.run(&["call", "103"]);
    let busy = phone.call_in("ended").await;
    assert_eq!(busy.end_code, 486, "{busy:?}");
    phone.run(&["board", "hook", "on"]);

    phone.run(&["call", "101"]);
    let incoming = phone.call_in("incoming").await;
    assert_eq!(incoming.number, "101");
    phone.run(&["answer"]);
    phone.call_that("talking", |call| call.state == "talking" && call.path == incoming.path).await;
    phone.run(&["hangup"]);
    phone.call_that("the end", |call| call.state == "ended" && call.path == incoming.path).await;
    phone.stop().await;
}

/// What a person set survives in the state folder.
#[tokio::test]
async fn a_saved_setting_survives_a_restart_of_everything() {
    if !may_make_namespaces() {
        return;
    }
    let namespace = Namespace::new();
    let phone = Phone::start(&namespace, &Setup::with_the_exchange()).await;
    phone.run(&["settings", "set", "DISPLAY_NAME_1=Reception"]);
    let folder = phone.stop().await;
    let phone = Phone::start_again(&namespace, &Setup::with_the_exchange(), folder).await;
    let (value, layer, _, _) = phone.explain("DISPLAY_NAME_1");
    assert_eq!((value.as_str(), layer.as_str()), ("Reception", "user"));
    phone.until("the name on the line", async |phone| (phone.line(1, "DisplayName").await == "Reception").then_some(())).await;
    phone.stop().await;
}
