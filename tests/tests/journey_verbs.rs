//! Journey: a script drives the phone. Each verb of phonectl answers `--json` with one document, and fails with the exit code that
//! its help promises.

use house_tests::may_make_namespaces;
use house_tests::namespace::Namespace;
use house_tests::phone::{FIRST_LINE, Phone, Setup};
use serde_json::{Value, json};

/// The one document that a verb prints.
fn document(phone: &Phone, verb: &[&str]) -> Value {
    let output = phone.phonectl(&[verb, &["--json"]].concat());
    let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{verb:?}: {complained}");
    serde_json::from_str(&said).unwrap_or_else(|error| panic!("{verb:?}: {error}: {said:?}"))
}

/// The exit code of a verb that must fail, with nothing but a reason.
fn refused(phone: &Phone, verb: &[&str]) -> i32 {
    let output = phone.phonectl(&[verb, &["--json"]].concat());
    assert!(!output.stderr.is_empty(), "{verb:?} says no reason");
    output.status.code().unwrap_or_default()
}

/// Sets it, and waits until sip-agent goes by it.
async fn in_effect(phone: &Phone, change: &str) {
    let revision = document(phone, &["settings", "set", change])["revision"].as_u64();
    assert!(revision.is_some(), "{change}");
    let applied = async |phone: &Phone| {
        let shown = phone.facts("org.deskphone.Sip1", "org.deskphone.Sip1.Phone").await["AppliedRevision"].as_u64();
        (shown >= revision).then_some(())
    };
    phone.until(change, applied).await;
}

#[tokio::test]
async fn every_verb_answers_with_one_document_or_its_exit_code() {
    if !may_make_namespaces() {
        return;
    }
    let namespace = Namespace::new();
    let phone = Phone::start(&namespace, &Setup::with_the_exchange()).await;
    phone.registered().await;

    for verb in ["status", "lines", "calls"] {
        assert!(!document(&phone, &[verb]).is_null(), "{verb}");
    }
    assert_eq!(document(&phone, &["calls"]), json!([]));
    assert_eq!(document(&phone, &["lines"]).as_array().map(Vec::len), Some(6));
    assert!(document(&phone, &["settings", "list"]).as_array().is_some_and(|rows| rows.len() > 100));
    assert!(document(&phone, &["settings", "set", "DISPLAY_NAME_2=Reception"]).is_object());
    assert!(document(&phone, &["settings", "get", "DISPLAY_NAME_2"]).to_string().contains("Reception"));
    assert_eq!(document(&phone, &["settings", "explain", "DISPLAY_NAME_2"])["layer"], "user");
    assert!(document(&phone, &["provision", "now"]).is_object());
    assert!(document(&phone, &["board", "leds"])["line-1"].is_string());
    assert!(document(&phone, &["board", "key", "1"]).is_object());
    assert!(document(&phone, &["board", "key", "cancel"]).is_object());
    assert!(document(&phone, &["board", "cable", "connected"]).is_object());
    let file = phone.run_folder().join("good.cfg");
    std::fs::write(&file, format!("{FIRST_LINE}\r\n\r\nDISPLAY_NAME_1=\"Anna\"\r\n\r\n")).unwrap();
    assert_eq!(document(&phone, &["config", "lint", &file.display().to_string()]), json!([]));

    assert!(!document(&phone, &["call", "100"]).is_null());
    phone.call_in("talking").await;
    for verb in [&["dtmf", "12#"][..], &["flash"], &["hold"]] {
        assert!(!document(&phone, verb).is_null(), "{verb:?}");
    }
    phone.call_that("on hold", |call| call.hold == "local").await;
    assert!(!document(&phone, &["resume"]).is_null());
    phone.call_that("talking again", |call| call.hold == "none").await;
    assert!(!document(&phone, &["hangup"]).is_null());
    phone.call_in("ended").await;
    document(&phone, &["call", "101"]);
    phone.call_in("incoming").await;
    assert!(!document(&phone, &["answer"]).is_null());
    phone.call_in("talking").await;
    for hook in ["off", "on"] {
        assert!(document(&phone, &["board", "hook", hook]).is_object());
    }
    phone.call_in("ended").await;
    in_effect(&phone, "VM_NUMBER_1=100").await;
    assert!(!document(&phone, &["mailbox"]).is_null());
    phone.call_in("talking").await;
    document(&phone, &["hangup"]);
    phone.call_in("ended").await;

    assert_eq!(refused(&phone, &["board", "key", "any"]), 2);
    assert_eq!(refused(&phone, &["board", "cable", "loose"]), 2);
    assert_eq!(refused(&phone, &["settings", "get", "NO_SUCH_NAME"]), 3);
    assert_eq!(refused(&phone, &["settings", "set", "SIP_SRC_PORT_1=99999"]), 4);
    assert_eq!(refused(&phone, &["settings", "set", "DISPLAY_NAME_2=Late", "--expected", "1"]), 5);
    assert_eq!(refused(&phone, &["hangup", "--call", "NOSUCHCALL"]), 7);
    assert_eq!(refused(&phone, &["mailbox", "--line", "2"]), 8);
    assert_eq!(refused(&phone, &["flash"]), 8);
    assert_eq!(refused(&phone, &["call", "100", "--line", "5"]), 9);
    in_effect(&phone, "DIAL_PLAN_1=1xx!").await;
    assert_eq!(refused(&phone, &["call", "100"]), 15);
    document(&phone, &["settings", "set", "PROVISION_ENABLE=N"]);
    assert_eq!(refused(&phone, &["provision", "now"]), 12);
    phone.stop().await;
}
