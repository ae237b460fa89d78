//! What fills frames while the engine is relieved: the weights-free engine or, where that is
//! the engine, the picture around the hole.

use propainter::{Cancel, Config, Error, Frame, Mask, Mode, Model, Session, fill_single_frame};

use super::{
    choices::LatePolicy,
    line::Fate,
    messages::Failure,
    seat::{Final, Seat},
    settings::Settings,
};

#[derive(Default)]
pub struct StandIn {
    /// The weights-free engine, where that is not the one that is relieved.
    seat: Option<Seat>,
    /// Of the frames the seat was opened for.
    size: (usize, usize),
    dilation: usize,
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

    /// Gets ready for frames of this size, each of them filled `look_ahead` frames later at
    /// most; gives the token that ends a running call.
    pub fn prepare(
        &mut self,
        settings: &Settings,
        size: (usize, usize),
        look_ahead: usize,
    ) -> Result<Option<Cancel>, Failure> {
        if self.size != size {
            let config = settings.config(size, true)?;
            self.dilation = config.mask_dilation;
            self.seat = match config.engine() {
                Model::Propagation => None,
                _ => Some(weights_free(config, look_ahead)?),
            };
            self.size = size;
        }
        Ok(self.seat.as_ref().map(|seat| seat.session.cancel_token()))
    }

    /// Fills a frame, now or with later ones.
    pub fn push(&mut self, id: u64, picture: Frame, mask: &Mask) -> Result<Vec<Final>, Failure> {
        match &mut self.seat {
            Some(seat) => seat.push(id, picture, mask).map_err(own),
            None => Ok(vec![(id, fill_single_frame(&picture, mask, self.dilation))]),
        }
    }

    pub fn drain(&mut self) -> Result<Vec<Final>, Failure> {
        match &mut self.seat {
            Some(seat) if !seat.is_empty() => seat.drain().map_err(own),
            _ => Ok(vec![]),
        }
    }

    pub fn flush(&mut self) {
        if let Some(seat) = &mut self.seat {
            seat.flush();
        }
    }
}

fn weights_free(config: Config, look_ahead: usize) -> Result<Seat, Failure> {
    let config = Config {
        model: Model::Propagation,
        mode: Mode::Sliding,
        lookahead: config.lookahead.min(look_ahead).max(1),
        whole: false,
        ..config
    };
    Ok(Seat::new(Session::open(config)?))
}

/// An error that no device is to blame for.
fn own(error: Error) -> Failure {
    match error {
        Error::Cancelled => error.into(),
        error => Failure::Internal(error.to_string()),
    }
}
