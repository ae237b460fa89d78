//! Training, against the vectors of the official procedure and end to end. Each part of the crate
//! `propainter-training` has a module of its own.

mod accumulation;
mod budget;
mod checkpoint;
mod data;
mod discriminator;
mod losses;
mod masks;
mod networks;
mod optimizer;
mod run;
mod trainings;
mod vectors;
