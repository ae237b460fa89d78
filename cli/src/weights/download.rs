//! One file over HTTP: in parts where it must be, never more than it should be.

use std::{
    cmp,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use indicatif::ProgressBar;
use thiserror::Error;
use ureq::{
    Agent, Body,
    http::{Response, StatusCode, header},
};

/// How long to wait, and how often to try again.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Failures in a row, without a byte more than before, after which to give up.
    pub failures: u32,
    /// Pause after the first of them; doubled after each.
    pub pause: Duration,
    /// For a connection, an answer's start, and each further piece of it.
    pub timeout: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            failures: 5,
            pause: Duration::from_secs(1),
            timeout: Duration::from_secs(60),
        }
    }
}

impl Patience {
    pub(super) fn agent(&self) -> Agent {
        Agent::config_builder()
            .http_status_as_error(false)
            .timeout_resolve(Some(self.timeout))
            .timeout_connect(Some(self.timeout))
            .timeout_recv_response(Some(self.timeout))
            .timeout_per_read(Some(self.timeout))
            .user_agent(concat!("propainter-weights/", env!("CARGO_PKG_VERSION")))
            // Offsets into a compressed file would mean something else.
            .accept_encoding("identity")
            .build()
            .new_agent()
    }
}

/// Why a file did not come.
#[derive(Debug, Error)]
pub enum DownloadError {
    #[error("{url} is no address to download from: {problem}; --base-url sets another")]
    Address { url: String, problem: String },
    #[error("{url}: the server answers {status}; is the address right? --base-url sets another")]
    Status { url: String, status: StatusCode },
    #[error(
        "{url}: {cause} ({failures} failures in a row); what has come is kept, and the next \
         fetch goes on from there"
    )]
    GaveUp {
        url: String,
        cause: String,
        failures: u32,
    },
    #[error("{url} has {got} bytes where the official file has {expected}: it is another file")]
    Size {
        url: String,
        expected: u64,
        got: u64,
    },
    #[error(
        "{url} has the SHA-256 {got} where the official file has {expected}: what has come is \
         deleted"
    )]
    Digest {
        url: String,
        expected: String,
        got: String,
    },
    #[error("{} cannot be written: {source}{}", file.display(), advice(source))]
    Write { file: PathBuf, source: io::Error },
    #[error("{} is being written by another fetch", file.display())]
    Busy { file: PathBuf },
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "; make room, and the next fetch goes on from there"
        }
        _ => "",
    }
}

/// What one request came to.
enum Attempt {
    Whole,
    /// Worth another request.
    Failed(String),
}

/// A file being downloaded to `part`, which keeps what has come.
pub(super) struct Download<'a> {
    pub agent: &'a Agent,
    pub patience: Patience,
    pub url: &'a str,
    pub part: &'a Path,
    /// Bytes of the whole file.
    pub bytes: u64,
    pub progress: &'a ProgressBar,
}

impl Download<'_> {
    /// Fetches what is missing; `part` then has exactly `bytes` bytes.
    pub fn run(&self) -> Result<(), DownloadError> {
        let mut part = self.open()?;
        let result = self.fill(&mut part);
        if result.is_err() && part.metadata().is_ok_and(|part| part.len() == 0) {
            // Nothing has come that is worth keeping; the error says why.
            let _ = fs::remove_file(self.part);
        }
        result
    }

    fn fill(&self, part: &mut File) -> Result<(), DownloadError> {
        let mut have = part.seek(SeekFrom::End(0)).map_err(|e| self.write(e))?;
        let (mut best, mut failures) = (have, 0);
        loop {
            let cause = match self.attempt(part, &mut have)? {
                Attempt::Whole => return part.sync_all().map_err(|e| self.write(e)),
                Attempt::Failed(cause) => cause,
            };
            failures = if have > best { 1 } else { failures + 1 };
            best = cmp::max(best, have);
            if failures >= self.patience.failures {
                let url = self.url.to_owned();
                return Err(DownloadError::GaveUp {
                    url,
                    cause,
                    failures,
                });
            }
            self.progress.set_message(format!("{cause}, trying again"));
            thread::sleep(self.patience.pause * 2u32.pow(cmp::min(failures - 1, 6)));
        }
    }

    fn open(&self) -> Result<File, DownloadError> {
        if self.part.is_symlink() {
            // What it points to is not ours to write to.
            fs::remove_file(self.part).map_err(|e| self.write(e))?;
        }
        let part = OpenOptions::new()
            .create(true)
            .append(true)
            .read(true)
            .open(self.part)
            .map_err(|e| self.write(e))?;
        match part.try_lock() {
            Ok(()) => Ok(part),
            Err(TryLockError::WouldBlock) => Err(DownloadError::Busy {
                file: self.part.to_owned(),
            }),
            // Some file systems have no locks; the digest finds what a race would do.
            Err(TryLockError::Error(_)) => Ok(part),
        }
    }

    fn write(&self, source: io::Error) -> DownloadError {
        DownloadError::Write {
            file: self.part.to_owned(),
            source,
        }
    }

    fn restart(&self, part: &File, have: &mut u64) -> Result<(), DownloadError> {
        part.set_len(0).map_err(|e| self.write(e))?;
        *have = 0;
        Ok(())
    }

    /// One request for what is missing after `have` bytes.
    fn attempt(&self, part: &mut File, have: &mut u64) -> Result<Attempt, DownloadError> {
        if *have > self.bytes {
            self.restart(part, have)?;
        }
        if *have == self.bytes {
            return Ok(Attempt::Whole);
        }
        let mut request = self.agent.get(self.url);
        if *have > 0 {
            request = request.header(header::RANGE, format!("bytes={have}-"));
        }
        let response = match request.call() {
            Ok(response) => response,
            // The address itself is wrong, and stays so.
            Err(error @ (ureq::Error::BadUri(_) | ureq::Error::Http(_))) => {
                return Err(DownloadError::Address {
                    url: self.url.to_owned(),
                    problem: error.to_string(),
                });
            }
            Err(error) => return Ok(Attempt::Failed(error.to_string())),
        };
        let total = match response.status() {
            StatusCode::OK => {
                // The whole file, whether a part was asked for or not.
                self.restart(part, have)?;
                number(&response, header::CONTENT_LENGTH)
            }
            StatusCode::PARTIAL_CONTENT => match content_range(&response) {
                Some((start, total)) if start == *have => total,
                _ => {
                    self.restart(part, have)?;
                    return Ok(Attempt::Failed("the server sent another part".to_owned()));
                }
            },
            StatusCode::RANGE_NOT_SATISFIABLE if *have > 0 => {
                // What is there is longer than what the server has, so it is no part of it.
                self.restart(part, have)?;
                return Ok(Attempt::Failed("the server has no such part".to_owned()));
            }
            status if worth_another(status) => {
                return Ok(Attempt::Failed(format!("the server answers {status}")));
            }
            status => {
                let url = self.url.to_owned();
                return Err(DownloadError::Status { url, status });
            }
        };
        if let Some(got) = total.filter(|&total| total != self.bytes) {
            return Err(self.size(got));
        }
        self.receive(response, part, have)
    }

    /// Appends the answer's body.
    fn receive(
        &self,
        response: Response<Body>,
        part: &mut File,
        have: &mut u64,
    ) -> Result<Attempt, DownloadError> {
        self.progress.set_message("");
        self.progress.set_position(*have);
        let mut body = response.into_body().into_reader();
        let mut buffer = vec![0; 1 << 16];
        loop {
            let count = match body.read(&mut buffer) {
                Ok(0) if *have == self.bytes => return Ok(Attempt::Whole),
                Ok(0) => {
                    let missing = self.bytes - *have;
                    return Ok(Attempt::Failed(format!(
                        "the connection ended {missing} bytes early"
                    )));
                }
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Ok(Attempt::Failed(error.to_string())),
            };
            let after = *have + count as u64;
            if after > self.bytes {
                return Err(self.size(after));
            }
            part.write_all(&buffer[..count])
                .map_err(|e| self.write(e))?;
            *have = after;
            self.progress.set_position(after);
        }
    }

    fn size(&self, got: u64) -> DownloadError {
        DownloadError::Size {
            url: self.url.to_owned(),
            expected: self.bytes,
            got,
        }
    }
}

/// Whether the same request may well succeed a little later.
fn worth_another(status: StatusCode) -> bool {
    status.is_server_error()
        || status == StatusCode::REQUEST_TIMEOUT
        || status == StatusCode::TOO_MANY_REQUESTS
}

fn number(response: &Response<Body>, name: header::HeaderName) -> Option<u64> {
    response.headers().get(name)?.to_str().ok()?.parse().ok()
}

/// First byte and, where it is told, total of `bytes FIRST-LAST/TOTAL`.
fn content_range(response: &Response<Body>) -> Option<(u64, Option<u64>)> {
    let value = response.headers().get(header::CONTENT_RANGE)?;
    let (range, total) = value
        .to_str()
        .ok()?
        .strip_prefix("bytes ")?
        .split_once('/')?;
    let first = range.split_once('-')?.0.trim().parse().ok()?;
    Some((first, total.trim().parse().ok()))
}
