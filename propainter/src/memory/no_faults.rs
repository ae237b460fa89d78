//! Stands in for the faults that tests inject, in a build without the feature `internals`.

use super::Stage;
use crate::{Cancel, Error, Tier, effort::Clock};

/// No faults. The type has the methods that the engine calls, and they do nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {}

impl Faults {
    /// Does nothing.
    pub fn frame(&self, _: &Cancel) -> Result<(), Error> {
        Ok(())
    }

    /// Returns the system's clock.
    pub(crate) fn clock(&self) -> Clock {
        Clock::default()
    }

    /// Returns no tier.
    pub(crate) fn tier(&self) -> Option<Tier> {
        None
    }

    /// Does nothing.
    pub fn opening(&self, _: &Cancel) -> Result<(), Error> {
        Ok(())
    }

    /// Does nothing.
    pub fn check(&self, _: Stage) -> Result<(), Error> {
        Ok(())
    }

    /// Returns no plan.
    pub fn plan<Plan>(&self) -> Option<Plan> {
        None
    }
}
