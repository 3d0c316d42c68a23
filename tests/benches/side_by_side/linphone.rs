//! linphonec from Debian's packages: one line, no sound card.

use std::fs::{self, File};
use std::io;

use std::path::Path;
use std::process::{Child, Command, Stdio};

use house_tests::namespace::REGISTRAR;
use house_tests::registrar::PHONE_ACCOUNT;

use crate::peer::Peer;

/// A running linphonec; killed when dropped.
pub struct Linphone {
    /// Its standard input stays open with it: at the end of that it ends.
    child: Child,
}

impl Peer for Linphone {
    fn start(folder: &Path, answers: bool) -> io::Result<Linphone> {
        let (user, password) = PHONE_ACCOUNT;
        // Without the folder of its database it ends at once.
        fs::create_dir_all(folder.join(".local/share/linphone"))?;
        let settings = folder.join("linphonerc");
        fs::write(&settings, configuration(user, password))?;
        let log = File::create(folder.join("linphone.log"))?;
        let mut command = Command::new("linphonec");
        command.arg("-c").arg(settings).args(["-d", "0"]).args(answers.then_some("-a")).env("HOME", folder);
        let child = command.stdin(Stdio::piped()).stdout(log.try_clone()?).stderr(log).spawn()?;
        Ok(Linphone { child })
    }

    fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Linphone {
    fn drop(&mut self) {
        // It has ended already when these fail.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn configuration(user: &str, password: &str) -> String {
    format!(
        "[sip]\nsip_port=5060\nsip_tcp_port=0\nsip_tls_port=0\ndefault_proxy=0\nguess_hostname=1\n\
         register_only_when_network_is_up=0\n[net]\ndns_srv_enabled=0\n[rtp]\naudio_rtp_port=20000\n[video]\nenabled=0\n\
         [proxy_0]\nreg_proxy=sip:{REGISTRAR}\nreg_identity=sip:{user}@{REGISTRAR}\nreg_expires=3600\nreg_sendregister=1\n\
         [auth_info_0]\nusername={user}\npasswd={password}\n",
    )
}
