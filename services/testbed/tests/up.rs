//! `phonelab up` from outside: what it prints, what it refuses, and that nothing is left running. The services are small programs
//! that only say that they are ready; the real ones are in the journeys.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)] // a test may stop

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::{Pid, Signal};
use serde_json::Value;

const SERVICES: [&str; 5] = ["provisioning-agent", "hal-agent", "media-engine", "sip-agent", "web-ui"];

const SERVICE: &str = "#!/usr/bin/python3
import os,socket,signal,sys
s=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM); s.connect(os.environ['NOTIFY_SOCKET'])
with open(os.path.join(os.environ['STATE_DIRECTORY'],'seen'),'w') as f:
    f.write(repr((os.getuid(), os.getgid(), os.getgroups(), sys.argv[1:], {k:v for k,v in os.environ.items() if k.startswith('DESKPHONE')})))
open(os.path.join(os.environ['DESKPHONE_RUN'],os.path.basename(sys.argv[0]),'x'),'w').close()
s.send(b'READY=1')
signal.sigwait([signal.SIGTERM])
";

/// A folder with phonelab and services beside it, and an address of its own.
struct House {
    folder: tempfile::TempDir,
    address: String,
}

impl House {
    fn new() -> House {
        let house = House { folder: tempfile::tempdir().unwrap(), address: own_address() };
        std::fs::create_dir(house.path("programs")).unwrap();
        // A copy, because it looks for the services beside its own executable.
        std::fs::copy(env!("CARGO_BIN_EXE_phonelab"), house.program("phonelab")).unwrap();
        for name in SERVICES.iter().chain(&["provisioning-fetch"]) {
            house.write_program(name, SERVICE);
        }
        house
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn program(&self, name: &str) -> PathBuf {
        self.path("programs").join(name)
    }

    fn write_program(&self, name: &str, text: &str) {
        std::fs::write(self.program(name), text).unwrap();
        std::fs::set_permissions(self.program(name), std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.program("phonelab"));
        command.args(["up", "--no-exchange", "--address", &self.address, "--state"]).arg(self.path("state")).args(arguments);
        command.stdin(Stdio::null());
        command
    }

    fn refused(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let Output { status, stdout, stderr } = self.command(arguments).output().unwrap();
        assert!(stdout.is_empty(), "{}", String::from_utf8_lossy(&stdout));
        self.nothing_is_left();
        (status.code(), String::from_utf8(stderr).unwrap())
    }

    fn up(&self) -> Lab<'_> {
        let mut child = self.command(&[]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let json = line.strip_prefix("READY ").unwrap_or_else(|| panic!("{line:?}: {}", said(&mut child)));
        Lab { house: self, ready: serde_json::from_str(json).unwrap(), child }
    }

    /// No process has this folder in its command line or environment.
    fn nothing_is_left(&self) {
        let mark = self.folder.path().display().to_string();
        let mut left = Vec::new();
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
            let command = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            if pid != std::process::id() && String::from_utf8_lossy(&command).contains(&mark) {
                left.push(String::from_utf8_lossy(&command).replace('\0', " "));
            }
        }
        assert!(left.is_empty(), "still running: {left:?}");
    }
}

/// 127.x.y.z by pid and turn: tests run at the same time, in one process or in several.
fn own_address() -> String {
    static TURN: AtomicU32 = AtomicU32::new(0);
    let (pid, turn) = (std::process::id(), TURN.fetch_add(1, Ordering::Relaxed));
    format!("127.{}.{}.{}", 64 + turn % 64, (pid >> 8) & 255, (pid & 255).clamp(1, 254))
}

fn said(child: &mut Child) -> String {
    let mut text = String::new();
    child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
    text
}

struct Lab<'a> {
    house: &'a House,
    ready: Value,
    child: Child,
}

impl Lab<'_> {
    fn signal(&self, signal: Signal) {
        rustix::process::kill_process(Pid::from_raw(self.child.id().cast_signed()).unwrap(), signal).unwrap();
    }

    fn pid(&self, service: &str) -> i32 {
        self.ready["services"][service].as_i64().unwrap().try_into().unwrap()
    }

    fn end(mut self) -> i32 {
        self.signal(Signal::TERM);
        let code = self.child.wait().unwrap().code().unwrap();
        self.house.nothing_is_left();
        code
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[test]
fn the_ready_line_names_bus_web_page_and_services() {
    let house = House::new();
    let lab = house.up();
    assert_eq!(lab.ready["web"], format!("http://{}:8080/", house.address));
    assert_eq!(lab.ready["exchange"], Value::Null);
    let bus = lab.ready["bus"].as_str().unwrap().strip_prefix("unix:path=").unwrap().to_owned();
    assert!(std::os::unix::net::UnixStream::connect(bus).is_ok());
    for service in SERVICES {
        assert!(Path::new(&format!("/proc/{}", lab.pid(service))).exists(), "{service}");
    }
    let status = Command::new(house.program("phonelab")).args(["status", "--state"]).arg(house.path("state")).output().unwrap();
    let line = String::from_utf8(status.stdout).unwrap();
    assert_eq!(serde_json::from_str::<Value>(line.strip_prefix("READY ").unwrap()).unwrap(), lab.ready);
    assert_eq!(lab.end(), 0);
    let status = Command::new(house.program("phonelab")).args(["status", "--state"]).arg(house.path("state")).output().unwrap();
    assert_eq!(status.status.code(), Some(13));
}

#[test]
fn each_service_has_its_own_user_folder_and_arguments() {
    let house = House::new();
    let lab = house.up();
    let seen = |service: &str| std::fs::read_to_string(house.path("state").join(service).join("seen")).unwrap();
    assert!(seen("hal-agent").contains("['--board', 'sim']"));
    let provisioning = seen("provisioning-agent");
    assert!(provisioning.contains("phonelab-options.cfg") && provisioning.contains("lab.cfg"), "{provisioning}");
    assert_eq!(lab.ready["isolation"], is_root());
    if is_root() {
        let uids: std::collections::BTreeSet<_> =
            SERVICES.map(|service| seen(service).split(',').next().unwrap().to_owned()).into();
        assert_eq!(uids.len(), SERVICES.len(), "{uids:?}");
        assert!(!uids.contains("(0"));
    }
    assert_eq!(lab.end(), 0);
}

#[test]
fn a_second_lab_on_the_same_folder_is_refused() {
    let house = House::new();
    let lab = house.up();
    let output = house.command(&["--web-port", "8081"]).output().unwrap();
    assert_eq!(output.status.code(), Some(14));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("another phonelab runs on"), "{said}");
    assert_eq!(lab.end(), 0);
}

#[test]
fn a_taken_port_is_refused_and_names_the_option() {
    let house = House::new();
    let _taken = TcpListener::bind((house.address.as_str(), 8080)).unwrap();
    let (code, said) = house.refused(&[]);
    assert_eq!(code, Some(14));
    assert!(said.contains("the web page") && said.contains("--web-port"), "{said}");
}

#[test]
fn a_bad_preset_is_refused_with_line_and_caret() {
    let house = House::new();
    let preset = house.path("dealer.cfg");
    std::fs::write(&preset, "# Panasonic SIP Phone Standard Format File #\r\n\r\nSIP_SRC_PORT_1=\"1\"\r\n\r\n").unwrap();
    let (code, said) = house.refused(&["--preset", &preset.display().to_string()]);
    assert_eq!(code, Some(4));
    assert!(said.contains("dealer.cfg:3:") && said.contains('^'), "{said}");
    let (code, said) = house.refused(&["--preset", "/nonexistent.cfg"]);
    assert_eq!(code, Some(2));
    assert!(said.contains("/nonexistent.cfg"), "{said}");
}

#[test]
fn a_missing_program_is_named() {
    let house = House::new();
    std::fs::remove_file(house.program("media-engine")).unwrap();
    let (code, said) = house.refused(&[]);
    assert_eq!(code, Some(10));
    assert!(said.contains("media-engine is missing"), "{said}");
}

#[test]
fn a_service_that_does_not_start_ends_everything_and_is_named() {
    let house = House::new();
    house.write_program("sip-agent", "#!/bin/sh\necho no socket for me >&2\nexit 3\n");
    let (code, said) = house.refused(&[]);
    assert_eq!(code, Some(13));
    assert!(said.contains("sip-agent does not start: exit code 3") && said.contains("no socket for me"), "{said}");
}

/// Even kill -9 leaves nothing running: the children asked to die with their parent.
#[test]
fn a_killed_lab_takes_its_services_along() {
    let house = House::new();
    let mut lab = house.up();
    let pids: Vec<_> = SERVICES.map(|service| pidfd(lab.pid(service))).into();
    lab.signal(Signal::KILL);
    lab.child.wait().unwrap();
    for pid in pids {
        let mut watched = [rustix::event::PollFd::new(&pid, rustix::event::PollFlags::IN)];
        let limit = rustix::event::Timespec { tv_sec: 10, tv_nsec: 0 };
        assert_eq!(rustix::event::poll(&mut watched, Some(&limit)).unwrap(), 1);
    }
    // And the next one starts on what was left lying about.
    assert_eq!(house.up().end(), 0);
}

fn pidfd(pid: i32) -> rustix::fd::OwnedFd {
    rustix::process::pidfd_open(Pid::from_raw(pid).unwrap(), rustix::process::PidfdFlags::empty()).unwrap()
}

/// A board that wants the unit restarted while another service of it still starts.
const RESTARTING_BOARD: &str = "#!/usr/bin/python3
import os,socket
notify=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM); notify.connect(os.environ['NOTIFY_SOCKET'])
first=os.path.join(os.environ['STATE_DIRECTORY'],'first')
again=os.path.exists(first)
open(first,'w').close()
door=socket.socket(socket.AF_UNIX,socket.SOCK_STREAM); door.bind('\\0'+os.environ['DESKPHONE_BUS']); door.listen()
notify.send(b'READY=1')
guest,_=door.accept()
guest.send(b'go') if again else notify.send(b'X_DESKPHONE_RESTART_UNIT=1')
guest.recv(1)
";

/// It is ready when that board says so.
const LATE: &str = "#!/usr/bin/python3
import os,socket,signal
board=socket.socket(socket.AF_UNIX,socket.SOCK_STREAM)
while board.connect_ex('\\0'+os.environ['DESKPHONE_BUS']): os.sched_yield()
board.recv(2)
notify=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM); notify.connect(os.environ['NOTIFY_SOCKET'])
notify.send(b'READY=1')
signal.pause()
";

#[test]
fn a_unit_that_restarts_before_it_is_up_says_so_when_it_is() {
    let house = House::new();
    house.write_program("hal-agent", RESTARTING_BOARD);
    house.write_program("web-ui", LATE);
    let lab = house.up();
    assert!(Path::new(&format!("/proc/{}", lab.pid("web-ui"))).exists());
    lab.end();
}
