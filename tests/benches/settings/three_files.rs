//! What an administrator waits for after a change on the server: a run of three files at the size limit, fetched from nginx by the
//! whole phone, from the wish until sip-agent shows that it has applied what they say.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use house_tests::LIMIT;
use house_tests::namespace::Namespace;
use house_tests::phone::{Phone, Setup};
use house_tests::registrar::Registrar;
use house_tests::web_server::WebServer;
use phone_proto::dbus::ProvisioningProxy;
use settings::catalogue;

use super::FIRST_LINE;

/// Runs that are timed after the first.
const RUNS: usize = 20;
/// The limit of all files of a run is three times as much, in bytes (B67).
const EACH: usize = 40 * 1024;
const KINDS: [&str; 3] = ["master", "product", "standard"];
/// What changes from run to run, one value in each file.
const CHANGES: [&str; 3] = ["INTDIGIT_TIM", "FIRSTDIGIT_TIM", "MACRODIGIT_TIM"];
/// Left to the preset: the paths, and what line 1 needs to stay registered.
const PRESET: [&str; 9] = [
    "CFG_",
    "PROVISION_",
    "PHONE_NUMBER_1",
    "DISPLAY_NAME_1",
    "SIP_RGSTR_ADDR_1",
    "SIP_PRXY_ADDR_1",
    "SIP_SVCDOMAIN_1",
    "SIP_AUTHID_1",
    "SIP_PASS_1",
];

/// The rows of each file with their factory defaults, a third of all.
fn rows() -> Vec<Vec<String>> {
    let wanted = |name: &str| !PRESET.iter().any(|own| name.starts_with(own)) && !CHANGES.contains(&name);
    let legal = |parameter: &catalogue::Parameter| settings::value::check(parameter, parameter.default()).is_ok();
    let of_files = catalogue::parameters().filter(|parameter| parameter.row.set_by.file && wanted(parameter.name));
    let lines: Vec<String> =
        of_files.filter(legal).map(|parameter| format!("{}=\"{}\"\r\n", parameter.name, parameter.default())).collect();
    lines.chunks(lines.len().div_ceil(KINDS.len())).map(<[String]>::to_vec).collect()
}

fn put_files(server: &WebServer, rows: &[Vec<String>], number: usize) {
    for ((kind, rows), changed) in KINDS.iter().zip(rows).zip(CHANGES) {
        // 2 to 9: what all three may be.
        let mut text = format!("{FIRST_LINE}{changed}=\"{}\"\r\n{}", 2 + number % 8, rows.concat());
        let comment = "# what the administrator wanted to remember about the line above\r\n";
        while text.len() + comment.len() + RUNS + 5 < EACH {
            text.push_str(comment);
        }
        // nginx knows a file by its size and the second of its change: another size each time.
        text.push_str(&format!("#{}\r\n\r\n", ".".repeat(number)));
        server.put(&format!("{kind}.cfg"), text);
    }
}

async fn one_run(phone: &Phone, provisioning: &ProvisioningProxy<'_>) -> Duration {
    let mut finished = provisioning.receive_run_finished().await.expect("its signal");
    let begin = Instant::now();
    provisioning.run(HashMap::new()).await.expect("a run");
    let signal = tokio::time::timeout(LIMIT, finished.next()).await.expect("in time").expect("the run ends");
    let arguments = signal.args().expect("its arguments");
    assert_eq!(arguments.outcome, "done", "{:?}", provisioning.diagnoses().await);
    let applied = async |phone: &Phone| {
        let facts = phone.facts("org.deskphone.Sip1", "org.deskphone.Sip1.Phone").await;
        (facts["AppliedRevision"].as_u64()? >= arguments.revision).then(|| begin.elapsed())
    };
    let taken = phone.until("the values in effect", applied).await;
    let files = provisioning.files().await.expect("its files");
    assert!(files.len() == 3 && files.iter().all(|file| file.2 == "applied" && file.4 == 0), "{files:?}");
    taken
}

/// Prints its lines of the table.
pub async fn measure() {
    let namespace = Namespace::new();
    let server = WebServer::start(&namespace);
    let _registrar = Registrar::start(&namespace);
    let path = |kind: &str| format!("CFG_{}_FILE_PATH=\"{}\"", kind.to_uppercase(), server.url(&format!("{kind}.cfg")));
    let paths = KINDS.map(path);
    let mut setup = Setup::at_the_registrar(&paths.each_ref().map(String::as_str));
    setup.tone = None;
    // The run at start-up finds no file yet.
    let phone = Phone::start(&namespace, &setup).await;
    phone.registered().await;
    let provisioning = ProvisioningProxy::builder(&phone.bus)
        .cache_properties(zbus::proxy::CacheProperties::No)
        .build()
        .await
        .expect("Provisioning1");
    let started = async |_: &Phone| (provisioning.last_run().await == Ok(1)).then_some(());
    phone.until("the end of the run at start-up", started).await;
    let rows = rows();
    put_files(&server, &rows, 0);
    let first = one_run(&phone, &provisioning).await;
    let mut taken = Vec::with_capacity(RUNS);
    for number in 1..=RUNS {
        put_files(&server, &rows, number);
        taken.push(one_run(&phone, &provisioning).await);
    }
    taken.sort();
    let milliseconds = |taken: Option<&Duration>| taken.map_or(0.0, |taken| taken.as_secs_f64() * 1e3);
    println!(
        "| a provisioning run of three files, {} KB in all, from nginx until in effect in sip-agent: {} new values | {:.0} ms |",
        3 * EACH / 1024,
        rows.iter().map(Vec::len).sum::<usize>() + CHANGES.len(),
        milliseconds(Some(&first)),
    );
    println!(
        "| the same with three values changed: p50 / longest of {RUNS} | {:.0} / {:.0} ms |",
        milliseconds(taken.get(RUNS / 2)),
        milliseconds(taken.last()),
    );
    phone.stop().await;
}
