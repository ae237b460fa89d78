//! A web server on this machine that does as a test says, well or badly.

use std::{
    collections::{HashMap, VecDeque},
    io::{BufRead, BufReader, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
};

/// What the server does with one request.
#[derive(Clone, Copy, Debug)]
pub enum Act {
    /// Sends the file, or the part that was asked for.
    Serve,
    /// Sends the whole file, whatever part was asked for.
    IgnoreRange,
    /// Cuts the connection after so many bytes of the body.
    CutAfter(usize),
    /// Stops sending after so many bytes, and leaves the connection open.
    StallAfter(usize),
    /// Answers with this status and no file.
    Status(u16),
    /// Sends another part than was asked for.
    OtherRange,
    /// Sends to `/moved/…`, where the same file is.
    Redirect,
    /// Sends the file without saying how long it is, and so many zeros after it.
    Endless(usize),
}

/// A request: its path, and the first byte asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    pub path: String,
    pub from: Option<usize>,
}

struct State {
    files: HashMap<String, Vec<u8>>,
    acts: Mutex<VecDeque<Act>>,
    requests: Mutex<Vec<Request>>,
    /// Connections left open.
    open: Mutex<Vec<TcpStream>>,
}

/// Serves files by name until it is dropped; each request takes the next of the acts, and
/// after the last all are served well.
pub struct Server {
    address: String,
    state: Arc<State>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub fn start(files: impl IntoIterator<Item = (String, Vec<u8>)>, acts: &[Act]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("its address").to_string();
        let state = Arc::new(State {
            files: files.into_iter().collect(),
            acts: Mutex::new(acts.iter().copied().collect()),
            requests: Mutex::default(),
            open: Mutex::default(),
        });
        let shared = state.clone();
        let thread = thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                // An error is the client's going away, or a request that ends the server.
                if shared.answer(stream).is_err() {
                    continue;
                }
                if Arc::strong_count(&shared) == 1 {
                    break;
                }
            }
        });
        Self {
            address,
            state,
            thread: Some(thread),
        }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn requests(&self) -> Vec<Request> {
        self.state.requests.lock().expect("no panic").clone()
    }
}

impl State {
    fn answer(&self, stream: TcpStream) -> std::io::Result<()> {
        let mut lines = BufReader::new(stream.try_clone()?).lines();
        let first = lines.next().transpose()?.unwrap_or_default();
        let Some(path) = first.split(' ').nth(1).map(|path| path[1..].to_owned()) else {
            return Ok(());
        };
        let mut from = None;
        for line in lines {
            let line = line?.to_lowercase();
            if line.is_empty() {
                break;
            }
            let range = line
                .strip_prefix("range: bytes=")
                .map(|range| range.trim_end_matches('-'));
            from = from.or(range.and_then(|first| first.parse().ok()));
        }
        let name = path.rsplit('/').next().unwrap_or_default().to_owned();
        self.requests
            .lock()
            .expect("no panic")
            .push(Request { path, from });
        let act = self
            .acts
            .lock()
            .expect("no panic")
            .pop_front()
            .unwrap_or(Act::Serve);
        let result = match self.files.get(&name) {
            Some(file) => perform(act, file, &name, from, &stream),
            None => head(&stream, 404, &["Content-Length: 0".to_owned()]),
        };
        if matches!(act, Act::StallAfter(_)) {
            self.open.lock().expect("no panic").push(stream);
        } else {
            // The client may have gone already.
            let _ = stream.shutdown(Shutdown::Both);
        }
        result
    }
}

fn perform(
    act: Act,
    file: &[u8],
    name: &str,
    from: Option<usize>,
    mut stream: &TcpStream,
) -> std::io::Result<()> {
    let start = from.unwrap_or(0);
    let body = file.get(start..).unwrap_or_default();
    let length = |bytes: usize| format!("Content-Length: {bytes}");
    let range = |start: usize| {
        format!(
            "Content-Range: bytes {start}-{}/{}",
            file.len() - 1,
            file.len()
        )
    };
    let head_of_part = || match from {
        Some(start) => head(stream, 206, &[length(body.len()), range(start)]),
        None => head(stream, 200, &[length(body.len())]),
    };
    match act {
        Act::Serve if start >= file.len() && from.is_some() => head(
            stream,
            416,
            &[length(0), format!("Content-Range: bytes */{}", file.len())],
        ),
        Act::Serve => {
            head_of_part()?;
            stream.write_all(body)
        }
        Act::IgnoreRange => {
            head(stream, 200, &[length(file.len())])?;
            stream.write_all(file)
        }
        Act::CutAfter(bytes) | Act::StallAfter(bytes) => {
            head_of_part()?;
            stream.write_all(&body[..bytes.min(body.len())])
        }
        Act::Status(status) => head(stream, status, &[length(0)]),
        Act::OtherRange => {
            head(stream, 206, &[length(file.len() - 1), range(1)])?;
            stream.write_all(&file[1..])
        }
        Act::Redirect => head(
            stream,
            302,
            &[length(0), format!("Location: /moved/{name}")],
        ),
        Act::Endless(zeros) => {
            head(stream, 200, &[])?;
            stream.write_all(file)?;
            stream.write_all(&vec![0; zeros])
        }
    }
}

fn head(mut stream: &TcpStream, status: u16, fields: &[String]) -> std::io::Result<()> {
    let mut head = format!("HTTP/1.1 {status} As Told\r\nConnection: close\r\n");
    for field in fields {
        head.push_str(field);
        head.push_str("\r\n");
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes())
}

impl Drop for Server {
    fn drop(&mut self) {
        self.state = Arc::new(State {
            files: HashMap::new(),
            acts: Mutex::default(),
            requests: Mutex::default(),
            open: Mutex::default(),
        });
        // One more connection, so that the thread sees it is alone.
        let _ = TcpStream::connect(&self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
