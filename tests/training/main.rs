//! Training, against the vectors of the official procedure and end to end. Each part of the crate
//! `propainter-training` has a module of its own.

mod accumulation;
mod checkpoint;
mod cli;
mod clips;
mod convolution;
mod data;
mod discriminator;
mod losses;
mod masks;
mod networks;
mod optimizer;
mod run;
mod steps;
mod trainings;
mod vectors;
