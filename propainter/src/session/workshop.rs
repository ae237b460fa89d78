//! Builds the engine: which one, on which device, and with how much memory; and another one
//! where that turns out to be too much, or where there is room for a better one again.

use std::sync::Arc;

use super::{
    Config, Model,
    networks_builder::{Chosen, Networks, NetworksBuilder},
    weights_free::WeightsFree,
};
use crate::{
    Cancel, DeviceChoice, Error,
    engine::Engine,
    memory::{Degradation, Notice, Usage},
    resize,
};

pub enum Workshop {
    Propagation(Box<WeightsFree>),
    Networks(Box<NetworksBuilder>),
}

impl Workshop {
    /// The engine the settings ask for, and what may replace it; looks at `cancel` between steps.
    /// `networks` that another engine has are not read again.
    pub fn open(
        config: &Config,
        cancel: &Cancel,
        networks: Option<Arc<Networks>>,
    ) -> Result<(Self, Box<dyn Engine>), Error> {
        cancel.check()?;
        let processing = resize::processing_size(
            (config.width, config.height),
            (config.processing_width, config.processing_height),
            config.resize_ratio,
        );
        if config.to_open() == Model::Propagation {
            let (free, engine) = WeightsFree::open(config, processing)?;
            return Ok((Self::Propagation(Box::new(free)), Box::new(engine)));
        }
        let (builder, engine) = NetworksBuilder::open(config, processing, cancel, networks)?;
        cancel.check()?;
        Ok((Self::Networks(Box::new(builder)), engine))
    }

    pub fn model(&self) -> Model {
        match self {
            Self::Propagation(_) => Model::Propagation,
            Self::Networks(_) => Model::Propainter,
        }
    }

    /// Where the networks run; never [`DeviceChoice::Auto`].
    pub fn device(&self) -> Option<DeviceChoice> {
        match self {
            Self::Propagation(_) => None,
            Self::Networks(builder) => Some(builder.device()),
        }
    }

    /// Size at which is computed, (width, height).
    pub fn processing(&self) -> (usize, usize) {
        match self {
            Self::Propagation(free) => free.processing(),
            Self::Networks(builder) => builder.processing(),
        }
    }

    /// The networks at work, for another engine.
    pub fn networks(&self) -> Option<Arc<Networks>> {
        match self {
            Self::Propagation(_) => None,
            Self::Networks(builder) => builder.loaded(),
        }
    }

    /// The quality level at work, in one line.
    pub fn level(&self) -> Option<String> {
        match self {
            Self::Propagation(_) => None,
            Self::Networks(builder) => Some(builder.level()),
        }
    }

    /// What is given up at present.
    pub fn degraded(&self) -> Degradation {
        match self {
            Self::Propagation(free) => free.degraded(),
            Self::Networks(builder) => builder.degraded(),
        }
    }

    pub fn notices(&mut self) -> Vec<Notice> {
        match self {
            Self::Propagation(free) => free.notices(),
            Self::Networks(builder) => builder.notices(),
        }
    }

    /// The next level, where memory ran out on this one; `None` where nothing more may be given up.
    pub fn worse(&mut self) -> Option<Chosen> {
        match self {
            Self::Propagation(_) => None,
            Self::Networks(builder) => builder.worse(),
        }
    }

    /// The level that was left last, once the engine had no trouble for a while; each try waits
    /// twice as long as the last.
    pub fn better(&mut self, calm: u32) -> Option<Chosen> {
        match self {
            Self::Propagation(_) => None,
            Self::Networks(builder) => builder.better(calm),
        }
    }

    /// Whether another engine may have to begin anew with what one holds.
    pub fn may_begin_anew(&self) -> bool {
        matches!(self, Self::Networks(_))
    }

    /// The weights-free engine at a smaller size, where one with what it holds does not fit.
    pub fn smaller(&mut self) -> Option<Box<dyn Engine>> {
        match self {
            Self::Propagation(free) => Some(Box::new(free.smaller()?)),
            Self::Networks(_) => None,
        }
    }

    /// The best level for the windows of a configuration, whatever was given up before; `None` for
    /// the weights-free engine.
    pub fn plan_anew(&mut self, config: &Config) -> Result<Option<Chosen>, Error> {
        match self {
            Self::Networks(builder) => builder.plan_anew(config).map(Some),
            Self::Propagation(free) => {
                free.look_less_far(config);
                Ok(None)
            }
        }
    }

    /// The level at work, once more.
    pub fn same(&mut self) -> Option<Chosen> {
        match self {
            Self::Propagation(_) => None,
            Self::Networks(builder) => builder.same(),
        }
    }

    /// The engine of a level. The one at work must be gone: both at once would be too much.
    pub fn build(&mut self, chosen: Chosen, usage: Usage) -> Result<Box<dyn Engine>, Error> {
        match self {
            Self::Networks(builder) => builder.build(chosen, usage),
            Self::Propagation(_) => Err(Error::Compute {
                stage: "the engine",
                problem: "the weights-free engine has no levels".to_owned(),
            }),
        }
    }
}
