//! What the store does to its files, call by call, as the kernel saw it: the child runs under strace, and its log is read back.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::commits::{COMMITS, ERASURE, FOLDER};

/// Every call that can change a file, or the place in it.
const CALLS: &str =
    "openat,read,lseek,write,pwrite64,ftruncate,fsync,fdatasync,sync_file_range,rename,unlink,unlinkat,mkdir,rmdir,close";

/// One call that succeeded, at the moment of its end.
#[derive(Debug)]
pub struct Call {
    pub name: String,
    pub arguments: Vec<Argument>,
    pub result: u64,
    /// How many calls had ended when this one began: what another thread did meanwhile is not covered by it.
    pub begun: usize,
}

#[derive(Debug)]
pub enum Argument {
    /// A string.
    Bytes(Vec<u8>),
    /// A descriptor with the path that it stands for.
    Descriptor(u64, PathBuf),
    /// A number, flags.
    Word(String),
}

impl Call {
    pub fn bytes(&self, at: usize) -> &[u8] {
        match &self.arguments[at] {
            Argument::Bytes(bytes) => bytes,
            other => panic!("{} has {other:?} at {at}", self.name),
        }
    }
    /// A path, put behind the folder that a descriptor stands for where it is relative.
    pub fn path(&self, at: usize) -> PathBuf {
        let path = PathBuf::from(String::from_utf8(self.bytes(at).to_vec()).unwrap());
        match at.checked_sub(1).map(|before| &self.arguments[before]) {
            Some(Argument::Descriptor(_, folder)) => folder.join(path),
            _ => path,
        }
    }
    pub fn descriptor(&self) -> (u64, &Path) {
        match &self.arguments[0] {
            Argument::Descriptor(number, path) => (*number, path),
            other => panic!("{} has {other:?} first", self.name),
        }
    }
    pub fn word(&self, at: usize) -> &str {
        match &self.arguments[at] {
            Argument::Word(word) => word,
            other => panic!("{} has {other:?} at {at}", self.name),
        }
    }
}

/// Lets the child open the store in `folder` and make so many commits, and returns every call, in the order of their ends.
pub fn of_commits(folder: &Path, commits: u64) -> Vec<Call> {
    of_a_child(folder, commits, &[])
}

/// The same, and then erases the store.
pub fn of_an_erasure(folder: &Path, commits: u64) -> Vec<Call> {
    of_a_child(folder, commits, &[(ERASURE, "yes")])
}

fn of_a_child(folder: &Path, commits: u64, environment: &[(&str, &str)]) -> Vec<Call> {
    let log = tempfile::NamedTempFile::new().unwrap();
    let output = Command::new("strace")
        .args(["-f", "-y", "-xx", "-s", "4000000", "-o"])
        .arg(log.path())
        .args(["-e", &format!("trace={CALLS}"), "-e", "signal=none", "-E", "PATH="])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "child_makes_its_commits", "--ignored", "--nocapture", "--test-threads=1"])
        .env(FOLDER, folder)
        .env(COMMITS, commits.to_string())
        .envs(environment.iter().copied())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .output()
        .expect("strace (packages.debian)");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    parse(&std::fs::read_to_string(log.path()).unwrap())
}

fn parse(log: &str) -> Vec<Call> {
    let mut calls = Vec::new();
    // What a thread has begun and not ended: how many calls had ended then, and the text so far.
    let mut begun: HashMap<&str, (usize, String)> = HashMap::new();
    for line in log.lines() {
        let (thread, text) = line.split_once(char::is_whitespace).unwrap();
        let text = text.trim_start();
        if let Some(unfinished) = text.strip_suffix(" <unfinished ...>") {
            begun.insert(thread, (calls.len(), unfinished.to_owned()));
        } else if let Some(resumed) = text.strip_prefix("<... ") {
            let (at, beginning) = begun.remove(thread).unwrap();
            let rest = resumed.split_once(" resumed>").unwrap().1;
            calls.extend(call(&format!("{beginning}{rest}"), at));
        } else if !text.starts_with("+++") && !text.starts_with("---") {
            calls.extend(call(text, calls.len()));
        }
    }
    calls
}

/// None when it failed, or did not end.
fn call(text: &str, begun: usize) -> Option<Call> {
    let (name, rest) = text.split_once('(').unwrap();
    let (arguments, result) = rest.rsplit_once(" = ").unwrap();
    let arguments = arguments.trim_end().strip_suffix(')').unwrap();
    let digits: String = result.chars().take_while(char::is_ascii_digit).collect();
    let arguments = arguments.split(", ").map(argument).collect();
    Some(Call { name: name.to_owned(), arguments, result: digits.parse().ok()?, begun })
}

fn argument(text: &str) -> Argument {
    if let Some(quoted) = text.strip_prefix('"') {
        return Argument::Bytes(bytes(quoted.strip_suffix('"').expect("strace cuts nothing short")));
    }
    match text.strip_suffix('>').and_then(|text| text.split_once('<')) {
        Some((descriptor, path)) => {
            let path = PathBuf::from(String::from_utf8(bytes(path)).unwrap());
            Argument::Descriptor(descriptor.parse().unwrap_or(u64::MAX), path)
        }
        None => Argument::Word(text.to_owned()),
    }
}

/// `\x2f\x64`, or plain where strace knows it as its own word (`pipe:[7]`).
fn bytes(text: &str) -> Vec<u8> {
    let mut parts = text.split("\\x");
    let mut bytes = parts.next().unwrap_or("").as_bytes().to_vec();
    for part in parts {
        let (digits, plain) = part.split_at(2);
        bytes.push(u8::from_str_radix(digits, 16).unwrap());
        bytes.extend_from_slice(plain.as_bytes());
    }
    bytes
}
