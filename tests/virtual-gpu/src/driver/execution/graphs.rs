//! Graphs: work of streams that is recorded once and launched as one.

use std::{ffi::c_int, thread::ThreadId};

use super::work::{Origin, Work};
use crate::{
    driver::Driver,
    handles::Handle,
    status::{Answer, Status},
};

/// Which calls a capture forbids (`CUstreamCaptureMode`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CaptureMode {
    /// Calls that wait or allocate fail on every thread.
    Global,
    /// They fail on the thread that captures.
    ThreadLocal,
    /// They are allowed.
    Relaxed,
}

impl CaptureMode {
    /// Reads a `CUstreamCaptureMode`.
    ///
    /// # Errors
    /// `CUDA_ERROR_INVALID_VALUE`.
    pub fn from_code(code: c_int) -> Answer<Self> {
        match code {
            0 => Ok(Self::Global),
            1 => Ok(Self::ThreadLocal),
            2 => Ok(Self::Relaxed),
            _ => Err(Status::INVALID_VALUE),
        }
    }
}

/// A capture that has begun and not ended.
#[derive(Debug)]
pub struct Capture {
    context: Handle,
    /// The stream it began in.
    origin: Handle,
    mode: CaptureMode,
    thread: ThreadId,
    /// Whether a forbidden call has spoiled it.
    pub spoiled: bool,
    work: Vec<Work>,
    /// Whether another stream joined that the origin has not waited for since.
    unjoined: bool,
}

/// A graph.
#[derive(Clone, Debug)]
pub struct Graph {
    context: Handle,
    work: Vec<Work>,
    nodes: Vec<Handle>,
}

/// A piece of work of a graph.
#[derive(Clone, Copy, Debug)]
pub struct Node {
    graph: Handle,
    /// Its `CUgraphNodeType`.
    pub kind: c_int,
}

/// A graph that can be launched.
#[derive(Debug)]
pub struct Executable {
    /// Its context.
    pub context: Handle,
    work: std::sync::Arc<[Work]>,
}

impl Driver {
    /// Begins to record what a stream is given.
    ///
    /// # Errors
    /// `CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED` for a default stream; `CUDA_ERROR_INVALID_VALUE` if
    /// it is capturing.
    pub fn begin_capture(&mut self, stream: Handle, mode: CaptureMode) -> Answer {
        let found = self.streams.get(stream)?;
        let context = found.context;
        if self.contexts.get(context)?.stream == stream {
            return Err(Status::CAPTURE_UNSUPPORTED);
        }
        if found.capture.is_some() {
            return Err(Status::INVALID_VALUE);
        }
        let capture = self.captures.insert(Capture {
            context,
            origin: stream,
            mode,
            thread: std::thread::current().id(),
            spoiled: false,
            work: Vec::new(),
            unjoined: false,
        });
        self.streams.get_mut(stream)?.capture = Some(capture);
        Ok(())
    }

    /// Ends a capture and returns its graph.
    ///
    /// # Errors
    /// `CUDA_ERROR_INVALID_VALUE` if the stream is not capturing;
    /// `CUDA_ERROR_STREAM_CAPTURE_UNMATCHED` if it has only joined;
    /// `CUDA_ERROR_STREAM_CAPTURE_INVALIDATED`; `CUDA_ERROR_STREAM_CAPTURE_UNJOINED`.
    pub fn end_capture(&mut self, stream: Handle) -> Answer<Handle> {
        let handle = self
            .streams
            .get(stream)?
            .capture
            .ok_or(Status::INVALID_VALUE)?;
        if self.captures.get(handle)?.origin != stream {
            self.captures.get_mut(handle)?.spoiled = true;
            return Err(Status::CAPTURE_UNMATCHED);
        }
        let capture = self.captures.remove(handle)?;
        for stream in self.streams.values_mut() {
            if stream.capture == Some(handle) {
                stream.capture = None;
            }
        }
        if capture.spoiled {
            return Err(Status::CAPTURE_INVALIDATED);
        }
        if capture.unjoined {
            return Err(Status::CAPTURE_UNJOINED);
        }
        let graph = self.graphs.insert(Graph {
            context: capture.context,
            work: Vec::new(),
            nodes: Vec::new(),
        });
        let nodes = capture.work.iter().map(|work| Node {
            graph,
            kind: work.node_kind(),
        });
        let nodes: Vec<_> = nodes.map(|node| self.nodes.insert(node)).collect();
        let found = self.graphs.get_mut(graph)?;
        (found.work, found.nodes) = (capture.work, nodes);
        Ok(graph)
    }

    /// Returns 0 if a stream is not capturing, 1 if it is, 2 if the capture was spoiled.
    ///
    /// # Errors
    /// `CUDA_ERROR_INVALID_HANDLE`.
    pub fn capture_status(&self, stream: Handle) -> Answer<c_int> {
        match self.streams.get(stream)?.capture {
            None => Ok(0),
            Some(capture) => Ok(1 + c_int::from(self.captures.get(capture)?.spoiled)),
        }
    }

    /// Adds work to a capture.
    ///
    /// # Errors
    /// `CUDA_ERROR_STREAM_CAPTURE_INVALIDATED` if it was spoiled.
    pub fn record_work(&mut self, capture: Handle, work: Work) -> Answer {
        let capture = self.captures.get_mut(capture)?;
        if capture.spoiled {
            return Err(Status::CAPTURE_INVALIDATED);
        }
        capture.work.push(work);
        Ok(())
    }

    /// Adds a stream to a capture whose event it waits for.
    ///
    /// # Errors
    /// `CUDA_ERROR_INVALID_HANDLE` if the capture has ended.
    pub fn join_capture(&mut self, stream: Handle, capture: Handle) -> Answer {
        self.captures.get_mut(capture)?.unjoined = true;
        self.streams.get_mut(stream)?.capture = Some(capture);
        Ok(())
    }

    /// Notes that a stream of a capture waits for another stream of it.
    ///
    /// # Errors
    /// As [`join_capture`](Self::join_capture).
    pub fn rejoin_capture(&mut self, capture: Handle) -> Answer {
        self.captures.get_mut(capture)?.unjoined = false;
        Ok(())
    }

    /// Fails a call that no capture allows while it is on, and spoils the capture.
    ///
    /// # Errors
    /// `CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED`.
    pub fn forbidden_in_capture(&mut self) -> Answer {
        let thread = std::thread::current().id();
        let mut allowed = Ok(());
        for capture in self.captures.values_mut() {
            let forbids = match capture.mode {
                CaptureMode::Global => true,
                CaptureMode::ThreadLocal => capture.thread == thread,
                CaptureMode::Relaxed => false,
            };
            if forbids {
                capture.spoiled = true;
                allowed = Err(Status::CAPTURE_UNSUPPORTED);
            }
        }
        allowed
    }

    /// Returns the nodes of a graph.
    ///
    /// # Errors
    /// `CUDA_ERROR_INVALID_HANDLE`.
    pub fn graph_nodes(&self, graph: Handle) -> Answer<&[Handle]> {
        self.graphs.get(graph).map(|graph| &graph.nodes[..])
    }

    /// Copies a graph; errors as [`graph_nodes`](Self::graph_nodes).
    pub fn clone_graph(&mut self, graph: Handle) -> Answer<Handle> {
        let mut copy = self.graphs.get(graph)?.clone();
        let kinds = copy.work.iter().map(Work::node_kind);
        let clone = self.graphs.insert(copy.clone());
        let nodes = kinds.map(|kind| self.nodes.insert(Node { graph: clone, kind }));
        copy.nodes = nodes.collect();
        *self.graphs.get_mut(clone)? = copy;
        Ok(clone)
    }

    /// Destroys a graph; errors as [`graph_nodes`](Self::graph_nodes).
    pub fn destroy_graph(&mut self, graph: Handle) -> Answer {
        self.graphs.remove(graph)?;
        self.nodes.retain(|node| node.graph != graph);
        Ok(())
    }

    /// Makes a graph executable. It no longer depends on the graph.
    ///
    /// # Errors
    /// As [`graph_nodes`](Self::graph_nodes).
    pub fn instantiate(&mut self, graph: Handle) -> Answer<Handle> {
        let graph = self.graphs.get(graph)?;
        let (context, work) = (graph.context, graph.work.clone().into());
        self.usable(context)?;
        let device = self.contexts.get(context)?.device;
        self.counts(device).graphs += 1;
        Ok(self.executables.insert(Executable { context, work }))
    }

    /// Launches a graph in a stream.
    ///
    /// # Errors
    /// `CUDA_ERROR_INVALID_HANDLE`; the failure of the context.
    pub fn launch_graph(&mut self, graph: Handle, stream: Handle) -> Answer {
        let work = self.executables.get(graph)?.work.clone();
        self.submit(stream, Work::Graph(work))
    }

    /// Runs the work of a graph.
    ///
    /// # Errors
    /// As the work's.
    pub fn perform_graph(&mut self, context: Handle, ticket: u64, work: &[Work]) -> Answer {
        work.iter()
            .try_for_each(|work| self.perform(context, ticket, work, Origin::Graph))
    }
}
