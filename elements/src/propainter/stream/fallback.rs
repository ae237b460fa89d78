//! The fallback, which fills frames while the engine is bypassed: the classical engine or,
//! where that is the engine, a fill of single frames.

use propainter::{
    Cancel, Config, Error, Frame, InpaintedFrame, Mask, Mode, Model, Session, TimeLimit,
    fill_single_frame,
};

use crate::propainter::{
    error::Failure,
    properties::settings::Settings,
    stream::{queue::frame::Geometry, tracked_session::TrackedSession},
};

/// The fallback of one stream.
#[derive(Default)]
pub struct Fallback {
    /// The classical engine, unless that is the engine that is bypassed.
    session: Option<TrackedSession>,
    /// The frames that the session was opened for.
    geometry: Geometry,
    dilation: usize,
}

impl Fallback {
    /// Prepares for such frames, each of which is filled `latency_frames` frames
    /// later at most. Returns the token that ends a running call.
    ///
    /// # Errors
    /// The settings are invalid, or the session does not open.
    pub fn prepare(
        &mut self,
        settings: &Settings,
        geometry: Geometry,
        latency_frames: usize,
    ) -> Result<Option<Cancel>, Failure> {
        if self.geometry != geometry {
            let mut config = settings.config(geometry.size, true)?;
            config.border = geometry.border;
            self.dilation = config.mask_dilation;
            self.session = match config.engine() {
                Model::Propagation => None,
                _ => Some(classical_session(config, latency_frames)?),
            };
            self.geometry = geometry;
        }
        let session = self.session.as_ref();
        Ok(session.map(|tracked| tracked.session.cancel_token()))
    }

    /// Limits the time of the calls to come.
    pub fn set_time_limit(&mut self, limit: Option<TimeLimit>) {
        if let Some(tracked) = &mut self.session {
            tracked.session.set_time_limit(limit);
        }
    }

    /// Fills a frame, at once or with later ones.
    ///
    /// # Errors
    /// The session was cancelled or has failed.
    pub fn push(
        &mut self,
        id: u64,
        frame: Frame,
        mask: &Mask,
    ) -> Result<Vec<(u64, InpaintedFrame)>, Failure> {
        match &mut self.session {
            Some(session) => session.push(id, frame, mask).map_err(internal),
            None => {
                let border = self.geometry.border;
                let done = fill_single_frame(&frame, mask, self.dilation, border);
                Ok(vec![(id, done)])
            }
        }
    }

    /// Finishes all frames that are held.
    ///
    /// # Errors
    /// See [`Fallback::push`].
    pub fn drain(&mut self) -> Result<Vec<(u64, InpaintedFrame)>, Failure> {
        match &mut self.session {
            Some(session) if !session.is_empty() => session.drain().map_err(internal),
            _ => Ok(vec![]),
        }
    }

    /// Forgets all frames that are held.
    pub fn flush(&mut self) {
        if let Some(session) = &mut self.session {
            session.flush();
        }
    }
}

fn classical_session(config: Config, latency_frames: usize) -> Result<TrackedSession, Failure> {
    let config = Config {
        model: Model::Propagation,
        mode: Mode::Sliding,
        lookahead: config.lookahead.min(latency_frames),
        whole: false,
        segment: None,
        ..config
    };
    Ok(TrackedSession::new(Session::open(config)?))
}

/// Turns an error of the fallback, which needs no device, into a failure.
fn internal(error: Error) -> Failure {
    match error {
        Error::Cancelled => error.into(),
        error => Failure::Internal(error.to_string()),
    }
}
