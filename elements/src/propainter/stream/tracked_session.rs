//! A session together with the numbers of the queued frames that it holds.

use std::{collections::VecDeque, sync::Arc};

use propainter::{Error, Frame, InpaintedFrame, Mask, Session};

use crate::propainter::video::device::frames::DeviceFrames;

/// A session that returns each inpainted frame with its number in the queue.
pub struct TrackedSession {
    pub session: Session,
    /// Where it reads frames on their device.
    pub frames: Option<Arc<DeviceFrames>>,
    held: VecDeque<u64>,
}

impl TrackedSession {
    /// Tracks a session that holds no frames.
    pub fn new(session: Session) -> Self {
        Self {
            session,
            frames: None,
            held: VecDeque::new(),
        }
    }

    /// Returns whether no frames are held.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Pushes the frame of number `id`, and returns the frames that became final.
    ///
    /// # Errors
    /// See [`Session::push`].
    pub fn push(
        &mut self,
        id: u64,
        frame: Frame,
        mask: &Mask,
    ) -> Result<Vec<(u64, InpaintedFrame)>, Error> {
        self.held.push_back(id);
        let done = self.session.push(frame, mask)?;
        Ok(self.with_ids(done))
    }

    /// Finishes some of the frames that are held.
    ///
    /// # Errors
    /// See [`Session::drain_some`].
    pub fn drain_some(&mut self) -> Result<Vec<(u64, InpaintedFrame)>, Error> {
        let done = self.session.drain_some()?;
        Ok(self.with_ids(done))
    }

    /// Finishes all frames that are held.
    ///
    /// # Errors
    /// See [`Session::drain`].
    pub fn drain(&mut self) -> Result<Vec<(u64, InpaintedFrame)>, Error> {
        let done = self.session.drain()?;
        Ok(self.with_ids(done))
    }

    /// Limits the later frames that a frame waits for, and returns the frames that became final.
    ///
    /// # Errors
    /// See [`Session::limit_latency`].
    pub fn limit_latency(&mut self, frames: usize) -> Result<Vec<(u64, InpaintedFrame)>, Error> {
        let done = self.session.limit_latency(frames)?;
        Ok(self.with_ids(done))
    }

    /// Forgets all frames that are held.
    pub fn flush(&mut self) {
        self.session.flush();
        self.held.clear();
    }

    fn with_ids(&mut self, done: Vec<InpaintedFrame>) -> Vec<(u64, InpaintedFrame)> {
        let ids = self.held.drain(..done.len().min(self.held.len()));
        ids.zip(done).collect()
    }
}
