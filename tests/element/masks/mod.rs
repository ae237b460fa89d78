//! Every source of a hole.

mod controlled;
mod files;
mod orientation;
mod sources;
mod threshold;
mod timing;
mod videos;
