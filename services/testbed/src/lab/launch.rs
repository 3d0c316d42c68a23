//! How a child is born. The supervisor starts its own executable as `phonelab exec`, which becomes the service: it takes its
//! descriptors, changes user, asks to die with its parent, and executes the program. Done there, in a single-threaded process
//! of its own, it needs no code between fork and exec.

use std::ffi::OsString;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, IntoRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    SocketFlags, SocketType,
};
use rustix::process::{Gid, Pid, Signal, Uid};

use super::fd_store;
use super::users::Identity;

/// Number of the first handed-over descriptor, as in systemd's protocol.
const FIRST: i32 = 3;

/// What to start.
#[derive(Clone, Debug)]
pub struct Program {
    /// The executable.
    pub path: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Added to, or replaced in, the environment.
    pub environment: Vec<(String, OsString)>,
    /// As whom; none: as the supervisor itself.
    pub identity: Option<Identity>,
}

/// `phonelab exec`: the first half of every child's life.
#[derive(Clone, Debug, clap::Args)]
pub struct ExecArguments {
    /// The supervisor's pid: with another parent it is gone already.
    #[arg(long)]
    parent: i32,
    #[arg(long, requires = "gid")]
    uid: Option<u32>,
    #[arg(long)]
    gid: Option<u32>,
    #[arg(long, value_delimiter = ',')]
    groups: Vec<u32>,
    /// Names of the descriptors that wait on standard input, separated by colons.
    #[arg(long)]
    descriptors: Option<String>,
    #[arg(last = true, required = true)]
    program: Vec<OsString>,
}

/// The command that becomes `program`, in a process group of its own. `launcher` is the phonelab executable.
pub fn command(launcher: &Path, program: &Program, descriptors: &[(&str, BorrowedFd<'_>)]) -> io::Result<Command> {
    let mut command = Command::new(launcher);
    command.arg("exec").arg(format!("--parent={}", std::process::id())).process_group(0);
    if let Some(identity) = &program.identity {
        let groups: Vec<_> = identity.groups.iter().map(u32::to_string).collect();
        command.arg(format!("--uid={}", identity.uid)).arg(format!("--gid={}", identity.gid));
        if !groups.is_empty() {
            command.arg(format!("--groups={}", groups.join(",")));
        }
    }
    if descriptors.is_empty() {
        command.stdin(Stdio::null());
    } else {
        let names: Vec<_> = descriptors.iter().map(|(name, _)| *name).collect();
        command.arg(format!("--descriptors={}", names.join(":"))).stdin(parcel(descriptors)?);
    }
    for name in ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "WATCHDOG_PID", "WATCHDOG_USEC", "NOTIFY_SOCKET"] {
        command.env_remove(name);
    }
    command.envs(program.environment.iter().map(|(name, value)| (name, value)));
    command.arg("--").arg(&program.path).args(&program.arguments);
    Ok(command)
}

/// A socket in which the descriptors wait to be received.
fn parcel(descriptors: &[(&str, BorrowedFd<'_>)]) -> io::Result<OwnedFd> {
    let (ours, theirs) = rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    let rights: Vec<_> = descriptors.iter().map(|(_, descriptor)| *descriptor).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(fd_store::MOST))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !control.push(SendAncillaryMessage::ScmRights(&rights)) {
        return Err(io::Error::other("too many stored descriptors"));
    }
    rustix::net::sendmsg(&ours, &[IoSlice::new(b"F")], &mut control, SendFlags::empty())?;
    Ok(theirs)
}

/// Becomes the program. Returns only when that fails.
pub fn exec(arguments: ExecArguments) -> io::Error {
    become_program(arguments).err().unwrap_or_else(|| io::Error::other("exec returned"))
}

fn become_program(arguments: ExecArguments) -> io::Result<()> {
    let (program, rest) = arguments.program.split_first().ok_or_else(|| io::Error::other("no program"))?;
    let mut command = Command::new(program);
    command.args(rest).stdin(Stdio::null()).env("WATCHDOG_PID", std::process::id().to_string());
    close_leaked();
    if let Some(names) = &arguments.descriptors {
        let count = receive_descriptors()?;
        command.env("LISTEN_FDS", count.to_string()).env("LISTEN_FDNAMES", names).env("LISTEN_PID", std::process::id().to_string());
    }
    change_user(&arguments)?;
    // After the change of user, which clears it.
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    if rustix::process::getppid().map(Pid::as_raw_nonzero).map(|pid| pid.get()) != Some(arguments.parent) {
        return Err(io::Error::other("the supervisor has gone"));
    }
    let error = command.exec();
    Err(io::Error::new(error.kind(), format!("{}: {error}", program.display())))
}

fn change_user(arguments: &ExecArguments) -> io::Result<()> {
    let (Some(uid), Some(gid)) = (arguments.uid, arguments.gid) else { return Ok(()) };
    let groups: Vec<_> = arguments.groups.iter().map(|gid| Gid::from_raw(*gid)).collect();
    // This process has one thread, so the thread's credentials are the process's.
    rustix::thread::set_thread_groups(&groups)?;
    rustix::thread::set_thread_gid(Gid::from_raw(gid))?;
    rustix::thread::set_thread_uid(Uid::from_raw(uid))?;
    Ok(())
}

/// Closes what careless ancestors left open, so that a service has its own descriptors only, and those under the right numbers.
#[allow(unsafe_code, reason = "closing by number is the only way")]
fn close_leaked() {
    let Ok(listing) = std::fs::read_dir("/proc/self/fd") else { return };
    let numbers: Vec<i32> = listing.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    // The listing's own number is closed by now.
    let is_open = |number: &i32| std::fs::symlink_metadata(format!("/proc/self/fd/{number}")).is_ok();
    for number in numbers.into_iter().filter(|number| *number >= FIRST && is_open(number)) {
        // SAFETY: runs first in a process that has opened nothing yet, so no value of this program owns these numbers.
        unsafe { rustix::io::close(number) };
    }
}

/// Takes the descriptors from standard input. Nothing above 2 is open here, so that they land on 3 and up in their order.
fn receive_descriptors() -> io::Result<usize> {
    let mut byte = [0_u8; 1];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(fd_store::MOST))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    rustix::net::recvmsg(rustix::stdio::stdin(), &mut [IoSliceMut::new(&mut byte)], &mut control, RecvFlags::empty())?;
    let received: Vec<OwnedFd> = control
        .drain()
        .filter_map(|part| match part {
            RecvAncillaryMessage::ScmRights(rights) => Some(rights),
            _ => None,
        })
        .flatten()
        .collect();
    let count = received.len();
    for (expected, descriptor) in (FIRST..).zip(received) {
        // Stays open for the program.
        let number = descriptor.into_raw_fd();
        if number != expected {
            return Err(io::Error::other(format!("descriptor {number} where {expected} was expected")));
        }
    }
    Ok(count)
}
