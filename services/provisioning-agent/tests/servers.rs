//! The sandboxed child against real servers: FTP, TFTP, Basic and Digest, a proxy, and TLS in all its failures.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)] // a test may stop

mod support;

use provisioning_agent::provisioning::exchange::{
    Fetch, Fetched, HttpAccount, Known, Request, RootCertificate, Verification, Wanted,
};
use support::child::{code, fetched, request, values};
use support::servers::{self, Authority, tls};
use support::{WebServer, configuration};

const FAR_FUTURE: &str = "20491231235959Z";

fn one(request: &Request) -> Fetched {
    fetched(request).files.remove(0)
}

fn anna() -> String {
    configuration(&["DISPLAY_NAME_1=\"Anna\""])
}

fn account(user: &str, password: &str) -> Option<HttpAccount> {
    Some(HttpAccount { user: user.into(), password: agreements::Secret::new(password) })
}

/// B35, B58: account in the URL, with an escape; a wrong password and a missing file are told apart.
#[test]
fn a_file_comes_by_ftp_with_the_account_of_the_url() {
    let folder = tempfile::tempdir().unwrap();
    let server = servers::ftp(folder.path(), "");
    server.serve("phone.cfg", &anna());
    let url = |password: &str, file: &str| format!("ftp://ftp:{password}@127.0.0.1:{}/{file}", server.port);
    let ask = |password: &str, file: &str| one(&request(&[&url(password, file)]));
    let file = ask("ftp%2Dsecret", "phone.cfg");
    assert_eq!((file.fetch, values(&file)), (Fetch::Read, vec![("DISPLAY_NAME_1", "Anna")]), "{file:?}");
    let refused = ask("wrong-secret", "phone.cfg");
    assert_eq!((refused.fetch, code(&refused)), (Fetch::Failed, "file.refused"));
    assert!(!format!("{refused:?}").contains("wrong-secret"));
    assert_eq!(ask("ftp-secret", "missing.cfg").fetch, Fetch::NotFound);
}

/// RFC 2428: a server that knows only PASV.
#[test]
fn an_ftp_server_without_epsv_is_asked_the_old_way() {
    let folder = tempfile::tempdir().unwrap();
    let server = servers::ftp(folder.path(), "cmds_denied=EPSV");
    server.serve("phone.cfg", &anna());
    let file = one(&request(&[&format!("ftp://ftp:ftp-secret@127.0.0.1:{}/phone.cfg", server.port)]));
    assert_eq!((file.fetch, values(&file)), (Fetch::Read, vec![("DISPLAY_NAME_1", "Anna")]), "{file:?}");
}

/// B35; RFC 2347: servers with and without options. The file is a multiple of the block size, so that its end is an empty block.
#[test]
fn a_file_comes_by_tftp_with_and_without_options() {
    for arguments in [&[][..], &["--refuse", "blksize", "--refuse", "tsize", "--refuse", "timeout"]] {
        let folder = tempfile::tempdir().unwrap();
        let server = servers::tftp(folder.path(), arguments);
        let text = anna();
        let filler = 1024 - text.len() - 5;
        server.serve("phone.cfg", &format!("{text}#{}\r\n\r\n", "x".repeat(filler)));
        let url = |file: &str| format!("tftp://127.0.0.1:{}/{file}", server.port);
        let file = one(&request(&[&url("phone.cfg")]));
        assert_eq!((file.fetch, values(&file), file.outcome.bytes), (Fetch::Read, vec![("DISPLAY_NAME_1", "Anna")], 1024));
        assert_eq!(one(&request(&[&url("missing.cfg")])).fetch, Fetch::NotFound);
    }
}

/// C28, HTTP_AUTH_ID: sent where the URL has no account; Digest, by either HTTP version.
#[test]
fn a_server_that_wants_digest_gets_the_account() {
    let folder = tempfile::tempdir().unwrap();
    let server = servers::digest(folder.path());
    server.serve("phone.cfg", &anna());
    let url = format!("http://127.0.0.1:{}/phone.cfg", server.port);
    for http_1_0 in [false, true] {
        let with = |account, url: &str| one(&Request { http_1_0, account, ..request(&[url]) });
        assert_eq!(values(&with(account("joe", "digest-secret"), &url)), [("DISPLAY_NAME_1", "Anna")]);
        let refused = with(account("joe", "wrong"), &url);
        assert_eq!((refused.fetch, code(&refused)), (Fetch::Failed, "file.refused"));
        let in_url = url.replace("http://", "http://joe:digest-secret@");
        assert_eq!(values(&with(account("ann", "other"), &in_url)), [("DISPLAY_NAME_1", "Anna")], "that of the URL goes first");
    }
}

/// An account belongs to the server of the configured URL.
#[test]
fn an_account_follows_a_redirection_only_on_its_own_server() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let guarded = "location = /old.cfg { return 302 /phone.cfg; } auth_basic files; auth_basic_user_file users; \
                   location = /away.cfg { auth_basic off; return 302 http://127.0.0.1:OTHER/phone.cfg; }";
    let target = WebServer::start_in(other.path(), "auth_basic files; auth_basic_user_file users;");
    let server = WebServer::start_in(folder.path(), &guarded.replace("OTHER", &target.port.to_string()));
    for (folder, server) in [(&folder, &server), (&other, &target)] {
        std::fs::write(folder.path().join("users"), "joe:{PLAIN}basic-secret\n").unwrap();
        server.serve("phone.cfg", &anna());
    }
    let ask = |path: &str| one(&Request { account: account("joe", "basic-secret"), ..request(&[&server.url(path)]) });
    assert_eq!(values(&ask("/old.cfg")), [("DISPLAY_NAME_1", "Anna")]);
    assert_eq!(code(&ask("/away.cfg")), "file.refused");
    assert_eq!(values(&ask("/phone.cfg")), [("DISPLAY_NAME_1", "Anna")]);
}

/// An unchanged file costs one 304; a changed one comes whole.
#[test]
fn an_unchanged_file_costs_one_304() {
    let folder = tempfile::tempdir().unwrap();
    let server = WebServer::start_in(folder.path(), "");
    server.serve("phone.cfg", &anna());
    let ask = |known| {
        let mut request = request(&[&server.url("/phone.cfg")]);
        request.files[0].known = known;
        one(&request)
    };
    let known = ask(None).known.unwrap();
    assert!(known.etag.starts_with('"') && known.last_modified.ends_with("GMT") && known.bytes == anna().len(), "{known:?}");
    for one_way in
        [known.clone(), Known { etag: String::new(), ..known.clone() }, Known { last_modified: String::new(), ..known.clone() }]
    {
        let unchanged = ask(Some(one_way));
        assert_eq!((unchanged.fetch, unchanged.outcome.accepted.len()), (Fetch::Unchanged, 0));
    }
    server.serve("phone.cfg", &configuration(&["DISPLAY_NAME_1=\"Berta\""]));
    let changed = ask(Some(known));
    assert_eq!((changed.fetch, values(&changed)), (Fetch::Read, vec![("DISPLAY_NAME_1", "Berta")]));
}

/// B173: http through a proxy, https through its tunnel; other protocols go past it.
#[test]
fn http_goes_through_the_proxy() {
    let folders = [(); 4].map(|()| tempfile::tempdir().unwrap());
    let proxy = servers::proxy(folders[0].path());
    let web = WebServer::start_in(folders[1].path(), "");
    let pair = Authority::new(&folders[0].path().join("ca")).issue("good", "IP:127.0.0.1", FAR_FUTURE);
    let secure = WebServer::start_in(folders[2].path(), &tls(&pair, "TLSv1.2 TLSv1.3"));
    let ftp = servers::ftp(folders[3].path(), "");
    web.serve("phone.cfg", &anna());
    secure.serve("phone.cfg", &anna());
    ftp.serve("phone.cfg", &anna());
    let urls = [
        web.url("/phone.cfg"),
        secure.url("/phone.cfg").replace("http", "https"),
        format!("ftp://ftp:ftp-secret@127.0.0.1:{}/phone.cfg", ftp.port),
    ];
    let through = Some(format!("{}:{}", servers::PROXY, proxy.port));
    let reply = fetched(&Request { proxy: through, ..request(&urls.each_ref().map(String::as_str)) });
    assert!(reply.files.iter().all(|file| values(file) == [("DISPLAY_NAME_1", "Anna")]), "{:?}", reply.files);
    let log = std::fs::read_to_string(proxy.root.join("log")).unwrap();
    let asked: Vec<&str> =
        log.lines().filter_map(|line| line.split_once("Request (file descriptor")).map(|(_, rest)| rest).collect();
    assert_eq!(asked.len(), 2, "{log}");
    assert!(asked[0].contains("GET http://") && asked[1].contains("CONNECT 127.0.0.1"), "{log}");
    let nobody = Request { proxy: Some("127.0.0.1:1".into()), ..request(&[&urls[0]]) };
    assert_eq!(code(&one(&nobody)), "file.unreachable");
}

/// B218: what HTTP_SSL_VERIFY checks, with TLS 1.2 and 1.3.
#[test]
fn certificates_are_checked_as_far_as_it_is_configured() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(&folder.path().join("ca"));
    let good = authority.issue("good", "IP:127.0.0.1", FAR_FUTURE);
    let table = [
        (good.clone(), "TLSv1.2", ["", "", ""]),
        (good, "TLSv1.3", ["", "", ""]),
        (authority.issue("other", "DNS:other.example", FAR_FUTURE), "TLSv1.3", ["", "", "names another server"]),
        (authority.issue("old", "IP:127.0.0.1", "20200201000000Z"), "TLSv1.2", ["", "has expired", "has expired"]),
        (authority.self_signed(), "TLSv1.3", ["", "is self-signed", "is self-signed"]),
    ];
    let pem = WebServer::start_in(&folder.path().join("pem"), "");
    pem.serve("root.pem", &authority.root());
    for (at, (pair, protocol, expected)) in table.iter().enumerate() {
        let server = WebServer::start_in(&folder.path().join(format!("web-{at}")), &tls(pair, protocol));
        server.serve("phone.cfg", &anna());
        let levels = [Verification::None, Verification::Chain, Verification::ChainAndName];
        for (verification, expected) in levels.into_iter().zip(expected) {
            let url = server.url("/phone.cfg").replace("http", "https");
            let file = one(&Request { verification, root_certificate: root(&pem.url("/root.pem"), None), ..request(&[&url]) });
            let place = format!("{at} {protocol} {verification:?}: {file:?}");
            if expected.is_empty() {
                assert_eq!(values(&file), [("DISPLAY_NAME_1", "Anna")], "{place}");
            } else {
                assert_eq!((file.fetch, code(&file)), (Fetch::Failed, "file.certificate"), "{place}");
                assert!(file.outcome.diagnoses[0].reason.contains(expected), "{place}");
            }
        }
    }
}

fn root(url: &str, kept: Option<String>) -> Option<RootCertificate> {
    Some(RootCertificate { wanted: Wanted { url: url.into(), shown: url.into(), known: None, key: None, content: None }, kept })
}

/// CFG_ROOT_CERTIFICATE_PATH: without it the system's roots count; the last one fetched counts while its server is away; without
/// any, nothing comes over https.
#[test]
fn the_root_certificate_is_fetched_kept_and_needed() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(&folder.path().join("ca"));
    let pair = authority.issue("good", "IP:127.0.0.1", FAR_FUTURE);
    let server = WebServer::start_in(&folder.path().join("secure"), &tls(&pair, "TLSv1.3"));
    let plain = WebServer::start_in(&folder.path().join("plain"), "");
    server.serve("phone.cfg", &anna());
    plain.serve("root.pem", &authority.root());
    plain.serve("page.pem", "<html>");
    let url = server.url("/phone.cfg").replace("http", "https");
    let ask = |root_certificate| fetched(&Request { verification: Verification::Chain, root_certificate, ..request(&[&url]) });
    let unknown = ask(None);
    assert!(unknown.files[0].outcome.diagnoses[0].reason.contains("not issued by a root that the unit knows"), "{unknown:?}");
    let first = ask(root(&plain.url("/root.pem"), None));
    assert_eq!((values(&first.files[0]).len(), first.root_certificate.as_deref()), (1, Some(authority.root().as_str())));
    let away = ask(root(&plain.url("/gone.pem"), first.root_certificate));
    assert_eq!((values(&away.files[0]).len(), away.root_certificate, away.notes.len()), (1, None, 1));
    for broken in ["/gone.pem", "/page.pem"] {
        let none = ask(root(&plain.url(broken), None));
        assert_eq!((code(&none.files[0]), none.notes[0].code.as_str()), ("file.certificate", "root-certificate"));
    }
}
