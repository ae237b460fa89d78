//! Events: points in a stream's work, their time, and waits for them.

use std::time::Instant;

use super::work::Work;
use crate::{
    driver::Driver,
    handles::Handle,
    status::{Answer, Status},
};

/// An event.
#[derive(Debug)]
pub struct Event {
    /// Its context.
    pub context: Handle,
    /// Whether it takes no times (CU_EVENT_DISABLE_TIMING).
    pub timeless: bool,
    /// The stream it was last recorded in, and the number of that work.
    pub recorded: Option<(Handle, u64)>,
    /// When the device last reached it.
    pub reached: Option<Instant>,
    /// The capture it was last recorded in; waits for it belong there.
    pub capture: Option<Handle>,
}

impl Driver {
    /// Makes an event in the current context.
    ///
    /// # Errors
    /// As [`current`](Self::current).
    pub fn create_event(&mut self, flags: u32) -> Answer<Handle> {
        let context = self.current()?;
        Ok(self.events.insert(Event {
            context,
            timeless: flags & 2 != 0,
            recorded: None,
            reached: None,
            capture: None,
        }))
    }

    /// Records an event in a stream.
    ///
    /// # Errors
    /// `CUDA_ERROR_INVALID_HANDLE` if both are of different contexts.
    pub fn record_event(&mut self, event: Handle, stream: Handle) -> Answer {
        let (context, capture) = {
            let stream = self.streams.get(stream)?;
            (stream.context, stream.capture)
        };
        let found = self.events.get_mut(event)?;
        if found.context != context {
            return Err(Status::INVALID_HANDLE);
        }
        found.capture = capture;
        if capture.is_some() {
            return Ok(());
        }
        found.recorded = Some((stream, self.tickets + 1));
        found.reached = None;
        let device = self.device_of(stream)?;
        self.counts(device).events_recorded += 1;
        self.submit(stream, Work::Reach(event))
    }

    /// Lets a stream wait for an event as it was last recorded.
    ///
    /// # Errors
    /// `CUDA_ERROR_INVALID_HANDLE`;
    /// `CUDA_ERROR_STREAM_CAPTURE_ISOLATION` if the stream is capturing and the event is not.
    pub fn order_stream(&mut self, stream: Handle, event: Handle) -> Answer {
        let found = self.events.get(event)?;
        let (recorded, of_event) = (found.recorded, found.capture);
        let of_stream = self.streams.get(stream)?.capture;
        match (of_stream, of_event) {
            (None, None) => {}
            // The other stream's work belongs to the capture from here on.
            (None, Some(capture)) => return self.join_capture(stream, capture),
            (Some(own), Some(other)) if own == other => return self.rejoin_capture(own),
            (Some(own), _) => {
                self.captures.get_mut(own)?.spoiled = true;
                return Err(Status::CAPTURE_ISOLATION);
            }
        }
        let device = self.device_of(stream)?;
        self.counts(device).streams_ordered += 1;
        match recorded {
            Some((other, ticket)) => self.submit(stream, Work::Await(other, ticket)),
            None => Ok(()),
        }
    }

    /// Waits for an event.
    ///
    /// # Errors
    /// `CUDA_ERROR_CAPTURED_EVENT`; the failure of the context.
    pub fn wait_for_event(&mut self, event: Handle) -> Answer {
        let context = self.reach(event)?;
        let device = self.contexts.get(context)?.device;
        self.counts(device).event_waits += 1;
        self.learn_failures(context)
    }

    /// Asks whether an event was reached. Asking makes progress, so the answer is yes.
    ///
    /// # Errors
    /// As [`wait_for_event`](Self::wait_for_event).
    pub fn query_event(&mut self, event: Handle) -> Answer {
        let context = self.reach(event)?;
        self.learn_failures(context)
    }

    fn reach(&mut self, event: Handle) -> Answer<Handle> {
        let found = self.events.get(event)?;
        let (context, recorded) = (found.context, found.recorded);
        if found.capture.is_some() {
            return Err(Status::CAPTURED_EVENT);
        }
        self.usable(context)?;
        if let Some((stream, ticket)) = recorded
            && self.streams.get(stream).is_ok()
        {
            self.run(stream, ticket)?;
        }
        Ok(context)
    }

    /// Returns the milliseconds between two events.
    ///
    /// # Errors
    /// `CUDA_ERROR_INVALID_HANDLE` if one was not recorded or takes no times;
    /// `CUDA_ERROR_NOT_READY` if one was not reached.
    pub fn elapsed(&self, start: Handle, end: Handle) -> Answer<f32> {
        let time = |event| {
            let event = self.events.get(event)?;
            self.usable(event.context)?;
            if event.timeless || event.recorded.is_none() {
                return Err(Status::INVALID_HANDLE);
            }
            event.reached.ok_or(Status::NOT_READY)
        };
        let (start, end) = (time(start)?, time(end)?);
        let forward = end.saturating_duration_since(start).as_secs_f32();
        let backward = start.saturating_duration_since(end).as_secs_f32();
        Ok((forward - backward) * 1000.0)
    }
}
