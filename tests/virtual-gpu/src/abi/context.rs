//! Contexts.

use std::ffi::{c_int, c_void};

use super::{Out, interface};
use crate::{driver::execution::contexts, handles::Handle, status::Status};

interface! {
    /// Retains the primary context of a device.
    fn cuDevicePrimaryCtxRetain(context: Out<Handle>, device: c_int) |driver| {
        let primary = driver.retain_primary(device)?;
        context.set(primary)
    };

    /// Releases the primary context of a device.
    fn cuDevicePrimaryCtxRelease_v2(device: c_int) |driver| driver.release_primary(device);

    /// Ends the primary context of a device.
    fn cuDevicePrimaryCtxReset_v2(device: c_int) |driver| driver.reset_primary(device);

    /// Sets flags of the primary context, which change nothing here.
    fn cuDevicePrimaryCtxSetFlags_v2(device: c_int, _flags: u32) |driver| driver.device(device).map(drop);

    /// Tells the state of the primary context.
    fn cuDevicePrimaryCtxGetState(device: c_int, flags: Out<u32>, active: Out<c_int>) |driver| {
        let primary = driver.device(device)?.primary;
        flags.set_if_wanted(0);
        let on = driver.contexts.get(primary).is_ok_and(|context| context.active);
        active.set(c_int::from(on))
    };

    /// Makes a context and lets it be current.
    fn cuCtxCreate_v2(context: Out<Handle>, _flags: u32, device: c_int) |driver| {
        driver.device(device)?;
        let made = driver.create_context(device as usize, false)?;
        contexts::push(made);
        context.set(made)
    };

    /// Makes a context and lets it be current.
    fn cuCtxCreate_v3(
        context: Out<Handle>,
        _parameters: *const c_void,
        _count: c_int,
        _flags: u32,
        device: c_int,
    ) |driver| {
        driver.device(device)?;
        let made = driver.create_context(device as usize, false)?;
        contexts::push(made);
        context.set(made)
    };

    /// Makes a context and lets it be current.
    fn cuCtxCreate_v4(context: Out<Handle>, _parameters: *const c_void, _flags: u32, device: c_int) |driver| {
        driver.device(device)?;
        let made = driver.create_context(device as usize, false)?;
        contexts::push(made);
        context.set(made)
    };

    /// Destroys a context.
    fn cuCtxDestroy_v2(context: Handle) |driver| {
        driver.destroy_context(context)?;
        if contexts::current() == context {
            contexts::pop()?;
        }
        Ok(())
    };

    /// Makes a context current above the one that is.
    fn cuCtxPushCurrent_v2(context: Handle) |driver| {
        driver.contexts.get(context).map_err(|_| Status::INVALID_CONTEXT)?;
        contexts::push(context);
        Ok(())
    };

    /// Makes the context current that was before.
    fn cuCtxPopCurrent_v2(context: Out<Handle>) |_driver| {
        context.set_if_wanted(contexts::pop()?);
        Ok(())
    };

    /// Makes a context current in place of the one that is.
    fn cuCtxSetCurrent(context: Handle) |driver| driver.set_current(context);

    /// Tells the current context, null if there is none.
    fn cuCtxGetCurrent(context: Out<Handle>) |_driver| context.set(contexts::current());

    /// Tells the device of the current context.
    fn cuCtxGetDevice(device: Out<c_int>) |driver| {
        let context = driver.contexts.get(contexts::current());
        let context = context.map_err(|_| Status::INVALID_CONTEXT)?;
        device.set(context.device as c_int)
    };

    /// Tells a context's number.
    fn cuCtxGetId(context: Handle, id: Out<u64>) |driver| {
        let context = match context {
            Handle::NULL => driver.current()?,
            context => context,
        };
        driver.contexts.get(context).map_err(|_| Status::CONTEXT_IS_DESTROYED)?;
        id.set(context.0)
    };

    /// Tells the version of the interface that a context was made for.
    fn cuCtxGetApiVersion(_context: Handle, version: Out<u32>) |_driver| version.set(3020);

    /// Tells the flags of the current context.
    fn cuCtxGetFlags(flags: Out<u32>) |driver| {
        driver.current()?;
        flags.set(0)
    };

    /// Sets flags of the current context, which change nothing here.
    fn cuCtxSetFlags(_flags: u32) |driver| driver.current().map(drop);

    /// Waits for all work of the current context.
    fn cuCtxSynchronize() |driver| driver.wait_for_context();

    /// Tells a limit of the current context: none is known.
    fn cuCtxGetLimit(value: Out<usize>, _limit: c_int) |driver| {
        driver.current()?;
        value.set(0)
    };

    /// Sets a limit of the current context, which changes nothing here.
    fn cuCtxSetLimit(_limit: c_int, _value: usize) |driver| driver.current().map(drop);

    /// Tells how the first cache is divided.
    fn cuCtxGetCacheConfig(config: Out<c_int>) |driver| {
        driver.current()?;
        config.set(0)
    };

    /// Sets how the first cache is divided, which changes nothing here.
    fn cuCtxSetCacheConfig(_config: c_int) |driver| driver.current().map(drop);

    /// Tells the range of the priorities of streams.
    fn cuCtxGetStreamPriorityRange(least: Out<c_int>, greatest: Out<c_int>) |driver| {
        driver.current()?;
        least.set_if_wanted(0);
        greatest.set_if_wanted(-5);
        Ok(())
    };

    /// Lets a context see another's memory: no device can.
    fn cuCtxEnablePeerAccess(_context: Handle, _flags: u32) |_driver| Err(Status::NOT_SUPPORTED);

    /// Ends that.
    fn cuCtxDisablePeerAccess(_context: Handle) |_driver| Err(Status::NOT_SUPPORTED);
}
