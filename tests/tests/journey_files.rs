//! Journey: the files come from servers of every kind, and from one that never gets to their end.

use std::time::Duration;

use house_tests::authority::Authority;
use house_tests::far_phone::{FarPhone, FarSetup};
use house_tests::file_servers::{FTP_ACCOUNT, FileServer};
use house_tests::may_make_namespaces;
use house_tests::namespace::{FAR, FILES, Namespace, REGISTRAR};
use house_tests::phone::{FIRST_LINE, Phone, Setup};
use house_tests::registrar::{DOMAIN, FAR_ACCOUNT, PHONE_ACCOUNT, Registrar};
use house_tests::web_server::WebServer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

const PROVISIONING: &str = "org.deskphone.Provisioning1";
const MAC: &str = "0080F0111111";

fn file(lines: &[String]) -> String {
    let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    format!("{FIRST_LINE}\r\n\r\n{lines}\r\n")
}

/// The settings of all units.
fn common() -> Vec<String> {
    vec![
        format!("SIP_RGSTR_ADDR_1=\"{REGISTRAR}\""),
        format!("SIP_PRXY_ADDR_1=\"{REGISTRAR}\""),
        format!("SIP_SVCDOMAIN_1=\"{DOMAIN}\""),
    ]
}

/// Those of ours.
fn own() -> Vec<String> {
    let (user, password) = PHONE_ACCOUNT;
    vec![format!("PHONE_NUMBER_1=\"{user}\""), format!("SIP_AUTHID_1=\"{user}\""), format!("SIP_PASS_1=\"{password}\"")]
}

/// A phone that knows where its files are, and nothing else.
fn setup(paths: &[String]) -> Setup {
    let mut setup = Setup::at_the_registrar(&[]);
    let unset = ["CFG_STANDARD_FILE_PATH=\"\"".to_owned(), "PROVISION_START_SPREAD=\"0\"".to_owned()];
    // The first value of a preset counts.
    setup.preset = Some([paths, &unset].concat());
    setup.options = vec!["--mac".to_owned(), MAC.to_owned()];
    setup
}

/// kind, outcome and error codes of the last run.
async fn last_run(phone: &Phone) -> (Vec<(String, String)>, Vec<String>) {
    let ended = async |phone: &Phone| (phone.facts(PROVISIONING, PROVISIONING).await["LastRun"] == 1).then_some(());
    phone.until_within(Duration::from_secs(120), "the end of the run at start-up", ended).await;
    let path = format!("/{}", PROVISIONING.replace('.', "/"));
    let call =
        async |method| phone.bus.call_method(Some(PROVISIONING), path.as_str(), Some(PROVISIONING), method, &()).await.unwrap();
    let files: Vec<(String, String, String, u32, u32)> = call("Files").await.body().deserialize().unwrap();
    let diagnoses: Vec<phone_proto::dbus::DiagnosisTuple> = call("Diagnoses").await.body().deserialize().unwrap();
    let codes = diagnoses.into_iter().filter(|one| one.5 == "error").map(|one| one.3).collect();
    (files.into_iter().map(|(kind, _, outcome, _, _)| (kind, outcome)).collect(), codes)
}

fn outcomes(told: [(&str, &str); 3]) -> Vec<(String, String)> {
    told.map(|(kind, outcome)| (kind.to_owned(), outcome.to_owned())).to_vec()
}

/// B35, B37, B50, B53, B54, B58, B218: the master file over HTTPS from a server whose certificate an own authority has issued, the
/// product file over FTP, the unit's own over TFTP. What they say makes the phone register. The certificate of any other authority is
/// none: then the master file stays away, and the others apply.
#[tokio::test]
async fn files_come_over_https_ftp_and_tftp() {
    if !may_make_namespaces() {
        return;
    }
    let namespace = Namespace::new();
    let _registrar = Registrar::start(&namespace);
    let authority = Authority::new();
    let web = WebServer::start_with_certificate(&namespace, &authority.issue(FILES));
    let (ftp, tftp) = (FileServer::ftp(&namespace), FileServer::tftp(&namespace));
    web.put("sip.cfg", file(&common()));
    ftp.put("KX-UT670.cfg", &file(&["DISPLAY_NAME_1=\"By FTP\"".to_owned(), "INTDIGIT_TIM=\"7\"".to_owned()]));
    tftp.put("Config0080f0111111.cfg", &file(&own()));
    let (user, password) = FTP_ACCOUNT;
    let paths = [
        format!("CFG_MASTER_FILE_PATH=\"https://{FILES}/\""),
        format!("CFG_PRODUCT_FILE_PATH=\"ftp://{user}:{password}@{FILES}/\""),
        format!("CFG_STANDARD_FILE_PATH=\"tftp://{FILES}/\""),
        "HTTP_SSL_VERIFY=\"2\"".to_owned(),
        format!("CFG_ROOT_CERTIFICATE_PATH=\"{}\"", web.url("root.pem")),
    ];

    web.put("root.pem", authority.root());
    let phone = Phone::start(&namespace, &setup(&paths)).await;
    phone.registered().await;
    let (files, codes) = last_run(&phone).await;
    assert_eq!(files, outcomes([("master", "applied"), ("product", "applied"), ("standard", "applied")]), "{codes:?}");
    let source = |name: &str| {
        let (_, layer, source, _) = phone.explain(name);
        (layer, source)
    };
    let told = |layer: &str, source: String| (layer.to_owned(), source);
    assert_eq!(source("SIP_RGSTR_ADDR_1"), told("master", format!("https://{FILES}/sip.cfg")));
    let (layer, from) = source("INTDIGIT_TIM");
    assert!(layer == "product" && from.ends_with(&format!("@{FILES}/KX-UT670.cfg")) && !from.contains(password), "{from}");
    assert_eq!(source("PHONE_NUMBER_1"), told("standard", format!("tftp://{FILES}/Config0080f0111111.cfg")));
    assert!(!phone.logs().contains(password), "a password in a log");
    phone.stop().await;

    web.put("root.pem", Authority::new().root());
    let phone = Phone::start(&namespace, &setup(&paths)).await;
    let (files, codes) = last_run(&phone).await;
    assert_eq!(files, outcomes([("master", "failed"), ("product", "applied"), ("standard", "applied")]));
    assert_eq!(codes, ["file.certificate"]);
    assert_eq!((phone.explain("SIP_RGSTR_ADDR_1").1, phone.explain("PHONE_NUMBER_1").1), ("factory".into(), "standard".into()));
    phone.stop().await;
}

/// What `openssl enc` makes of a file, as an administrator does.
fn encrypted(text: &str, key: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("phone.cfg");
    std::fs::write(&path, text).expect("the file");
    let mut openssl = std::process::Command::new("openssl");
    openssl.args(["enc", "-aes-128-cbc", "-md", "sha256", "-salt", "-pass", &format!("pass:{key}"), "-in"]).arg(path);
    let output = openssl.output().expect("openssl");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// B36: the two ways that are advised, at one unit: what holds passwords is encrypted and comes over HTTP, what is not encrypted comes
/// over HTTPS. Neither needs the other's protection.
#[tokio::test]
async fn an_encrypted_file_comes_over_http_and_a_plain_one_over_https() {
    if !may_make_namespaces() {
        return;
    }
    let namespace = Namespace::new();
    let _registrar = Registrar::start(&namespace);
    let authority = Authority::new();
    let web = WebServer::start_with_certificate(&namespace, &authority.issue(FILES));
    let key = "k".repeat(32);
    web.put("own.e1c", encrypted(&file(&own()), &key));
    web.put("sip.cfg", file(&common()));
    web.put("root.pem", authority.root());
    let paths = [
        format!("CFG_STANDARD_FILE_PATH=\"{}\"", web.url("own.e1c")),
        format!("CFG_MASTER_FILE_PATH=\"https://{FILES}/sip.cfg\""),
        format!("CFG_FILE_KEY1=\"{key}\""),
        "HTTP_SSL_VERIFY=\"2\"".to_owned(),
        format!("CFG_ROOT_CERTIFICATE_PATH=\"{}\"", web.url("root.pem")),
    ];
    let phone = Phone::start(&namespace, &setup(&paths)).await;
    let (files, codes) = last_run(&phone).await;
    assert_eq!(
        files,
        [("master", "applied"), ("standard", "applied")].map(|(kind, end)| (kind.to_owned(), end.to_owned())),
        "{codes:?}"
    );
    assert_eq!(phone.explain("PHONE_NUMBER_1").2, format!("http://{FILES}/own.e1c"));
    assert_eq!(phone.explain("SIP_RGSTR_ADDR_1").2, format!("https://{FILES}/sip.cfg"));
    phone.registered().await;
    phone.stop().await;
}

/// A web server that takes every request, begins to answer and never ends.
struct Stalling {
    asked: mpsc::UnboundedReceiver<String>,
    work: tokio::task::JoinHandle<()>,
}

impl Stalling {
    /// At the place of the files.
    fn start(namespace: &Namespace) -> Stalling {
        let listener = namespace.inside(|| std::net::TcpListener::bind((FILES, 80))).expect("the port of the files");
        listener.set_nonblocking(true).expect("a listener for tokio");
        let listener = TcpListener::from_std(listener).expect("a listener for tokio");
        let (tell, asked) = mpsc::unbounded_channel();
        Stalling { asked, work: tokio::spawn(stall(listener, tell)) }
    }
}

impl Drop for Stalling {
    fn drop(&mut self) {
        self.work.abort();
    }
}

async fn stall(listener: TcpListener, tell: mpsc::UnboundedSender<String>) {
    let mut held = Vec::new();
    while let Ok((mut stream, _)) = listener.accept().await {
        let head = head(&mut stream).await;
        let begun = format!("HTTP/1.1 200 OK\r\nContent-Length: 10000\r\n\r\n{FIRST_LINE}\r\nDISPLAY_NAME_1=\"Stalled\"\r\n");
        let _ = stream.write_all(begun.as_bytes()).await;
        held.push(stream);
        let _ = tell.send(head);
    }
}

async fn head(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => bytes.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Architecture 3: while a web server keeps the run at start-up waiting, the phone registers and calls from its stored settings; in
/// the end the run has failed, and nothing of a file that was never whole applies.
#[tokio::test]
async fn a_server_that_stalls_keeps_nobody_from_calling() {
    if !may_make_namespaces() {
        return;
    }
    let namespace = Namespace::new();
    let _registrar = Registrar::start(&namespace);
    let far = FarSetup { address: FAR, account: FAR_ACCOUNT, codecs: "PCMU/8000/1", tone: 660.0 };
    let mut far = FarPhone::start(&namespace, far).await;
    let mut web = WebServer::start(&namespace);
    web.put("own.cfg", file(&[common(), own()].concat()));
    let setup = setup(&[format!("CFG_STANDARD_FILE_PATH=\"{}\"", web.url("own.cfg"))]);
    let phone = Phone::start(&namespace, &setup).await;
    phone.registered().await;
    let folder = phone.stop().await;
    web.stop();

    let mut stalling = Stalling::start(&namespace);
    let phone = Phone::start_again(&namespace, &setup, folder).await;
    phone.registered().await;
    phone.run(&["call", FAR_ACCOUNT.0]);
    far.event("CALL_INCOMING").await;
    far.accept().await;
    phone.call_that("talking with sound", |call| call.state == "talking" && call.media == "flowing").await;
    let asked = stalling.asked.recv().await.expect("the phone asks");
    assert!(asked.starts_with("GET /own.cfg "), "{asked}");
    let facts = phone.facts(PROVISIONING, PROVISIONING).await;
    assert_eq!((facts["State"].as_str(), facts["LastRun"].as_u64()), (Some("running"), Some(0)), "the run waits for its server");
    phone.hears_tone(&[660.0]).await;
    far.hangup().await;
    phone.call_in("ended").await;

    let (files, codes) = last_run(&phone).await;
    assert_eq!((files, codes), (vec![("standard".to_owned(), "failed".to_owned())], vec!["file.timed-out".to_owned()]));
    assert_eq!((phone.explain("DISPLAY_NAME_1").1, phone.line(1, "State").await.as_str()), ("factory".into(), Some("registered")));
    phone.stop().await;
}
