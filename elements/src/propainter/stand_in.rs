//! What fills frames while the engine is relieved: the weights-free engine or, where that is
//! the engine, the picture around the hole.

use propainter::{Config, Frame, Mask, Mode, Model, Session};

use super::{
    choices::LatePolicy,
    late::fill_from_around,
    line::Fate,
    messages::Failure,
    seat::{Final, Seat},
    settings::Settings,
};

#[derive(Default)]
pub struct StandIn {
    seat: Option<Seat>,
    /// Of the frames the seat was opened for.
    size: (usize, usize),
}

impl StandIn {
    /// What becomes of a frame by a policy; `None`: it is to be filled.
    pub fn fate(policy: Option<LatePolicy>) -> Option<Fate> {
        match policy {
            Some(LatePolicy::PassThrough) => Some(Fate::PassedThrough),
            Some(LatePolicy::Drop) => Some(Fate::Dropped),
            _ => None,
        }
    }

    /// Fills a frame, now or with later ones, `look_ahead` frames later at most.
    pub fn push(
        &mut self,
        id: u64,
        picture: Frame,
        mask: &Mask,
        settings: &Settings,
        look_ahead: usize,
    ) -> Result<Vec<Final>, Failure> {
        let size = (picture.width(), picture.height());
        if self.size != size {
            *self = Self {
                seat: seat(settings, size, look_ahead)?,
                size,
            };
        }
        match &mut self.seat {
            Some(seat) => Ok(seat.push(id, picture, mask)?),
            None => {
                let done = fill_from_around(&picture, mask, settings.mask_dilation as usize);
                Ok(vec![(id, done)])
            }
        }
    }

    pub fn drain(&mut self) -> Result<Vec<Final>, Failure> {
        match &mut self.seat {
            Some(seat) if !seat.is_empty() => Ok(seat.drain()?),
            _ => Ok(vec![]),
        }
    }

    pub fn flush(&mut self) {
        if let Some(seat) = &mut self.seat {
            seat.flush();
        }
    }
}

/// The weights-free engine; `None` where it is the one that is relieved.
fn seat(
    settings: &Settings,
    size: (usize, usize),
    look_ahead: usize,
) -> Result<Option<Seat>, Failure> {
    let config = settings.config(size, true)?;
    let lookahead = config.lookahead.min(look_ahead).max(1);
    if config.engine() == Model::Propagation {
        return Ok(None);
    }
    let session = Session::open(Config {
        model: Model::Propagation,
        mode: Mode::Sliding,
        lookahead,
        ..config
    })?;
    Ok(Some(Seat::new(session)))
}
