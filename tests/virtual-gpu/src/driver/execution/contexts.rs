//! Contexts, which one is current on a thread, and what happens to a context whose kernel failed.

use std::cell::RefCell;

use crate::{
    driver::Driver,
    driver::execution::streams::Stream,
    handles::Handle,
    settings::ComputeMode,
    status::{Answer, Status},
};

/// A context of a device.
#[derive(Debug)]
pub struct Context {
    /// The number of the device.
    pub device: usize,
    /// How often the primary context was retained; `None` for a context of the program's own.
    pub retained: Option<u32>,
    /// Whether it exists. A primary context that was released or reset comes back when it is
    /// retained.
    pub active: bool,
    /// Its default stream.
    pub stream: Handle,
    /// A failure that the host does not know of yet: it will when it next waits.
    pub failing: Option<Status>,
    /// A failure that every call returns from now on, until the context is destroyed.
    pub failed: Option<Status>,
}

thread_local! {
    /// The contexts pushed on this thread; the last one is current.
    static STACK: RefCell<Vec<Handle>> = const { RefCell::new(Vec::new()) };
}

/// Returns the thread's current context; null if there is none.
pub fn current() -> Handle {
    // A thread that ends has none.
    let top = STACK.try_with(|stack| stack.borrow().last().copied());
    top.ok().flatten().unwrap_or_default()
}

/// Makes a context current in place of the one that is; null leaves none.
pub fn set_current(context: Handle) {
    let _ = STACK.try_with(|stack| {
        let mut stack = stack.borrow_mut();
        stack.pop();
        if context != Handle::NULL {
            stack.push(context);
        }
    });
}

/// Makes a context current above the one that is.
pub fn push(context: Handle) {
    let _ = STACK.try_with(|stack| stack.borrow_mut().push(context));
}

/// Makes the context current that was before, and returns the one that is.
///
/// # Errors
/// `CUDA_ERROR_INVALID_CONTEXT` if there is none.
pub fn pop() -> Answer<Handle> {
    let top = STACK.try_with(|stack| stack.borrow_mut().pop());
    top.ok().flatten().ok_or(Status::INVALID_CONTEXT)
}

impl Driver {
    /// Returns the current context of this thread, if it can be used.
    ///
    /// # Errors
    /// `CUDA_ERROR_INVALID_CONTEXT` if there is none; `CUDA_ERROR_CONTEXT_IS_DESTROYED`; the failure
    /// of the context if one of its kernels failed.
    pub fn current(&self) -> Answer<Handle> {
        if !self.started {
            return Err(Status::NOT_INITIALIZED);
        }
        let context = current();
        self.usable(context).map(|()| context)
    }

    /// Checks that a context can be used; errors as [`current`](Self::current).
    pub fn usable(&self, context: Handle) -> Answer {
        let found = self.contexts.get(context);
        let found = found.map_err(|_| match context {
            Handle::NULL => Status::INVALID_CONTEXT,
            _ => Status::CONTEXT_IS_DESTROYED,
        })?;
        match (found.active, found.failed) {
            (false, _) => Err(Status::CONTEXT_IS_DESTROYED),
            (true, Some(status)) => Err(status),
            (true, None) => Ok(()),
        }
    }

    /// Returns the number of the current context's device; errors as [`current`](Self::current).
    pub fn current_device(&self) -> Answer<usize> {
        let context = self.current()?;
        self.contexts.get(context).map(|context| context.device)
    }

    /// Makes a context current on this thread; null leaves none.
    ///
    /// # Errors
    /// `CUDA_ERROR_INVALID_CONTEXT` if there is no such context.
    pub fn set_current(&self, context: Handle) -> Answer {
        if context != Handle::NULL && self.contexts.get(context).is_err() {
            return Err(Status::INVALID_CONTEXT);
        }
        set_current(context);
        Ok(())
    }

    /// Makes a context on a device, which takes memory there.
    ///
    /// # Errors
    /// `CUDA_ERROR_OUT_OF_MEMORY`.
    pub fn create_context(&mut self, device: usize, primary: bool) -> Answer<Handle> {
        self.room_for_context(device)?;
        let context = self.contexts.insert(Context {
            device,
            retained: primary.then_some(0),
            active: true,
            stream: Handle::NULL,
            failing: None,
            failed: None,
        });
        let stream = self.streams.insert(Stream::of(context));
        self.contexts.get_mut(context)?.stream = stream;
        Ok(context)
    }

    fn room_for_context(&self, device: usize) -> Answer {
        if self.settings.compute != ComputeMode::Default {
            return Err(Status::DEVICE_UNAVAILABLE);
        }
        match self.used(device) + self.settings.context > self.settings.memory {
            true => Err(Status::OUT_OF_MEMORY),
            false => Ok(()),
        }
    }

    /// Retains a device's primary context and returns it.
    ///
    /// # Errors
    /// `CUDA_ERROR_INVALID_DEVICE`, `CUDA_ERROR_OUT_OF_MEMORY`.
    pub fn retain_primary(&mut self, number: i32) -> Answer<Handle> {
        let mut primary = self.device(number)?.primary;
        let device = number as usize;
        if primary == Handle::NULL {
            primary = self.create_context(device, true)?;
            self.devices[device].primary = primary;
        } else if !self.contexts.get(primary)?.active {
            self.room_for_context(device)?;
            let stream = self.streams.insert(Stream::of(primary));
            let context = self.contexts.get_mut(primary)?;
            (context.active, context.stream) = (true, stream);
        }
        let context = self.contexts.get_mut(primary)?;
        context.retained = context.retained.map(|times| times + 1);
        Ok(primary)
    }

    /// Releases a device's primary context; the last release ends it.
    ///
    /// # Errors
    /// `CUDA_ERROR_INVALID_CONTEXT` if it is not retained.
    pub fn release_primary(&mut self, number: i32) -> Answer {
        let primary = self.device(number)?.primary;
        let context = self.contexts.get_mut(primary);
        let context = context.map_err(|_| Status::INVALID_CONTEXT)?;
        match context.retained {
            Some(times @ 1..) => {
                context.retained = Some(times - 1);
                if times == 1 {
                    self.end_context(primary)?;
                }
                Ok(())
            }
            _ => Err(Status::INVALID_CONTEXT),
        }
    }

    /// Ends a device's primary context, whoever has retained it.
    ///
    /// # Errors
    /// `CUDA_ERROR_INVALID_DEVICE`.
    pub fn reset_primary(&mut self, number: i32) -> Answer {
        let primary = self.device(number)?.primary;
        if primary != Handle::NULL {
            self.end_context(primary)?;
        }
        Ok(())
    }

    /// Ends a context of the program's own.
    ///
    /// # Errors
    /// `CUDA_ERROR_INVALID_CONTEXT` if it is a primary one or none.
    pub fn destroy_context(&mut self, context: Handle) -> Answer {
        match self.contexts.get(context) {
            Ok(found) if found.retained.is_none() => {}
            _ => return Err(Status::INVALID_CONTEXT),
        }
        self.end_context(context)?;
        self.contexts.remove(context).map(drop)
    }

    /// Destroys all that exists in a context, and forgets its failure.
    fn end_context(&mut self, context: Handle) -> Answer {
        self.free_all(context);
        self.streams.retain(|stream| stream.context != context);
        self.events.retain(|event| event.context != context);
        self.modules.retain(|module| module.context != context);
        self.functions
            .retain(|function| function.context != context);
        self.executables.retain(|graph| graph.context != context);
        let found = self.contexts.get_mut(context)?;
        found.active = false;
        (found.failing, found.failed) = (None, None);
        let device = found.device;
        self.trim_pools(device, |_| 0);
        Ok(())
    }

    /// Learns of a context's failures, as the host does when it waits: work given to it before has
    /// run by then.
    ///
    /// # Errors
    /// The failure.
    pub fn learn_failures(&mut self, context: Handle) -> Answer {
        let found = self.contexts.get_mut(context)?;
        let device = found.device;
        if self.devices[device].failures.breaks_wait() {
            found.failing = Some(Status::LAUNCH_FAILED);
        }
        if let Some(status) = found.failing.take() {
            found.failed = Some(status);
        }
        self.usable(context)?;
        // Pools give up what is above their threshold whenever the host waits.
        self.trim_pools(device, |pool| pool.threshold);
        Ok(())
    }
}
