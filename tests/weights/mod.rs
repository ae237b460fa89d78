//! Checkpoints: found, read, checked, converted, fetched.

mod allocation;
mod convert;
mod finding;
mod hostile;
mod layouts;
mod networks;
mod saved;
mod strict;
mod torch_files;
