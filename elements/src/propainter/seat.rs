//! A session at work, and which frames of the line it holds.

use std::collections::VecDeque;

use propainter::{Done, Error, Frame, Mask, Session};

pub struct Seat {
    pub session: Session,
    held: VecDeque<u64>,
}

/// A final frame and its number in the line.
pub type Final = (u64, Done);

impl Seat {
    pub fn new(session: Session) -> Self {
        Self {
            session,
            held: VecDeque::new(),
        }
    }

    /// Whether frames are held that are not final.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    pub fn push(&mut self, id: u64, picture: Frame, mask: &Mask) -> Result<Vec<Final>, Error> {
        self.held.push_back(id);
        let done = self.session.push(picture, mask)?;
        Ok(self.name(done))
    }

    /// Some of the frames that are held.
    pub fn drain_some(&mut self) -> Result<Vec<Final>, Error> {
        let done = self.session.drain_some()?;
        Ok(self.name(done))
    }

    /// All frames that are held.
    pub fn drain(&mut self) -> Result<Vec<Final>, Error> {
        let done = self.session.drain()?;
        Ok(self.name(done))
    }

    /// Frames wait for no more than so many later ones from now on.
    pub fn limit_latency(&mut self, frames: usize) -> Result<Vec<Final>, Error> {
        let done = self.session.limit_latency(frames)?;
        Ok(self.name(done))
    }

    pub fn flush(&mut self) {
        self.session.flush();
        self.held.clear();
    }

    fn name(&mut self, done: Vec<Done>) -> Vec<Final> {
        let ids = self.held.drain(..done.len().min(self.held.len()));
        ids.zip(done).collect()
    }
}
