//! Journey: a new phone finds its files by what the DHCP server says (guide 2.4.2). Real dnsmasq, which is the TFTP server as well.

use house_tests::dhcp_server::{DHCP, DhcpServer};
use house_tests::may_make_namespaces;
use house_tests::namespace::{LINK, Namespace, PHONE, REGISTRAR};
use house_tests::phone::{FIRST_LINE, Phone, Setup};
use house_tests::registrar::{DOMAIN, PHONE_ACCOUNT, Registrar};
use house_tests::web_server::WebServer;

const MAC: &str = "0080F0123456";

/// What runs besides the phone and the DHCP server.
struct Network {
    files: WebServer,
    _registrar: Registrar,
    namespace: Namespace,
}

impl Network {
    /// The unit's own file lies at the web server.
    fn new() -> Network {
        let namespace = Namespace::new();
        let network = Network { files: WebServer::start(&namespace), _registrar: Registrar::start(&namespace), namespace };
        let (user, password) = PHONE_ACCOUNT;
        let lines = format!(
            "PHONE_NUMBER_1=\"{user}\"\r\nSIP_AUTHID_1=\"{user}\"\r\nSIP_PASS_1=\"{password}\"\r\n\
             SIP_RGSTR_ADDR_1=\"{REGISTRAR}\"\r\nSIP_SVCDOMAIN_1=\"{DOMAIN}\"\r\n"
        );
        network.files.put(&format!("Config{MAC}.cfg"), format!("{FIRST_LINE}\r\n{lines}\r\n"));
        network
    }

    /// The file of pre-provisioning, as in the guide's example.
    fn first_file(&self) -> String {
        let url = self.files.url("Config{MAC}.cfg");
        format!("{FIRST_LINE}\r\nCFG_STANDARD_FILE_PATH=\"{url}\"\r\n\r\n")
    }

    /// A new phone of a dealer who has preset these lines.
    async fn phone(&self, preset: &[&str]) -> Phone {
        let mut setup = Setup::at_the_registrar(&[]);
        setup.preset = Some([&["PROVISION_START_SPREAD=\"0\""], preset].concat().into_iter().map(str::to_owned).collect());
        setup.options = ["--mac", MAC, "--dhcp-interface", LINK].map(str::to_owned).into();
        Phone::start(&self.namespace, &setup).await
    }
}

/// Waits until the board shows this. Before it has its settings it asks nobody either.
async fn dhcp_state(phone: &Phone, wanted: &str) {
    let state = async |phone: &Phone| phone.facts("org.deskphone.Hal1", "org.deskphone.Hal1").await["DhcpState"].clone();
    phone.until(&format!("DhcpState {wanted}"), async |phone| (state(phone).await == wanted).then_some(())).await;
}

/// Where CFG_STANDARD_FILE_PATH comes from.
fn pointed_by(phone: &Phone) -> (String, String) {
    let (_, layer, source, _) = phone.explain("CFG_STANDARD_FILE_PATH");
    (layer, source)
}

/// Why each run began and its first file's URL, newest first.
fn past_runs(phone: &Phone) -> Vec<(String, String)> {
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let runs = phone.json(&["provision", "runs"]);
    let told = runs.as_array().expect("runs").iter().map(|run| (text(&run["cause"]), text(&run["files"][0]["url"])));
    told.collect()
}

/// B27, B28, B29, B31, B32, B33: the guide's example, step by step, and once more after a reset.
#[tokio::test]
async fn a_new_phone_finds_its_files_by_option_66_and_again_after_a_reset() {
    if !may_make_namespaces() {
        return;
    }
    let network = Network::new();
    let dhcp = DhcpServer::start(&network.namespace, &[&format!("66,{DHCP}")]);
    dhcp.put("KX-UT670.cfg", &network.first_file());
    let phone = network.phone(&[]).await;
    phone.registered().await;
    let first = format!("tftp://{DHCP}/KX-UT670.cfg");
    assert_eq!(pointed_by(&phone), ("pre-provisioning".to_owned(), first.clone()));
    assert_eq!(phone.explain("PHONE_NUMBER_1").2, network.files.url(&format!("Config{MAC}.cfg")));
    assert!(phone.logs().contains("the unit was pre-provisioned"), "the unit has restarted in between: {}", phone.logs());
    let told = past_runs(&phone);
    let (cause, url) = told.last().expect("the report outlives the restart");
    assert_eq!((cause.as_str(), url.as_str()), ("pre-provisioning", first.as_str()), "{told:?}");
    assert_eq!(dhcp.files_sent(), 1, "a unit that has its files does not look again: {}", dhcp.log());

    let before = phone.epochs().await;
    phone.run(&["reset", "factory", "--yes"]);
    phone.restarted(before).await;
    phone.registered().await;
    assert_eq!(pointed_by(&phone), ("pre-provisioning".to_owned(), first));
    assert_eq!(dhcp.files_sent(), 2, "{}", dhcp.log());
    let told = past_runs(&phone);
    assert_eq!(told.iter().filter(|(cause, _)| cause == "pre-provisioning").count(), 1, "what was before the reset: {told:?}");
    phone.stop().await;
}

/// B30, B34, C51: the switch of the option, and a static address.
#[tokio::test]
async fn a_phone_that_shall_not_look_at_option_66_does_not() {
    if !may_make_namespaces() {
        return;
    }
    let network = Network::new();
    let dhcp = DhcpServer::start(&network.namespace, &[&format!("66,{DHCP}")]);
    dhcp.put("KX-UT670.cfg", &network.first_file());
    let by_hand = [
        "CONNECTION_MODE=\"STATIC\"",
        "STATIC_IP_ADDRESS=\"10.77.0.1\"",
        "STATIC_SUBNET_MASK=\"255.255.255.0\"",
        "STATIC_GATEWAY=\"10.77.0.254\"",
        "STATIC_DNS1=\"10.77.0.254\"",
    ];
    for (preset, state) in [(&["OPTION66_ENABLE=\"N\""][..], "answered"), (&by_hand, "off")] {
        let phone = network.phone(preset).await;
        dhcp_state(&phone, state).await;
        // The run of start-up follows what the server says: now it has ended, and it had nothing to fetch.
        let runs = async |phone: &Phone| {
            let facts = phone.facts("org.deskphone.Provisioning1", "org.deskphone.Provisioning1").await;
            facts["LastRun"].as_u64().filter(|run| *run > 0)
        };
        assert_eq!(phone.until("a run", runs).await, 1, "{preset:?}");
        assert_eq!(pointed_by(&phone).0, "dealer", "{preset:?}");
        phone.stop().await;
    }
    assert_eq!(dhcp.files_sent(), 0, "{}", dhcp.log());
}

/// The other options: each is asked when those before it led to no file.
#[tokio::test]
async fn a_new_phone_goes_on_to_the_next_option_where_one_leads_to_no_file() {
    if !may_make_namespaces() {
        return;
    }
    let network = Network::new();
    network.files.put("KX-UT670.cfg", network.first_file());
    let (good, bad) = (network.files.url(""), network.files.url("nothing/"));
    let here = network.files.url("KX-UT670.cfg");
    let vendor = format!("vendor:Panasonic,66,{good}");
    for (options, found) in [
        (vec![format!("66,{DHCP}"), format!("160,{good}")], here.clone()),
        (vec![format!("160,{bad}"), format!("159,{good}")], here.clone()),
        (vec![format!("159,{bad}"), vendor], here.clone()),
        (vec![format!("66,{DHCP}"), format!("150,{DHCP}")], format!("tftp://{DHCP}/KX-UT670.cfg")),
    ] {
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        let dhcp = DhcpServer::start(&network.namespace, &options);
        if found.starts_with("tftp") {
            dhcp.put("KX-UT670.cfg", &network.first_file());
        }
        let phone = network.phone(&[]).await;
        phone.registered().await;
        assert_eq!(pointed_by(&phone), ("pre-provisioning".to_owned(), found), "{options:?}");
        phone.stop().await;
    }
}

/// Decision 27: a client that holds the lease opens its socket anew while the board's question is open, and gets everything from then
/// on. The board asks again by a socket of its own.
#[tokio::test]
async fn another_client_on_the_link_does_not_keep_the_answer_for_good() {
    if !may_make_namespaces() {
        return;
    }
    let network = Network::new();
    network.files.put("KX-UT670.cfg", network.first_file());
    network.namespace.beyond_the_link(DHCP);
    let phone = network.phone(&[]).await;
    dhcp_state(&phone, "asking").await;
    let _other = network.namespace.inside(client_of_the_lease);
    let _dhcp = DhcpServer::start(&network.namespace, &[&format!("66,{}", network.files.url(""))]);
    dhcp_state(&phone, "answered").await;
    phone.registered().await;
    phone.stop().await;
}

/// The socket of one who never reads, as systemd-networkd opens it.
fn client_of_the_lease() -> socket2::Socket {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None).expect("a socket");
    socket.set_reuse_address(true).expect("a shared port");
    socket.bind_device(Some(LINK.as_bytes())).expect("the link");
    let address: std::net::SocketAddr = format!("{PHONE}:68").parse().expect("an address");
    socket.bind(&address.into()).expect("the port of DHCP clients");
    socket
}
