//! The phone under real systemd in a container: the target starts, every service runs as its own user, and sip-agent's sockets and
//! snapshot come back through the real fd store after SIGKILL in a call.

use house_tests::far_exchange::FarExchange;
use house_tests::machine::{Machine, SERVICES, until};
use house_tests::may_make_namespaces;
use house_tests::namespace::{PHONE, REGISTRAR};
use house_tests::phone::Setup;
use testbed::exchange::Progress;

fn preset() -> Vec<String> {
    let address = format!("SIM_ADDRESS=\"{PHONE}\"");
    let further = [address.as_str(), "SIM_MAC=\"0080F0ABCDEF\"", "SIP_SVCDOMAIN_1=\"deskphone.lab\""];
    Setup::at_the_registrar(&further).preset.unwrap()
}

#[tokio::test]
async fn a_call_outlives_sip_agent_through_the_fd_store_of_systemd() {
    if !may_make_namespaces() {
        return;
    }
    let machine = Machine::boot(&preset(), &[]).await;
    for address in [PHONE, REGISTRAR] {
        let address = format!("{address}/32");
        machine.does(&["ip", "addr", "add", &address, "dev", "lo"]);
    }
    machine.enter_network();
    let exchange = FarExchange::start();
    machine.does(&["systemctl", "start", "deskphone.target"]);
    for service in SERVICES {
        assert_eq!(machine.property(service, "ActiveState"), "active", "{service}\n{}", machine.journal());
        let user = machine.does(&["stat", "-c", "%U", &format!("/proc/{}", machine.property(service, "MainPID"))]);
        assert!(user.starts_with("deskphone-"), "{service} runs as {user}");
    }

    exchange.until(|view| !view.bindings.is_empty()).await.unwrap();
    until("a call with sound", || {
        if machine.call().is_none() {
            machine.phonectl(&["call", "100"]);
        }
        machine.call().filter(|call| call["State"] == "talking" && call["Media"] == "flowing")
    })
    .await;
    let call = machine.call().unwrap();
    assert_ne!(machine.property("sip-agent", "NFileDescriptorStore"), "0");

    let before = machine.property("sip-agent", "MainPID");
    machine.does(&["systemctl", "kill", "--signal=KILL", "--kill-who=main", "deskphone-sip-agent.service"]);
    until("sip-agent back", || {
        let now = machine.property("sip-agent", "MainPID");
        (now != before && now != "0" && machine.property("sip-agent", "ActiveState") == "active").then_some(())
    })
    .await;
    let same = until("the same call", || machine.call()).await;
    assert_eq!((&same["Identity"], &same["State"]), (&call["Identity"], &call["State"]), "{}", machine.journal());

    machine.phonectl(&["hangup"]);
    let ended =
        exchange.until(|view| view.calls.last().is_some_and(|call| matches!(call.progress, Progress::Ended(_)))).await.unwrap();
    assert_eq!(ended.calls.last().unwrap().missing, 0, "the far end misses RTP packets");
    assert_eq!(machine.property("sip-agent", "NRestarts"), "1");
}
