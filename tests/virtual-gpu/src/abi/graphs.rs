//! Graphs.

use std::ffi::{c_int, c_void};

use super::{Out, interface};
use crate::{driver::execution::graphs::CaptureMode, handles::Handle, status::Status};

interface! {
    /// Begins to record what a stream is given.
    fn cuStreamBeginCapture_v2(stream: Handle, mode: c_int) |driver| {
        let mode = CaptureMode::from_code(mode)?;
        let stream = driver.stream(stream)?;
        driver.begin_capture(stream, mode)
    };

    /// Ends a capture.
    fn cuStreamEndCapture(stream: Handle, graph: Out<Handle>) |driver| {
        let stream = driver.stream(stream)?;
        let ended = driver.end_capture(stream);
        graph.set(ended.unwrap_or_default())?;
        ended.map(drop)
    };

    /// Tells whether a stream is capturing.
    fn cuStreamIsCapturing(stream: Handle, status: Out<c_int>) |driver| {
        let stream = driver.stream(stream)?;
        status.set(driver.capture_status(stream)?)
    };

    /// Tells whether a stream is capturing, and the number of the capture.
    fn cuStreamGetCaptureInfo_v2(
        stream: Handle,
        status: Out<c_int>,
        id: Out<u64>,
        graph: Out<Handle>,
        dependencies: Out<*const c_void>,
        count: Out<usize>,
    ) |driver| {
        let stream = driver.stream(stream)?;
        id.set_if_wanted(driver.streams.get(stream)?.capture.unwrap_or_default().0);
        graph.set_if_wanted(Handle::NULL);
        dependencies.set_if_wanted(std::ptr::null());
        count.set_if_wanted(0);
        status.set(driver.capture_status(stream)?)
    };

    /// Changes what captures forbid on this thread: every thread keeps the mode of its capture.
    fn cuThreadExchangeStreamCaptureMode(_mode: Out<c_int>) |_driver| Ok(());

    /// Tells the nodes of a graph, or their number.
    fn cuGraphGetNodes(graph: Handle, nodes: Out<Handle>, count: Out<usize>) |driver| {
        let found = driver.graph_nodes(graph)?;
        if nodes.is_null() {
            return count.set(found.len());
        }
        let room = count.get()?;
        for i in 0..room {
            nodes.set_at(i, found.get(i).copied().unwrap_or_default())?;
        }
        count.set(found.len().min(room))
    };

    /// Tells what kind of work a node is.
    fn cuGraphNodeGetType(node: Handle, kind: Out<c_int>) |driver| {
        kind.set(driver.nodes.get(node)?.kind)
    };

    /// Copies a graph.
    fn cuGraphClone(copy: Out<Handle>, graph: Handle) |driver| {
        let made = driver.clone_graph(graph)?;
        copy.set(made)
    };

    /// Destroys a graph.
    fn cuGraphDestroy(graph: Handle) |driver| driver.destroy_graph(graph);

    /// Makes a graph executable.
    fn cuGraphInstantiateWithFlags(executable: Out<Handle>, graph: Handle, _flags: u64) |driver| {
        let made = driver.instantiate(graph)?;
        executable.set(made)
    };

    /// Prepares an executable graph, which is ready.
    fn cuGraphUpload(graph: Handle, stream: Handle) |driver| {
        driver.stream(stream)?;
        driver.executables.get(graph).map(drop)
    };

    /// Launches a graph in a stream.
    fn cuGraphLaunch(graph: Handle, stream: Handle) |driver| {
        let stream = driver.stream(stream)?;
        driver.launch_graph(graph, stream)
    };

    /// Destroys an executable graph.
    fn cuGraphExecDestroy(graph: Handle) |driver| driver.executables.remove(graph).map(drop);

    /// Makes an empty graph: work comes into graphs only from streams here.
    fn cuGraphCreate(_graph: Out<Handle>, _flags: u32) |_driver| Err(Status::NOT_SUPPORTED);

    /// Gives memory of graphs back, of which none is kept.
    fn cuDeviceGraphMemTrim(device: c_int) |driver| driver.device(device).map(drop);
}
