//! The supervisor treats its children as systemd does. The children are small real programs of the system.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)] // a test may stop

use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Pid, Signal};
use testbed::lab::{Program, Supervisor, UnitSpec};

const LONG: Duration = Duration::from_secs(20);

struct Ground {
    folder: tempfile::TempDir,
}

impl Ground {
    fn new() -> Ground {
        let ground = Ground { folder: tempfile::tempdir().unwrap() };
        let bell = rustix::fs::mknodat(
            rustix::fs::CWD,
            ground.path("bell"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
            0,
        );
        bell.unwrap();
        ground
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn unit(&self, name: &str, script: &str) -> UnitSpec {
        self.python(name, script, None)
    }

    /// A child that speaks the protocol by itself; `notify(text, descriptors)` is there for it.
    fn python(&self, name: &str, script: &str, watchdog: Option<Duration>) -> UnitSpec {
        let prelude = "import os,socket,sys,time,array,signal\n\
             def notify(text, fds=()):\n\
             \x20   s=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM)\n\
             \x20   s.connect(os.environ['NOTIFY_SOCKET'])\n\
             \x20   s.sendmsg([text.encode()],[(socket.SOL_SOCKET,socket.SCM_RIGHTS,array.array('i',fds))] if fds else [])\n\
             def note(text):\n\
             \x20   with open(os.environ['NOTES'],'a') as f: f.write(text+'\\n')\n\
             \x20   os.write(os.open(os.environ['BELL'],os.O_RDWR|os.O_NONBLOCK),b'!')\n";
        UnitSpec {
            name: name.to_owned(),
            program: Program {
                path: "/usr/bin/python3".into(),
                arguments: vec!["-c".into(), format!("{prelude}{script}").into()],
                environment: vec![("NOTES".to_owned(), self.path("notes").into()), ("BELL".to_owned(), self.path("bell").into())],
                identity: None,
            },
            watchdog,
            // Python may take its time to come to a signal.
            abort_limit: LONG,
            log: self.path(&format!("{name}.log")),
            restarts_all: false,
        }
    }

    fn start(&self, units: Vec<(u8, UnitSpec)>) -> Supervisor {
        Supervisor::start(Path::new(env!("CARGO_BIN_EXE_phonelab")), &self.path("notify"), units).unwrap()
    }

    /// The children's notes once there are `count`; looked at each time a byte comes out of the bell that every note rings.
    async fn noted(&self, count: usize) -> Vec<String> {
        let wait = async {
            let bell = tokio::net::unix::pipe::OpenOptions::new().read_write(true).open_receiver(self.path("bell")).unwrap();
            while self.notes().len() < count {
                bell.readable().await.unwrap();
                let _ = bell.try_read(&mut [0; 64]);
            }
        };
        tokio::time::timeout(LONG, wait).await.unwrap();
        self.notes()
    }

    fn notes(&self) -> Vec<String> {
        std::fs::read_to_string(self.path("notes")).unwrap_or_default().lines().map(str::to_owned).collect()
    }
}

async fn next_pid(supervisor: &Supervisor, name: &str, not: i32) -> i32 {
    let mut pids = supervisor.pids();
    let seen = tokio::time::timeout(LONG, pids.wait_for(|pids| pids.get(name).is_some_and(|pid| *pid != 0 && *pid != not)));
    let seen = seen.await.unwrap().unwrap();
    seen[name]
}

fn is_alive(pid: i32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

fn signal(pid: i32, signal: Signal) {
    rustix::process::kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
}

#[tokio::test]
async fn a_service_is_ready_when_it_says_so_and_is_stopped_by_sigterm() {
    let ground = Ground::new();
    let script = "signal.signal(signal.SIGTERM, lambda *_: (note('asked'), sys.exit(0)))\nnotify('READY=1')\nsignal.pause()";
    let supervisor = ground.start(vec![(0, ground.unit("one", script))]);
    tokio::time::timeout(LONG, supervisor.all_ready()).await.unwrap().unwrap();
    let pid = next_pid(&supervisor, "one", 0).await;
    supervisor.stop().await;
    assert!(!is_alive(pid));
    assert_eq!(ground.notes(), ["asked"]);
}

#[tokio::test]
async fn a_service_that_never_comes_up_is_named_with_its_last_words() {
    let ground = Ground::new();
    let supervisor = ground.start(vec![(0, ground.unit("broken", "print('no socket for me', flush=True)\nsys.exit(7)"))]);
    let failure = tokio::time::timeout(LONG, supervisor.all_ready()).await.unwrap().unwrap_err();
    assert_eq!((failure.service.as_str(), failure.reason.as_str()), ("broken", "exit code 7"));
    assert!(failure.to_string().contains("no socket for me"), "{failure}");
    supervisor.stop().await;
}

#[tokio::test]
async fn a_killed_service_comes_back_with_its_stored_descriptors_by_name() {
    let ground = Ground::new();
    let script = "\
names=os.environ.get('LISTEN_FDNAMES')
if names is None:
    s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); s.bind(('127.0.0.1',0))
    m=os.memfd_create('state'); os.write(m,b'remembered')
    note('port %d' % s.getsockname()[1])
    notify('FDSTORE=1\\nFDNAME=socket\\nFDPOLL=0',[s.fileno()])
    notify('FDSTORE=1\\nFDNAME=gone',[m])
    notify('FDSTORE=1\\nFDNAME=memory',[m])
    notify('FDSTOREREMOVE=1\\nFDNAME=gone')
else:
    assert os.environ['LISTEN_PID']==str(os.getpid()) and os.environ['LISTEN_FDS']=='2'
    s=socket.socket(fileno=3)
    note('port %d' % s.getsockname()[1])
    note(names+' '+os.pread(4,100,0).decode())
notify('READY=1')
signal.pause()";
    let supervisor = ground.start(vec![(0, ground.unit("keeper", script))]);
    tokio::time::timeout(LONG, supervisor.all_ready()).await.unwrap().unwrap();
    let first = next_pid(&supervisor, "keeper", 0).await;
    signal(first, Signal::KILL);
    let second = next_pid(&supervisor, "keeper", first).await;
    assert_ne!(first, second);
    let notes = ground.noted(3).await;
    assert_eq!(notes[0], notes[1]);
    assert_eq!(notes[2], "socket:memory remembered");
    supervisor.stop().await;
}

#[tokio::test]
async fn a_silent_service_is_aborted_by_its_watchdog_and_started_again() {
    let ground = Ground::new();
    let script = "\
signal.signal(signal.SIGABRT, lambda *_: (note('aborted'), os._exit(1)))
assert os.environ['WATCHDOG_USEC']=='300000' and os.environ['WATCHDOG_PID']==str(os.getpid())
notify('READY=1')
signal.pause()";
    let unit = ground.python("silent", script, Some(Duration::from_millis(300)));
    let supervisor = ground.start(vec![(0, unit)]);
    let first = next_pid(&supervisor, "silent", 0).await;
    next_pid(&supervisor, "silent", first).await;
    assert_eq!(ground.notes().first().map(String::as_str), Some("aborted"));
    supervisor.stop().await;
}

#[tokio::test]
async fn a_notification_counts_only_from_the_main_process() {
    let ground = Ground::new();
    // The child of the child says READY=1; the service itself does so once it has been asked by a signal.
    let script = "\
signal.pthread_sigmask(signal.SIG_BLOCK,[signal.SIGUSR1])
if os.fork()==0:
    notify('READY=1')
    note('forged')
    os._exit(0)
os.wait()
note('main')
signal.sigwait([signal.SIGUSR1])
notify('READY=1')
signal.pause()";
    let supervisor = ground.start(vec![(0, ground.unit("parent", script))]);
    ground.noted(2).await;
    assert!(tokio::time::timeout(Duration::from_millis(200), supervisor.all_ready()).await.is_err());
    signal(next_pid(&supervisor, "parent", 0).await, Signal::USR1);
    tokio::time::timeout(LONG, supervisor.all_ready()).await.unwrap().unwrap();
    supervisor.stop().await;
}

#[tokio::test]
async fn services_stop_in_reverse_rank_order_and_leave_nothing_behind() {
    let ground = Ground::new();
    let script = |name: &str| {
        format!(
            "child=os.fork()\n\
             if child==0:\n\
             \x20   signal.signal(signal.SIGTERM, signal.SIG_IGN)\n\
             \x20   while True: signal.pause()\n\
             note('child %d' % child)\n\
             signal.signal(signal.SIGTERM, lambda *_: (note('end {name}'), sys.exit(0)))\n\
             notify('READY=1')\n\
             signal.pause()"
        )
    };
    let units = [(0, "zero"), (1, "one"), (2, "two")].map(|(rank, name)| (rank, ground.unit(name, &script(name))));
    let supervisor = ground.start(units.into());
    tokio::time::timeout(LONG, supervisor.all_ready()).await.unwrap().unwrap();
    supervisor.stop().await;
    let notes = ground.notes();
    let ends: Vec<_> = notes.iter().filter(|note| note.starts_with("end ")).collect();
    assert_eq!(ends, ["end two", "end one", "end zero"]);
    for child in notes.iter().filter_map(|note| note.strip_prefix("child ")) {
        let state = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
        assert!(state.is_empty() || state.contains(") Z "), "{child} is still there: {state}");
    }
}

#[tokio::test]
async fn a_full_descriptor_store_costs_the_service_nothing_but_the_surplus() {
    let ground = Ground::new();
    let script = "\
held=[]
for n in range(70):
    s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); held.append(s)
    notify('FDSTORE=1\\nFDNAME=many',[s.fileno()])
    notify('STATUS=%d' % n)
note(os.environ.get('LISTEN_FDS','none'))
notify('READY=1')
signal.pause()";
    let supervisor = ground.start(vec![(0, ground.unit("greedy", script))]);
    tokio::time::timeout(LONG, supervisor.all_ready()).await.unwrap().unwrap();
    let first = next_pid(&supervisor, "greedy", 0).await;
    signal(first, Signal::KILL);
    next_pid(&supervisor, "greedy", first).await;
    let notes = ground.noted(2).await;
    assert_eq!(notes[0], "none");
    assert!(notes[1].parse::<u32>().unwrap() <= 64);
    supervisor.stop().await;
}

/// The service of a board asks for a restart of the unit; another service's wish is nobody's business.
#[tokio::test]
async fn only_a_unit_that_may_do_so_restarts_all() {
    let ground = Ground::new();
    let script = "notify('READY=1'); notify('X_DESKPHONE_RESTART_UNIT=1'); note('asked'); time.sleep(3600)";
    let board = UnitSpec { restarts_all: true, ..ground.unit("board", script) };
    let supervisor = ground.start(vec![(0, ground.unit("other", script))]);
    supervisor.all_ready().await.unwrap();
    ground.noted(1).await;
    // Messages of one unit keep their order: the next one is seen after the wish.
    let pid = supervisor.pids().borrow()["other"];
    rustix::process::kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    next_pid(&supervisor, "other", pid).await;
    assert!(futures_util::FutureExt::now_or_never(supervisor.restart_wished()).is_none());
    supervisor.stop().await;

    let supervisor = ground.start(vec![(0, board)]);
    tokio::time::timeout(LONG, supervisor.restart_wished()).await.unwrap();
    supervisor.stop().await;
}
