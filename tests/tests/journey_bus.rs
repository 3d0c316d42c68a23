//! Journey: a person looks at the phone with busctl, and nobody can do on the bus what house.toml does not say.

use std::io::{BufRead, BufReader};
use std::process::{Command, Output, Stdio};
use std::time::Instant;

use house_tests::namespace::Namespace;
use house_tests::phone::{Phone, Setup};
use house_tests::{LIMIT, may_make_namespaces};
use phone_proto::settings::SnapshotRequest;
use phone_proto::settings::settings_client::SettingsClient;
use testbed::house::House;

const SIP: &str = "org.deskphone.Sip1";

fn busctl(phone: &Phone, arguments: &[&str]) -> Output {
    busctl_as(phone, 0, arguments)
}

fn busctl_as(phone: &Phone, uid: u32, arguments: &[&str]) -> Output {
    let id = uid.to_string();
    let mut command = Command::new("setpriv");
    command.args(["--reuid", &id, "--regid", &id, "--clear-groups", "busctl", "--no-pager"]);
    command.arg(format!("--address={}", phone.ready["bus"].as_str().unwrap())).args(arguments).output().unwrap()
}

fn said(output: Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn refused(output: Output, what: &str) {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{what} was allowed: {}", String::from_utf8_lossy(&output.stdout));
    assert!(text.contains("denied") || text.contains("rejected") || text.contains("not allowed"), "{what}: {text}");
}

/// The lab gives uids by rank.
fn uid(service: &str) -> u32 {
    let house = House::built_in().unwrap();
    let at = house.services().iter().position(|(name, _)| *name == service).unwrap();
    61_001 + u32::try_from(at).unwrap()
}

async fn phone() -> (Phone, Namespace) {
    let namespace = Namespace::new();
    (Phone::start(&namespace, &Setup::with_the_exchange()).await, namespace)
}

#[tokio::test]
async fn busctl_lists_introspects_and_monitors_the_objects() {
    if !may_make_namespaces() {
        return;
    }
    let (phone, _namespace) = phone().await;
    phone.registered().await;
    let names = said(busctl(&phone, &["list", "--acquired"]));
    for name in ["Sip1", "Hal1", "Media1", "Settings1", "Provisioning1", "Web1"] {
        assert!(names.contains(&format!("org.deskphone.{name} ")), "{name} in {names}");
    }
    let tree = said(busctl(&phone, &["tree", "--list", SIP]));
    for line in 1..=6 {
        assert!(tree.contains(&format!("/org/deskphone/Sip1/line/{line}")), "{tree}");
    }
    let line = said(busctl(&phone, &["introspect", SIP, "/org/deskphone/Sip1/line/1", "org.deskphone.Sip1.Line"]));
    assert!(line.contains(".Register") && line.contains("\"registered\""), "{line}");

    let address = format!("--address={}", phone.ready["bus"].as_str().unwrap());
    let mut monitor =
        Command::new("busctl").args([&address, "--json=short", "monitor", SIP]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(monitor.stdout.take().unwrap()).lines();
    // A monitor says nothing when it begins; a call that it sees proves that it has.
    let seen = std::thread::spawn(move || lines.find(|line| line.as_ref().is_ok_and(|line| line.contains("InterfacesAdded"))));
    let begun = Instant::now();
    while !seen.is_finished() && begun.elapsed() < LIMIT {
        phone.run(&["call", "102"]);
        phone.run(&["hangup"]);
    }
    // With its end the lines end too, seen or not.
    monitor.kill().unwrap();
    monitor.wait().unwrap();
    let added = seen.join().unwrap().expect("the monitor shows the calls").unwrap();
    assert!(added.contains("/org/deskphone/Sip1/call/"), "{added}");
    phone.stop().await;
}

/// Architecture 8: the policy denies by default and names who may own and call what.
#[tokio::test]
async fn a_service_can_neither_own_anothers_name_nor_call_what_it_may_not() {
    if !may_make_namespaces() {
        return;
    }
    let (phone, _namespace) = phone().await;
    let own = ["call", "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "RequestName", "su"];
    let house = House::built_in().unwrap();
    for (owner, row) in house.services() {
        for (other, _) in house.services().into_iter().filter(|(other, _)| *other != owner) {
            for name in &row.bus_names {
                // 4: do not queue.
                refused(busctl_as(&phone, uid(other), &[&own[..], &[name, "4"]].concat()), &format!("{other} owning {name}"));
            }
        }
    }
    let hook = ["call", "org.deskphone.Hal1", "/org/deskphone/Hal1", "org.deskphone.Hal1.Simulator", "SetHook", "s", "off"];
    let dial = ["call", SIP, "/org/deskphone/Sip1", "org.deskphone.Sip1.Phone", "Dial", "sya{sv}", "100", "0", "0"];
    let lamp = ["call", "org.deskphone.Hal1", "/org/deskphone/Hal1", "org.deskphone.Hal1", "SetLamp", "ss", "message", "on"];
    for service in ["sip-agent", "web-ui", "media-engine", "provisioning-agent"] {
        refused(busctl_as(&phone, uid(service), &hook), &format!("{service} lifting the handset"));
    }
    refused(busctl_as(&phone, uid("media-engine"), &dial), "media-engine dialling");
    refused(busctl_as(&phone, uid("web-ui"), &lamp), "web-ui lighting a lamp");
    // A signal in another's name does not get through either: a person's process may send none at all.
    let nobody = 65_534;
    refused(busctl_as(&phone, nobody, &dial), "a user who is no administrator dialling");
    let set = [
        "call",
        "org.deskphone.Settings1",
        "/org/deskphone/Settings1",
        "org.deskphone.Settings1",
        "Set",
        "a{ss}ta{sv}",
        "0",
        "0",
        "0",
    ];
    refused(busctl_as(&phone, nobody, &set), "a user who is no administrator saving");
    // But everybody may look, without secrets.
    let state =
        said(busctl_as(&phone, nobody, &["get-property", SIP, "/org/deskphone/Sip1/line/1", "org.deskphone.Sip1.Line", "State"]));
    assert!(state.starts_with("s \""), "{state}");
    let secret =
        ["call", "org.deskphone.Settings1", "/org/deskphone/Settings1", "org.deskphone.Settings1", "Get", "s", "SIP_PASS_1"];
    assert_eq!(said(busctl_as(&phone, nobody, &secret)).trim(), "s \"********\"");
    phone.stop().await;
}

/// Asks for the snapshot of `claimed` from a connection whose peer credentials say `uid`.
fn snapshot_as(phone: &Phone, uid: u32, claimed: &str) -> Result<Vec<String>, tonic::Status> {
    let socket = phone.run_folder().join("provisioning-agent/settings.sock");
    let claimed = claimed.to_owned();
    // A thread of its own: credentials belong to it alone, and it ends with them.
    let ask = move || {
        rustix::thread::set_thread_groups(&[]).unwrap();
        rustix::thread::set_thread_gid(rustix::process::Gid::from_raw(uid)).unwrap();
        rustix::thread::set_thread_uid(rustix::process::Uid::from_raw(uid)).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut client = SettingsClient::new(service_kit::grpc::channel_at(socket));
            let reply = client.snapshot(SnapshotRequest { service: claimed }).await?;
            Ok(reply.into_inner().values.into_iter().map(|value| value.name).collect())
        })
    };
    std::thread::spawn(ask).join().unwrap()
}

/// Architecture 3: a service sees only the parameters whose rows name it, checked by the peer's uid.
#[tokio::test]
async fn a_service_reads_only_its_own_settings() {
    if !may_make_namespaces() {
        return;
    }
    let (phone, _namespace) = phone().await;
    let own = snapshot_as(&phone, uid("sip-agent"), "sip-agent").unwrap();
    assert!(own.iter().any(|name| name == "SIP_PASS_1"));
    let hals = snapshot_as(&phone, uid("hal-agent"), "hal-agent").unwrap();
    assert!(hals.iter().any(|name| name == "SIM_MAC") && !hals.iter().any(|name| name.contains("PASS")), "{hals:?}");
    for (service, claimed) in [("hal-agent", "sip-agent"), ("web-ui", "provisioning-agent"), ("media-engine", "web-ui")] {
        let refusal = snapshot_as(&phone, uid(service), claimed).unwrap_err();
        assert_eq!(refusal.code(), tonic::Code::PermissionDenied, "{service} as {claimed}: {refusal}");
    }
    let refusal = snapshot_as(&phone, 65_534, "sip-agent").unwrap_err();
    assert_eq!(refusal.code(), tonic::Code::PermissionDenied, "{refusal}");
    phone.stop().await;
}

/// `phonectl watch` sees a service go and come back, and phonelab starts it again under the same name.
#[tokio::test]
async fn a_killed_service_is_seen_to_go_and_to_come_back() {
    if !may_make_namespaces() {
        return;
    }
    let (phone, _namespace) = phone().await;
    let bus = phone.ready["bus"].as_str().unwrap();
    let mut watch = Command::new(house_tests::programs::ours("phonectl"))
        .args(["watch", "--json"])
        .env("DESKPHONE_BUS", bus)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    let mut next = move |wanted: &str| lines.find(|line| line.as_ref().is_ok_and(|line| line.contains(wanted))).unwrap().unwrap();
    next("\"watching\"");
    let first = phone.pid("hal-agent");
    let epoch = phone.facts("org.deskphone.Hal1", "org.deskphone.Hal1").await["Epoch"].clone();
    rustix::process::kill_process(rustix::process::Pid::from_raw(first).unwrap(), rustix::process::Signal::KILL).unwrap();
    let service = tokio::task::spawn_blocking(move || [next("\"up\":false"), next("\"up\":true")]).await.unwrap();
    assert!(service.iter().all(|line| line.contains("\"hal-agent\"")), "{service:?}");
    watch.kill().unwrap();
    watch.wait().unwrap();
    let new_epoch = async |phone: &Phone| {
        let now = phone.facts("org.deskphone.Hal1", "org.deskphone.Hal1").await["Epoch"].clone();
        (now.is_u64() && now != epoch).then_some(())
    };
    phone.until("a new epoch", new_epoch).await;
    assert!(![0, first].contains(&phone.pid("hal-agent")));
    phone.stop().await;
}
