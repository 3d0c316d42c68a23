//! A service's output: copied into a bounded file, its end remembered for the error message of a failed start.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, PipeWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;

/// A file of this size is put aside as `NAME.1`, in place of the one before.
const LARGEST: u64 = 16 << 20;
/// How much of the end is remembered.
const TAIL: usize = 4096;

/// One service's log, the same over its restarts.
pub struct Log {
    writer: PipeWriter,
    tail: Arc<Mutex<VecDeque<u8>>>,
}

impl Log {
    /// Goes on with the file that is there, or begins one.
    pub fn open(path: &Path) -> io::Result<Log> {
        let file = File::options().append(true).create(true).open(path)?;
        let size = file.metadata()?.len();
        let file = Copy { file, path: path.to_owned(), size };
        let (reader, writer) = io::pipe()?;
        rustix::io::ioctl_fionbio(&reader, true)?;
        let reader = pipe::Receiver::from_owned_fd(reader.into())?;
        let tail = Arc::new(Mutex::new(VecDeque::new()));
        tokio::spawn(copy(reader, file, tail.clone()));
        Ok(Log { writer, tail })
    }

    /// For a child's standard output.
    pub fn writer(&self) -> io::Result<PipeWriter> {
        self.writer.try_clone()
    }

    /// The last lines, at most `count`.
    pub fn last_lines(&self, count: usize) -> Vec<String> {
        let tail: Vec<u8> = self.tail.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect();
        let text = String::from_utf8_lossy(&tail);
        let lines: Vec<_> = text.lines().collect();
        lines.iter().skip(lines.len().saturating_sub(count)).map(|line| (*line).to_owned()).collect()
    }
}

struct Copy {
    file: File,
    path: PathBuf,
    size: u64,
}

impl Copy {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.size > LARGEST {
            let mut aside = self.path.clone().into_os_string();
            aside.push(".1");
            std::fs::rename(&self.path, aside)?;
            self.file = File::create(&self.path)?;
            self.size = 0;
        }
        self.size += bytes.len() as u64;
        self.file.write_all(bytes)
    }
}

async fn copy(mut reader: pipe::Receiver, mut file: Copy, tail: Arc<Mutex<VecDeque<u8>>>) {
    let mut chunk = [0_u8; 4096];
    while let Ok(length @ 1..) = reader.read(&mut chunk).await {
        let bytes = chunk.get(..length).unwrap_or_default();
        // A full disk must not stop the services: their output is then lost.
        let _ = file.write(bytes);
        let mut tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
        tail.extend(bytes);
        let surplus = tail.len().saturating_sub(TAIL);
        tail.drain(..surplus);
    }
}
