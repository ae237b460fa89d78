//! Stands in for the builder of the networks' engine in a build without the feature `networks`.
//! Its types have no values, so none of their methods can ever be called.

use std::sync::Arc;

use super::super::config::Config;
use crate::{
    Cancel, DeviceChoice, Error,
    engine::Engine,
    frame::device::DeviceStore,
    memory::{Degradation, Notice, Usage},
};

/// Networks on their device.
pub enum Networks {}

/// A quality level with its plans.
pub enum Chosen {}

/// The builder of the networks' engine.
pub enum NetworksBuilder {}

impl Networks {
    pub fn start(
        &self,
        _: (usize, usize),
        _: impl FnOnce() -> Result<(), Error>,
    ) -> Result<(), Error> {
        match *self {}
    }

    pub fn on_cpu(&self) -> bool {
        match *self {}
    }

    pub fn device_store(&self) -> Option<Arc<dyn DeviceStore>> {
        match *self {}
    }
}

impl NetworksBuilder {
    /// # Errors
    /// Always [`Error::Setting`]: this build has no networks.
    pub fn open(
        _: &Config,
        _: (usize, usize),
        _: &Cancel,
        _: Option<Arc<Networks>>,
    ) -> Result<(Self, Box<dyn Engine>), Error> {
        Err(not_built())
    }

    pub fn device(&self) -> DeviceChoice {
        match *self {}
    }

    pub fn processing(&self) -> (usize, usize) {
        match *self {}
    }

    pub fn loaded(&self) -> Option<Arc<Networks>> {
        match *self {}
    }

    pub fn level(&self) -> String {
        match *self {}
    }

    pub fn degraded(&self) -> Degradation {
        match *self {}
    }

    pub fn notices(&mut self) -> Vec<Notice> {
        match *self {}
    }

    pub fn next_lower(&mut self) -> Option<Chosen> {
        match *self {}
    }

    pub fn better(&mut self, _: u32) -> Option<Chosen> {
        match *self {}
    }

    pub fn current(&mut self) -> Option<Chosen> {
        match *self {}
    }

    pub fn replan(&mut self, _: &Config) -> Result<Chosen, Error> {
        match *self {}
    }

    pub fn build(&mut self, _: Chosen, _: Usage) -> Result<Box<dyn Engine>, Error> {
        match *self {}
    }
}

/// # Errors
/// Always [`Error::Setting`]: this build has no networks.
pub fn read(_: &Config, _: &Cancel) -> Result<Arc<Networks>, Error> {
    Err(not_built())
}

fn not_built() -> Error {
    Error::Setting {
        name: "model",
        problem: "this build has no networks; build with `make` (cargo feature `networks`), or \
                  set model=propagation"
            .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use crate::{Config, DeviceChoice, Model, Session, memory::Notice};

    #[test]
    fn networks_asked_for_by_name_are_an_error_that_says_how_to_build_them() {
        let config = Config {
            model: Model::Propainter,
            ..Config::new(64, 48)
        };
        let error = Session::open(config)
            .err()
            .expect("no networks")
            .to_string();
        assert!(error.starts_with("model: "), "{error}");
        assert!(error.contains("cargo feature `networks`"), "{error}");
    }

    #[test]
    fn auto_runs_the_classical_engine_and_reports_it_where_networks_are_expected() {
        let named = Config {
            weights: Some("checkpoints".into()),
            ..Config::new(64, 48)
        };
        let on_gpu = Config {
            device: DeviceChoice::Cuda(0),
            ..Config::new(64, 48)
        };
        for config in [named, on_gpu] {
            let mut session = Session::open(config).expect("no networks are needed");
            assert_eq!(session.model(), Model::Propagation);
            assert!(session.notices().contains(&Notice::NotBuilt));
            assert!(!session.notices().contains(&Notice::NotBuilt));
        }
    }
}
