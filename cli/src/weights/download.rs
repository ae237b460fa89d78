//! The download of one file over HTTP. It resumes after failures and never writes more than the
//! known size.

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

/// How long a download waits, and how often it retries.
#[derive(Clone, Copy, Debug)]
pub struct RetryPolicy {
    /// Consecutive failures without progress after which the download gives up.
    pub failures: u32,
    /// Pause after the first failure; each further failure doubles it.
    pub pause: Duration,
    /// Longest wait for a connection, for the start of a response, and for each further part of it.
    pub timeout: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            failures: 5,
            pause: Duration::from_secs(1),
            timeout: Duration::from_secs(60),
        }
    }
}

impl RetryPolicy {
    /// Returns an HTTP client with these timeouts.
    pub(super) fn agent(&self) -> Agent {
        Agent::config_builder()
            .http_status_as_error(false)
            .timeout_resolve(Some(self.timeout))
            .timeout_connect(Some(self.timeout))
            .timeout_recv_response(Some(self.timeout))
            .timeout_per_read(Some(self.timeout))
            .user_agent(concat!("propainter/", env!("CARGO_PKG_VERSION")))
            // Offsets must refer to the uncompressed file.
            .accept_encoding("identity")
            .build()
            .new_agent()
    }
}

/// An error that ends a download.
#[derive(Debug, Error)]
pub enum DownloadError {
    #[error("{url} is not a valid address: {problem}; --base-url sets another")]
    Address { url: String, problem: String },
    #[error(
        "{url}: the server responded {status}; is the address correct? --base-url sets another"
    )]
    Status { url: String, status: StatusCode },
    #[error(
        "{url}: {cause} ({failures} failures in a row); the received part is kept, and the next \
         fetch resumes there"
    )]
    GaveUp {
        url: String,
        cause: String,
        failures: u32,
    },
    #[error("{url} has {got} bytes, but the official file has {expected}: it is another file")]
    Size {
        url: String,
        expected: u64,
        got: u64,
    },
    #[error(
        "{url} has the SHA-256 {got}, but the official file has {expected}: the download is \
         deleted"
    )]
    Digest {
        url: String,
        expected: String,
        got: String,
    },
    #[error("{} cannot be written: {source}{}", file.display(), advice(source))]
    Write { file: PathBuf, source: io::Error },
    #[error("another fetch is writing {}", file.display())]
    Busy { file: PathBuf },
}

/// Returns the remedy for an error of the file system, to be appended to its message.
fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "; free some space, and the next fetch resumes there"
        }
        _ => "",
    }
}

/// The result of one request.
enum Attempt {
    /// The file is complete.
    Complete,
    /// The request failed for this reason, and another one may succeed.
    Failed(String),
}

/// A download to the file `part`, which keeps the received bytes.
pub(super) struct Download<'a> {
    pub agent: &'a Agent,
    pub retry: RetryPolicy,
    pub url: &'a str,
    pub part: &'a Path,
    /// Bytes of the whole file.
    pub bytes: u64,
    pub progress: &'a ProgressBar,
}

impl Download<'_> {
    /// Downloads the missing bytes; `part` then has exactly `bytes` bytes.
    ///
    /// # Errors
    /// The server refuses, has another file or fails too often, or `part` cannot be written.
    pub fn run(&self) -> Result<(), DownloadError> {
        let mut part = self.open()?;
        let result = self.fill(&mut part);
        if result.is_err() && part.metadata().is_ok_and(|part| part.len() == 0) {
            // Nothing was received, and the error says why.
            let _ = fs::remove_file(self.part);
        }
        result
    }

    /// Sends requests until the file is complete.
    fn fill(&self, part: &mut File) -> Result<(), DownloadError> {
        let mut have = part.seek(SeekFrom::End(0)).map_err(|e| self.write(e))?;
        let (mut best, mut failures) = (have, 0);
        loop {
            let cause = match self.attempt(part, &mut have)? {
                Attempt::Complete => return part.sync_all().map_err(|e| self.write(e)),
                Attempt::Failed(cause) => cause,
            };
            failures = if have > best { 1 } else { failures + 1 };
            best = cmp::max(best, have);
            if failures >= self.retry.failures {
                let url = self.url.to_owned();
                return Err(DownloadError::GaveUp {
                    url,
                    cause,
                    failures,
                });
            }
            self.progress.set_message(format!("{cause}, retrying"));
            thread::sleep(self.retry.pause * 2u32.pow(cmp::min(failures - 1, 6)));
        }
    }

    /// Opens `part` and locks it.
    fn open(&self) -> Result<File, DownloadError> {
        if self.part.is_symlink() {
            // The target of a symbolic link must not be written.
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
            // Some file systems have no locks; the digest detects the result of a race.
            Err(TryLockError::Error(_)) => Ok(part),
        }
    }

    fn write(&self, source: io::Error) -> DownloadError {
        DownloadError::Write {
            file: self.part.to_owned(),
            source,
        }
    }

    /// Discards the received bytes.
    fn restart(&self, part: &File, have: &mut u64) -> Result<(), DownloadError> {
        part.set_len(0).map_err(|e| self.write(e))?;
        *have = 0;
        Ok(())
    }

    /// Sends one request for the bytes after the first `have`.
    fn attempt(&self, part: &mut File, have: &mut u64) -> Result<Attempt, DownloadError> {
        if *have > self.bytes {
            self.restart(part, have)?;
        }
        if *have == self.bytes {
            return Ok(Attempt::Complete);
        }
        let mut request = self.agent.get(self.url);
        if *have > 0 {
            request = request.header(header::RANGE, format!("bytes={have}-"));
        }
        let response = match request.call() {
            Ok(response) => response,
            // An invalid address stays invalid.
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
                // The server sends the whole file, even if a part was requested.
                self.restart(part, have)?;
                number(&response, header::CONTENT_LENGTH)
            }
            StatusCode::PARTIAL_CONTENT => match content_range(&response) {
                Some((start, total)) if start == *have => total,
                _ => {
                    self.restart(part, have)?;
                    return Ok(Attempt::Failed("the server sent another range".to_owned()));
                }
            },
            StatusCode::RANGE_NOT_SATISFIABLE if *have > 0 => {
                // The received part is longer than the server's file, so it belongs to another one.
                self.restart(part, have)?;
                return Ok(Attempt::Failed("the server has no such range".to_owned()));
            }
            status if is_transient(status) => {
                return Ok(Attempt::Failed(format!("the server responded {status}")));
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

    /// Appends the body of a response.
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
                Ok(0) if *have == self.bytes => return Ok(Attempt::Complete),
                Ok(0) => {
                    let missing = self.bytes - *have;
                    return Ok(Attempt::Failed(format!(
                        "the connection closed {missing} bytes early"
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

/// Returns whether the same request may succeed later.
fn is_transient(status: StatusCode) -> bool {
    status.is_server_error()
        || status == StatusCode::REQUEST_TIMEOUT
        || status == StatusCode::TOO_MANY_REQUESTS
}

/// Returns a header that holds a number.
fn number(response: &Response<Body>, name: header::HeaderName) -> Option<u64> {
    response.headers().get(name)?.to_str().ok()?.parse().ok()
}

/// Returns the first byte of `bytes FIRST-LAST/TOTAL`, and the total where it is known.
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
