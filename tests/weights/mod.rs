//! Checkpoints: found, read, checked, converted, fetched.

mod command;
mod convert;
mod fetch;
mod finding;
mod hostile;
mod layouts;
mod networks;
mod saved;
mod server;
mod strict;
mod torch_files;
