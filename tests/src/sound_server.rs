//! PipeWire without any hardware: a loudspeaker that plays into nothing and can be listened to, and a microphone that is fed.
//! What the phone does with it is what it does with a sound card.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal};
use testbed::tones::Recording;

use crate::namespace::Namespace;
use crate::{LIMIT, programs};

/// A running sound server; ends with this value.
pub struct SoundServer<'a> {
    namespace: &'a Namespace,
    folder: tempfile::TempDir,
    /// In the order of their start.
    children: Vec<Child>,
}

impl<'a> SoundServer<'a> {
    /// Starts it and waits until loudspeaker and microphone are there.
    pub async fn start(namespace: &'a Namespace) -> SoundServer<'a> {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).expect("its folder");
        let configuration = folder.path().join("config/pipewire/pipewire.conf.d");
        std::fs::create_dir_all(&configuration).expect("its folder");
        std::fs::copy(programs::lab("pipewire/devices.conf"), configuration.join("devices.conf")).expect("its devices");
        // Its monitor of Bluetooth wants a login manager, without which the whole session manager ends.
        let without = folder.path().join("config/wireplumber/bluetooth.lua.d");
        std::fs::create_dir_all(&without).expect("its folder");
        std::fs::write(without.join("80-none.lua"), "bluez_monitor.enabled = false\n").expect("its switch");
        let mut server = SoundServer { namespace, folder, children: Vec::new() };
        let address = format!("--address=unix:path={}", server.path("bus").display());
        server.run("dbus-daemon", &["--session", "--nofork", &address]);
        server.until("the session's bus", |server| server.path("bus").exists()).await;
        server.run("pipewire", &[]);
        server.until("PipeWire", |server| server.path("pipewire-0").exists()).await;
        // media-engine is another user, as on a device whose sound server belongs to the system.
        std::fs::set_permissions(server.path("pipewire-0"), Permissions::from_mode(0o777)).expect("its socket");
        server.run("wireplumber", &[]);
        // The session manager knows a device once it has made it the default.
        let both = |server: &SoundServer<'_>| {
            let said = server.command("pw-metadata").args(["0"]).output().expect("pw-metadata, of the package pipewire-bin");
            let said = String::from_utf8_lossy(&said.stdout).into_owned();
            ["default.audio.sink", "default.audio.source"].iter().all(|default| said.contains(&format!("key:'{default}'")))
        };
        server.until("loudspeaker and microphone", both).await;
        server
    }

    /// What a program needs to find it.
    pub fn environment(&self) -> Vec<(String, String)> {
        let bus = format!("unix:path={}", self.path("bus").display());
        let folder = |name: &str| self.path(name).display().to_string();
        let of = |name: &str, value: String| (name.to_owned(), value);
        vec![
            of("XDG_RUNTIME_DIR", folder("")),
            of("XDG_CONFIG_HOME", folder("config")),
            of("XDG_STATE_HOME", folder("state")),
            of("DBUS_SESSION_BUS_ADDRESS", bus),
        ]
    }

    /// Listens at the loudspeaker, a second at a time, until some of it is this tone: what a machine without real-time priority
    /// plays has gaps.
    pub async fn plays_tone(&self, hertz: f64) {
        let mut strongest = Vec::new();
        for _ in 0..16 {
            let heard = self.listen(1.0).await;
            let stretches = (0..8).map(|tenth| f64::from(tenth) / 10.0).map(|begin| begin..begin + 0.2);
            if stretches.into_iter().any(|stretch| heard.is_tone(&[hertz], stretch)) {
                return;
            }
            strongest.push(heard.frequency(0.0..1.0));
        }
        panic!("the loudspeaker does not play {hertz} Hz but {strongest:?}: {}", self.log());
    }

    async fn listen(&self, seconds: f64) -> Recording {
        let path = self.path("ear.wav");
        let _ = std::fs::remove_file(&path);
        let mut command = self.command("pw-record");
        command.args(["--target", "ear", "-P", "{ stream.capture.sink=true }", "--rate", "16000", "--channels", "1"]).arg(&path);
        let mut recorder = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("pw-record");
        // 16 kHz, mono, 16 bits behind a header; the first quarter of a second is for it to settle.
        let wanted = 44.0 + (seconds + 0.25) * 32_000.0;
        let enough = |_: &SoundServer<'_>| std::fs::metadata(&path).is_ok_and(|file| file.len() as f64 >= wanted);
        self.until("a recording of the loudspeaker", enough).await;
        let _ = rustix::process::kill_process(Pid::from_child(&recorder), Signal::INT);
        recorder.wait().expect("pw-record's end");
        let whole = Recording::read(&path).expect("the recording");
        Recording::new(whole.part(0.25..whole.length()).to_vec(), 16_000)
    }

    async fn until(&self, what: &str, fits: impl Fn(&SoundServer<'a>) -> bool) {
        let mut tick = crate::looks(Duration::from_millis(50));
        let seen = async {
            while !fits(self) {
                tick.tick().await;
            }
        };
        let seen = tokio::time::timeout(LIMIT, seen).await;
        seen.unwrap_or_else(|_| panic!("not seen: {what}: {}", self.log()));
    }

    fn run(&mut self, program: &str, arguments: &[&str]) {
        let log = std::fs::File::create(self.path(&format!("{program}.log"))).expect("its log");
        let mut command = self.command(program);
        command.args(arguments).stdout(log.try_clone().expect("its log")).stderr(log);
        self.children.push(command.spawn().unwrap_or_else(|error| panic!("{program}: {error}")));
    }

    fn command(&self, program: &str) -> Command {
        let mut command = self.namespace.command(program);
        command.envs(self.environment()).env_remove("DISPLAY");
        command
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn log(&self) -> String {
        let text = |path: &Path| std::fs::read_to_string(path).unwrap_or_default();
        ["pipewire", "wireplumber"].map(|program| text(&self.path(&format!("{program}.log")))).concat()
    }
}

impl Drop for SoundServer<'_> {
    fn drop(&mut self) {
        for child in self.children.iter_mut().rev() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
