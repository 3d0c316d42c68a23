//! baresip from Debian's packages, set up to do what the measured phone does: one line, silent sound.

use std::fs::{self, File};
use std::io;

use std::path::Path;
use std::process::{Child, Command, Stdio};

use house_tests::namespace::{PHONE, REGISTRAR};
use house_tests::registrar::PHONE_ACCOUNT;

use crate::peer::Peer;

/// A running baresip; killed when dropped.
pub struct Baresip {
    child: Child,
}

/// Where Debian puts the modules.
const MODULES: &str = "/usr/lib/baresip/modules";

impl Peer for Baresip {
    fn start(folder: &Path, answers: bool) -> io::Result<Baresip> {
        let (user, password) = PHONE_ACCOUNT;
        let mode = if answers { "auto" } else { "manual" };
        let silence = folder.join("silence.wav");
        silent_wav(&silence)?;
        fs::write(folder.join("config"), configuration(&silence))?;
        fs::write(
            folder.join("accounts"),
            format!(
                "<sip:{user}@{REGISTRAR}>;auth_user={user};auth_pass={password};regint=3600;answermode={mode};audio_codecs=PCMU,G722/16000/1\n"
            ),
        )?;
        fs::write(folder.join("contacts"), "")?;
        let log = File::create(folder.join("baresip.log"))?;
        let child =
            Command::new("baresip").arg("-f").arg(folder).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn()?;
        Ok(Baresip { child })
    }

    fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Baresip {
    fn drop(&mut self) {
        // It has ended already when these fail.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn configuration(silence: &Path) -> String {
    let modules = ["g722", "g711", "aufile", "account", "menu"].map(|name| format!("module {name}.so\n")).concat();
    format!(
        "poll_method epoll\nsip_listen {PHONE}:5060\nsip_trans_def udp\ncall_max_calls 8\naudio_player aufile,/dev/null\naudio_source aufile,{silence}\n\
         audio_alert aufile,/dev/null\nausrc_srate 16000\nauplay_srate 16000\naudio_buffer 20-160\nrtp_ports 20000-20100\nring_aufile none\n\
         module_path {MODULES}\n{modules}",
        silence = silence.display(),
    )
}

/// One minute of silence: long enough for every measured call.
fn silent_wav(path: &Path) -> io::Result<()> {
    let format = hound::WavSpec { channels: 1, sample_rate: 16_000, bits_per_sample: 16, sample_format: hound::SampleFormat::Int };
    let mut writer = hound::WavWriter::create(path, format).map_err(io::Error::other)?;
    for _ in 0..16_000 * 60 {
        writer.write_sample(0_i16).map_err(io::Error::other)?;
    }
    writer.finalize().map_err(io::Error::other)
}
