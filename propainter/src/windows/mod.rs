//! How a stream becomes windows: [`schedule`] decides, in integers, which frames meet
//! which network when; [`reference`] runs the networks over them, holds what later windows
//! can ask for and lets go of the rest.

pub mod schedule;
