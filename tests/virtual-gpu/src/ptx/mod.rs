//! Computes kernels on the CPU. Not built yet: the interface stands, and every call says so.

use std::{ffi::c_void, path::Path};

/// A PTX module, translated.
#[derive(Debug)]
pub struct Module {
    kernels: Vec<(String, Kernel)>,
}

/// A kernel of a module.
#[derive(Debug)]
pub struct Kernel;

impl Module {
    /// Translates a module; translations are kept in the folder `cache`.
    ///
    /// # Errors
    /// The text is no PTX that is understood; says why.
    pub fn load(_text: &str, _cache: &Path) -> Result<Self, String> {
        Err("compute mode is not built".into())
    }

    /// Returns a kernel by its name.
    pub fn kernel(&self, name: &str) -> Option<&Kernel> {
        let found = self.kernels.iter().find(|(kernel, _)| kernel == name);
        found.map(|(_, kernel)| kernel)
    }
}

impl Kernel {
    /// Computes all blocks of a launch.
    ///
    /// # Errors
    /// The kernel does what a GPU would not: says what.
    ///
    /// # Safety
    /// `parameters` has a pointer to a value of the declared size for each parameter of the kernel.
    pub unsafe fn launch(
        &self,
        _grid: [u32; 3],
        _block: [u32; 3],
        _dynamic_shared: u32,
        _parameters: *mut *mut c_void,
    ) -> Result<(), String> {
        Err("compute mode is not built".into())
    }
}
