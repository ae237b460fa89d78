//! Streams: work in order. Usually work runs when it is given, which a GPU may do, too. With
//! `VIRTUAL_GPU_LATE=1` it runs as late as a GPU may run it: when somebody waits for it.

use std::{collections::VecDeque, ffi::c_int};

use super::work::{Origin, Work};
use crate::{
    driver::Driver,
    handles::Handle,
    status::{Answer, Status},
};

/// A stream.
#[derive(Debug)]
pub struct Stream {
    /// Its context.
    pub context: Handle,
    /// The lower, the sooner; within the range of the device.
    pub priority: c_int,
    /// The flags it was made with; 1 is CU_STREAM_NON_BLOCKING.
    pub flags: u32,
    /// The capture that records its work, if there is one.
    pub capture: Option<Handle>,
    /// Work that has not run, with its number.
    pub queue: VecDeque<(u64, Work)>,
}

impl Stream {
    /// Makes the default stream of a context.
    pub fn of(context: Handle) -> Self {
        Self {
            context,
            priority: 0,
            flags: 0,
            capture: None,
            queue: VecDeque::new(),
        }
    }
}

impl Driver {
    /// Makes a stream in the current context.
    ///
    /// # Errors
    /// As [`current`](Self::current).
    pub fn create_stream(&mut self, flags: u32, priority: c_int) -> Answer<Handle> {
        let context = self.current()?;
        let device = self.contexts.get(context)?.device;
        self.counts(device).streams += 1;
        Ok(self.streams.insert(Stream {
            priority: priority.clamp(-5, 0),
            flags,
            ..Stream::of(context)
        }))
    }

    /// Destroys a stream after its work.
    ///
    /// # Errors
    /// `CUDA_ERROR_INVALID_HANDLE`.
    pub fn destroy_stream(&mut self, stream: Handle) -> Answer {
        self.run(stream, u64::MAX)?;
        self.streams.remove(stream).map(drop)
    }

    /// Returns the stream of a handle, in which null, 1 and 2 are default streams, and checks that
    /// its context can be used.
    ///
    /// # Errors
    /// `CUDA_ERROR_INVALID_HANDLE`; as [`usable`](Self::usable).
    pub fn stream(&self, handle: Handle) -> Answer<Handle> {
        if handle.0 <= 2 {
            let context = self.current()?;
            return Ok(self.contexts.get(context)?.stream);
        }
        let stream = self.streams.get(handle)?;
        self.usable(stream.context).map(|()| handle)
    }

    /// Returns the number of a stream's device.
    ///
    /// # Errors
    /// `CUDA_ERROR_INVALID_HANDLE`.
    pub fn device_of(&self, stream: Handle) -> Answer<usize> {
        let context = self.streams.get(stream)?.context;
        self.contexts.get(context).map(|context| context.device)
    }

    /// Gives work to a stream, or to the capture that records it.
    ///
    /// # Errors
    /// As the work's, if it runs at once.
    pub fn submit(&mut self, stream: Handle, work: Work) -> Answer {
        if let Some(capture) = self.streams.get(stream)?.capture {
            return self.record_work(capture, work);
        }
        let found = self.streams.get(stream)?;
        let (context, blocking) = (found.context, found.flags & 1 == 0);
        let default = self.contexts.get(context)?.stream;
        if default == stream {
            self.legacy_stream_waits(context)?;
        } else if blocking {
            self.run(default, u64::MAX)?;
        }
        self.tickets += 1;
        let entry = (self.tickets, self.count(context, work)?);
        self.streams.get_mut(stream)?.queue.push_back(entry);
        match self.settings.late {
            true => Ok(()),
            false => self.run(stream, u64::MAX),
        }
    }

    /// The default stream comes after all blocking ones, none of which may be capturing.
    fn legacy_stream_waits(&mut self, context: Handle) -> Answer {
        let own = self.contexts.get(context)?.stream;
        let others = self.streams.iter().filter(|(handle, stream)| {
            stream.context == context && stream.flags & 1 == 0 && *handle != own
        });
        let others: Vec<_> = others.map(|(handle, s)| (handle, s.capture)).collect();
        for (other, capture) in others {
            if let Some(capture) = capture {
                self.captures.get_mut(capture)?.spoiled = true;
                return Err(Status::CAPTURE_IMPLICIT);
            }
            self.run(other, u64::MAX)?;
        }
        Ok(())
    }

    /// Runs a stream's work up to the number `last`.
    ///
    /// # Errors
    /// As the work's.
    pub fn run(&mut self, stream: Handle, last: u64) -> Answer {
        loop {
            let found = self.streams.get_mut(stream)?;
            let context = found.context;
            match found.queue.front() {
                Some((ticket, _)) if *ticket <= last => {}
                _ => return Ok(()),
            }
            let Some((ticket, work)) = found.queue.pop_front() else {
                return Ok(());
            };
            self.perform(context, ticket, &work, Origin::Stream)?;
        }
    }

    /// Runs all work of a context.
    ///
    /// # Errors
    /// As the work's.
    pub fn run_all(&mut self, context: Handle) -> Answer {
        let streams = self
            .streams
            .iter()
            .filter(|(_, stream)| stream.context == context);
        let streams: Vec<_> = streams.map(|(handle, _)| handle).collect();
        streams
            .into_iter()
            .try_for_each(|stream| self.run(stream, u64::MAX))
    }

    /// Waits for a stream.
    ///
    /// # Errors
    /// `CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED` if it is capturing; the failure of its work.
    pub fn wait_for_stream(&mut self, stream: Handle) -> Answer {
        let found = self.streams.get(stream)?;
        let context = found.context;
        if let Some(capture) = found.capture {
            self.captures.get_mut(capture)?.spoiled = true;
            return Err(Status::CAPTURE_UNSUPPORTED);
        }
        let default = self.contexts.get(context)?.stream == stream;
        if default {
            self.legacy_stream_waits(context)?;
        }
        self.run(stream, u64::MAX)?;
        let device = self.device_of(stream)?;
        self.counts(device).stream_waits += 1;
        self.learn_failures(context)
    }

    /// Waits for all work of the current context.
    ///
    /// # Errors
    /// As [`wait_for_stream`](Self::wait_for_stream).
    pub fn wait_for_context(&mut self) -> Answer {
        let context = self.current()?;
        self.forbidden_in_capture()?;
        self.run_all(context)?;
        let device = self.contexts.get(context)?.device;
        self.counts(device).context_waits += 1;
        self.learn_failures(context)
    }

    /// Runs what a synchronous call of the current context comes after, and learns of failures.
    ///
    /// # Errors
    /// As [`wait_for_context`](Self::wait_for_context).
    pub fn before_synchronous_call(&mut self) -> Answer<Handle> {
        let context = self.current()?;
        self.forbidden_in_capture()?;
        self.legacy_stream_waits(context)?;
        let stream = self.contexts.get(context)?.stream;
        self.run(stream, u64::MAX)?;
        Ok(stream)
    }
}
