//! PTX computed on the CPU.
//!
//! A module's text is parsed ([`parser`], [`body`]), translated to C ([`translate`]), compiled and
//! loaded ([`object`]); a launch runs the threads of each block in turn ([`launch`]). Barriers, warp
//! operations, matrix instructions and asynchronous copies do what they do on a GPU, and what a GPU
//! leaves undefined is made visible: shared memory is poisoned before each block, a barrier that not
//! all threads reach is an error, and so is an access that is not aligned or beyond shared memory.
//! An instruction that is not known is an error that quotes it.

mod body;
mod cursor;
mod launch;
mod lexer;
mod liveness;
mod object;
mod parser;
mod state;
mod syntax;
mod translate;

use std::{collections::HashMap, path::Path, sync::Arc};

pub use launch::Kernel;

/// A module whose kernels can be launched.
pub struct Module {
    kernels: HashMap<String, Kernel>,
}

impl Module {
    /// Loads a module; its compiled form is kept in the folder `cache` and found there again.
    ///
    /// # Errors
    ///
    /// Returns what is not PTX or not known here, with the kernel's name and the line, or what the C
    /// compiler said.
    pub fn load(text: &str, cache: &Path) -> Result<Self, String> {
        let object = Arc::new(object::open(text, cache)?);
        let text: Arc<str> = Arc::from(text);
        let kernels = object.kernels()?.into_iter().map(|form| {
            let kernel = Kernel::new(form, Arc::clone(&object), Arc::clone(&text));
            (kernel.name().to_owned(), kernel)
        });
        Ok(Self {
            kernels: kernels.collect(),
        })
    }

    /// Returns the kernel of this name.
    pub fn kernel(&self, name: &str) -> Option<&Kernel> {
        self.kernels.get(name)
    }
}
