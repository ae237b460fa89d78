//! Streams and events.

use std::ffi::{c_int, c_uint, c_void};

use super::{Out, interface};
use crate::{
    driver::execution::work::{Callback, Work},
    handles::Handle,
    status::Status,
};

interface! {
    /// Makes a stream.
    fn cuStreamCreate(stream: Out<Handle>, flags: c_uint) |driver| {
        let made = driver.create_stream(flags, 0)?;
        stream.set(made)
    };

    /// Makes a stream of a priority.
    fn cuStreamCreateWithPriority(stream: Out<Handle>, flags: c_uint, priority: c_int) |driver| {
        let made = driver.create_stream(flags, priority)?;
        stream.set(made)
    };

    /// Destroys a stream after its work.
    fn cuStreamDestroy_v2(stream: Handle) |driver| driver.destroy_stream(stream);

    /// Destroys a stream after its work.
    fn cuStreamDestroy(stream: Handle) |driver| driver.destroy_stream(stream);

    /// Waits for a stream.
    fn cuStreamSynchronize(stream: Handle) |driver| {
        let stream = driver.stream(stream)?;
        driver.wait_for_stream(stream)
    };

    /// Asks whether a stream's work is done. Asking makes progress, so it is.
    fn cuStreamQuery(stream: Handle) |driver| {
        let stream = driver.stream(stream)?;
        let found = driver.streams.get(stream)?;
        let context = found.context;
        if let Some(capture) = found.capture {
            driver.captures.get_mut(capture)?.spoiled = true;
            return Err(Status::CAPTURE_UNSUPPORTED);
        }
        driver.run(stream, u64::MAX)?;
        driver.learn_failures(context)
    };

    /// Lets a stream wait for an event.
    fn cuStreamWaitEvent(stream: Handle, event: Handle, _flags: c_uint) |driver| {
        let stream = driver.stream(stream)?;
        driver.order_stream(stream, event)
    };

    /// Calls a function of the program's in the order of a stream.
    fn cuLaunchHostFunc(stream: Handle, function: Option<extern "C" fn(*mut c_void)>, data: u64) |driver| {
        let stream = driver.stream(stream)?;
        let function = function.ok_or(Status::INVALID_VALUE)?;
        driver.submit(stream, Work::Call(Callback { function, data }))
    };

    /// Ties managed memory to a stream, which changes nothing here.
    fn cuStreamAttachMemAsync(stream: Handle, _address: u64, _bytes: usize, _flags: c_uint) |driver| {
        driver.stream(stream).map(drop)
    };

    /// Tells a stream's context.
    fn cuStreamGetCtx(stream: Handle, context: Out<Handle>) |driver| {
        let stream = driver.stream(stream)?;
        context.set(driver.streams.get(stream)?.context)
    };

    /// Tells a stream's device.
    fn cuStreamGetDevice(stream: Handle, device: Out<c_int>) |driver| {
        let stream = driver.stream(stream)?;
        device.set(driver.device_of(stream)? as c_int)
    };

    /// Tells the flags that a stream was made with.
    fn cuStreamGetFlags(stream: Handle, flags: Out<c_uint>) |driver| {
        let stream = driver.stream(stream)?;
        flags.set(driver.streams.get(stream)?.flags)
    };

    /// Tells a stream's priority.
    fn cuStreamGetPriority(stream: Handle, priority: Out<c_int>) |driver| {
        let stream = driver.stream(stream)?;
        priority.set(driver.streams.get(stream)?.priority)
    };

    /// Tells a stream's number.
    fn cuStreamGetId(stream: Handle, id: Out<u64>) |driver| {
        let stream = driver.stream(stream)?;
        id.set(stream.0)
    };

    /// Makes an event.
    fn cuEventCreate(event: Out<Handle>, flags: c_uint) |driver| {
        let made = driver.create_event(flags)?;
        event.set(made)
    };

    /// Destroys an event.
    fn cuEventDestroy_v2(event: Handle) |driver| driver.events.remove(event).map(drop);

    /// Destroys an event.
    fn cuEventDestroy(event: Handle) |driver| driver.events.remove(event).map(drop);

    /// Records an event in a stream.
    fn cuEventRecord(event: Handle, stream: Handle) |driver| {
        let stream = driver.stream(stream)?;
        driver.record_event(event, stream)
    };

    /// Records an event in a stream.
    fn cuEventRecordWithFlags(event: Handle, stream: Handle, _flags: c_uint) |driver| {
        let stream = driver.stream(stream)?;
        driver.record_event(event, stream)
    };

    /// Waits for an event.
    fn cuEventSynchronize(event: Handle) |driver| driver.wait_for_event(event);

    /// Asks whether an event was reached.
    fn cuEventQuery(event: Handle) |driver| driver.query_event(event);

    /// Tells the milliseconds between two events.
    fn cuEventElapsedTime(milliseconds: Out<f32>, start: Handle, end: Handle) |driver| {
        milliseconds.set(driver.elapsed(start, end)?)
    };

    /// Tells the milliseconds between two events.
    fn cuEventElapsedTime_v2(milliseconds: Out<f32>, start: Handle, end: Handle) |driver| {
        milliseconds.set(driver.elapsed(start, end)?)
    };
}
