//! Builds engines: decides which one, on which device and with how much memory; and builds
//! another one when that turns out to be too much, or when there is room for a better one again.

mod classical;
#[cfg_attr(not(feature = "networks"), path = "no_networks.rs")]
mod networks;
#[cfg(feature = "networks")]
mod shared;

use std::sync::Arc;

pub use self::networks::read;
pub(crate) use self::networks::{Chosen, Networks};
use self::{classical::ClassicalBuilder, networks::NetworksBuilder};
use super::config::{Config, Model};
use crate::{
    Cancel, DeviceChoice, Error,
    engine::Engine,
    memory::{Degradation, Notice, Usage},
};

/// The builder of one of the two engines.
pub enum EngineBuilder {
    Classical(Box<ClassicalBuilder>),
    Networks(Box<NetworksBuilder>),
}

impl EngineBuilder {
    /// Opens the engine that the settings ask for, and returns the builder of its successors.
    /// Checks `cancel` between steps. Does not read `networks` again where another engine has
    /// them already.
    ///
    /// # Errors
    /// As [`Session::open`](super::Session::open).
    pub fn open(
        config: &Config,
        cancel: &Cancel,
        networks: Option<Arc<Networks>>,
    ) -> Result<(Self, Box<dyn Engine>), Error> {
        cancel.check()?;
        let processing = config.processing_size();
        if config.model_to_open() == Model::Propagation {
            let (builder, engine) = ClassicalBuilder::open(config, processing)?;
            return Ok((Self::Classical(Box::new(builder)), Box::new(engine)));
        }
        let (builder, engine) = NetworksBuilder::open(config, processing, cancel, networks)?;
        cancel.check()?;
        Ok((Self::Networks(Box::new(builder)), engine))
    }

    pub fn model(&self) -> Model {
        match self {
            Self::Classical(_) => Model::Propagation,
            Self::Networks(_) => Model::Propainter,
        }
    }

    /// Returns the device of the networks, never [`DeviceChoice::Auto`].
    pub fn device(&self) -> Option<DeviceChoice> {
        match self {
            Self::Classical(_) => None,
            Self::Networks(builder) => Some(builder.device()),
        }
    }

    /// Returns the processing size, (width, height) in pixels.
    pub fn processing(&self) -> (usize, usize) {
        match self {
            Self::Classical(builder) => builder.processing(),
            Self::Networks(builder) => builder.processing(),
        }
    }

    /// Returns the networks in use, for another engine to share.
    pub fn networks(&self) -> Option<Arc<Networks>> {
        match self {
            Self::Classical(_) => None,
            Self::Networks(builder) => builder.loaded(),
        }
    }

    /// Returns the quality level in force as one line; the classical engine has none.
    pub fn level(&self) -> Option<String> {
        match self {
            Self::Classical(_) => None,
            Self::Networks(builder) => Some(builder.level()),
        }
    }

    /// Returns the steps by which quality is reduced at present.
    pub fn degraded(&self) -> Degradation {
        match self {
            Self::Classical(builder) => builder.degraded(),
            Self::Networks(builder) => builder.degraded(),
        }
    }

    /// Takes the notices since the last call, oldest first.
    pub fn notices(&mut self) -> Vec<Notice> {
        match self {
            Self::Classical(builder) => builder.notices(),
            Self::Networks(builder) => builder.notices(),
        }
    }

    /// Returns the next lower level after memory ran out on this one; `None` if quality may not
    /// be reduced further.
    pub fn next_lower(&mut self) -> Option<Chosen> {
        match self {
            Self::Classical(_) => None,
            Self::Networks(builder) => builder.next_lower(),
        }
    }

    /// Returns the level tried last, once the engine has gone `quiet_windows` windows without
    /// trouble. Each further try waits twice as long.
    pub fn better(&mut self, quiet_windows: u32) -> Option<Chosen> {
        match self {
            Self::Classical(_) => None,
            Self::Networks(builder) => builder.better(quiet_windows),
        }
    }

    /// Returns the level in force, to build its engine once more.
    pub fn current(&mut self) -> Option<Chosen> {
        match self {
            Self::Classical(_) => None,
            Self::Networks(builder) => builder.current(),
        }
    }

    /// Returns whether an engine may be replaced by another one that starts over with its frames.
    pub fn may_start_over(&self) -> bool {
        matches!(self, Self::Networks(_))
    }

    /// Builds the classical engine at a smaller size, when the frames held do not fit the
    /// budget; `None` if no smaller size is allowed.
    pub fn smaller(&mut self) -> Option<Box<dyn Engine>> {
        match self {
            Self::Classical(builder) => Some(Box::new(builder.smaller()?)),
            Self::Networks(_) => None,
        }
    }

    /// Returns the best level for the windows of `config`, whichever levels were tried before;
    /// `None` for the classical engine.
    ///
    /// # Errors
    /// [`Error::Budget`] if no level fits.
    pub fn replan(&mut self, config: &Config) -> Result<Option<Chosen>, Error> {
        match self {
            Self::Networks(builder) => builder.replan(config).map(Some),
            Self::Classical(builder) => {
                builder.take_windows(config);
                Ok(None)
            }
        }
    }

    /// Builds the engine of a level. The engine in use must have been dropped: both at once would
    /// take too much memory. `usage` continues.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn build(&mut self, chosen: Chosen, usage: Usage) -> Result<Box<dyn Engine>, Error> {
        match self {
            Self::Networks(builder) => builder.build(chosen, usage),
            Self::Classical(_) => Err(Error::Compute {
                stage: "the engine",
                problem: "the classical engine has no quality levels".to_owned(),
            }),
        }
    }
}
