//! Modules of PTX and their kernels.

use std::{collections::BTreeMap, ffi::c_int, fs, sync::Arc};

use crate::{
    driver::Driver,
    handles::Handle,
    ptx,
    settings::Mode,
    status::{Answer, Status},
};

/// What the driver knows of a kernel.
#[derive(Debug)]
pub struct Kernel {
    /// Its name.
    pub name: String,
    /// Bytes of each parameter.
    pub parameters: Vec<usize>,
    /// Bytes of shared memory that the kernel declares.
    pub shared: u32,
    /// The most threads of a block, or the exact sides if `required`.
    pub threads: Option<[u32; 3]>,
    /// Whether a block must have just these sides.
    pub required: bool,
    /// The module as it is computed; empty in count mode.
    pub computed: Option<Computed>,
}

/// A module as it is computed.
#[derive(Clone)]
pub struct Computed(pub Arc<ptx::Module>);

impl std::fmt::Debug for Computed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Computed")
    }
}

/// A module that was loaded.
#[derive(Debug)]
pub struct Module {
    /// Its context.
    pub context: Handle,
    kernels: BTreeMap<String, Arc<Kernel>>,
}

/// A kernel that a program asked for.
#[derive(Debug)]
pub struct Function {
    /// Its context.
    pub context: Handle,
    /// The kernel.
    pub kernel: Arc<Kernel>,
    /// The most dynamic shared memory that a launch may ask for.
    pub dynamic_shared: u32,
}

impl Driver {
    /// Loads a module of PTX into the current context.
    ///
    /// # Errors
    /// `CUDA_ERROR_NO_BINARY_FOR_GPU` for machine code and for another architecture,
    /// `CUDA_ERROR_UNSUPPORTED_PTX_VERSION` if the driver is too old for it,
    /// `CUDA_ERROR_INVALID_PTX` if it is none or calls functions that nobody defines.
    pub fn load_module(&mut self, image: &[u8]) -> Answer<Handle> {
        let context = self.current()?;
        self.forbidden_in_capture()?;
        let device = self.contexts.get(context)?.device;
        let text = std::str::from_utf8(image).map_err(|_| Status::NO_BINARY_FOR_GPU)?;
        let text: Arc<str> = text.into();
        self.sources.push(text.clone());
        self.write_source(&text);
        self.accepts(&text)?;
        let computed = match self.settings.mode {
            Mode::Count => None,
            Mode::Compute => Some(self.translate(&text)?),
        };
        let kernels = entries(&text).map(|entry| {
            let kernel = Kernel {
                computed: computed.clone(),
                ..kernel(entry)
            };
            (kernel.name.clone(), Arc::new(kernel))
        });
        let kernels = kernels.collect();
        self.counts(device).modules += 1;
        Ok(self.modules.insert(Module { context, kernels }))
    }

    fn write_source(&self, text: &str) {
        let Some(folder) = &self.settings.ptx else {
            return;
        };
        let file = format!("{}-{:05}.ptx", std::process::id(), self.sources.len());
        let written = fs::create_dir_all(folder).and_then(|()| fs::write(folder.join(file), text));
        if let Err(error) = written {
            eprintln!("virtual GPU: {}: {error}", folder.display());
        }
    }

    fn translate(&self, text: &str) -> Answer<Computed> {
        match ptx::Module::load(text, &self.settings.cache) {
            Ok(module) => Ok(Computed(Arc::new(module))),
            Err(error) => {
                eprintln!("virtual GPU: a module cannot be computed: {error}");
                Err(Status::INVALID_PTX)
            }
        }
    }

    /// Checks what a real driver checks before it compiles.
    fn accepts(&self, text: &str) -> Answer {
        let version = directive(text, ".version").ok_or(Status::INVALID_PTX)?;
        let (major, minor) = version.split_once('.').ok_or(Status::INVALID_PTX)?;
        let number = |digits: &str| digits.parse::<i32>().map_err(|_| Status::INVALID_PTX);
        if number(major)? * 10 + number(minor)? > newest_ptx(self.settings.driver) {
            return Err(Status::UNSUPPORTED_PTX_VERSION);
        }
        let target = directive(text, ".target").ok_or(Status::INVALID_PTX)?;
        let target = target.split(',').next().unwrap_or_default();
        let target = target.strip_prefix("sm_").ok_or(Status::INVALID_PTX)?;
        let digits = target.trim_end_matches(['a', 'f']);
        let (sm, own) = (number(digits)?, self.settings.sm);
        if sm > own || (digits.len() < target.len() && sm != own) {
            return Err(Status::NO_BINARY_FOR_GPU);
        }
        match text
            .lines()
            .find(|line| line.trim_start().starts_with(".extern .func"))
        {
            Some(line) => {
                eprintln!("virtual GPU: unresolved: {}", line.trim());
                Err(Status::INVALID_PTX)
            }
            None => Ok(()),
        }
    }

    /// Finds a kernel of a module.
    ///
    /// # Errors
    /// `CUDA_ERROR_NOT_FOUND`.
    pub fn function(&mut self, module: Handle, name: &str) -> Answer<Handle> {
        let module = self.modules.get(module)?;
        self.usable(module.context)?;
        let kernel = module.kernels.get(name).ok_or(Status::NOT_FOUND)?;
        let function = Function {
            context: module.context,
            kernel: kernel.clone(),
            dynamic_shared: 48 << 10,
        };
        Ok(self.functions.insert(function))
    }

    /// Returns an attribute of a kernel (`CUfunction_attribute`).
    ///
    /// # Errors
    /// `CUDA_ERROR_INVALID_HANDLE`.
    pub fn function_attribute(&self, function: Handle, attribute: c_int) -> Answer<c_int> {
        let function = self.functions.get(function)?;
        Ok(match attribute {
            // MAX_THREADS_PER_BLOCK, SHARED_SIZE_BYTES, NUM_REGS, PTX_VERSION, BINARY_VERSION.
            0 => function
                .kernel
                .threads
                .map_or(1024, |t| t.iter().product::<u32>() as c_int),
            1 => function.kernel.shared as c_int,
            4 => 32,
            5 | 6 => self.settings.sm,
            8 => function.dynamic_shared as c_int,
            _ => 0,
        })
    }

    /// Sets an attribute of a kernel.
    ///
    /// # Errors
    /// `CUDA_ERROR_INVALID_VALUE` if it is more shared memory than a block may have.
    pub fn set_function_attribute(
        &mut self,
        function: Handle,
        attribute: c_int,
        value: c_int,
    ) -> Answer {
        let most = shared_memory(self.settings.sm);
        let function = self.functions.get_mut(function)?;
        if attribute == 8 {
            let value = u32::try_from(value).map_err(|_| Status::INVALID_VALUE)?;
            if value + function.kernel.shared > most {
                return Err(Status::INVALID_VALUE);
            }
            function.dynamic_shared = value;
        }
        Ok(())
    }
}

/// Returns the shared memory that a block of an architecture may ask for, in bytes.
pub fn shared_memory(sm: i32) -> u32 {
    match sm {
        ..=72 => 96 << 10,
        73..=75 => 64 << 10,
        80 | 87 => 163 << 10,
        90..=119 => 227 << 10,
        _ => 99 << 10,
    }
}

/// Returns the newest version of PTX that a driver of this version of CUDA takes, times 10.
fn newest_ptx(driver: c_int) -> i32 {
    let (major, minor) = (driver / 1000, driver % 1000 / 10);
    match (major, minor) {
        (..=10, _) => 65,
        (11, minor) => 70 + minor.min(8),
        (12, minor @ 0..=5) => 80 + minor,
        (12, 6) => 85,
        (12, minor) => 79 + minor.min(9),
        (_, minor) => 10 * (major - 4) + minor,
    }
}

/// Returns what follows a directive at the start of a line.
fn directive<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let line = text.lines().find_map(|line| line.trim().strip_prefix(name));
    line.map(|rest| rest.split("//").next().unwrap_or_default().trim())
}

/// Returns the text of each kernel, from its name on.
fn entries(text: &str) -> impl Iterator<Item = &str> {
    text.split(".entry").skip(1)
}

/// Reads the head of a kernel: name, parameters, shared memory, size of a block.
fn kernel(entry: &str) -> Kernel {
    let name_ends = |c: char| c == '(' || c == '{' || c.is_whitespace();
    let name = entry
        .trim_start()
        .split(name_ends)
        .next()
        .unwrap_or_default();
    let body = entry.find('{').unwrap_or(entry.len());
    let (head, body) = entry.split_at(body);
    let sides = |name: &str| {
        let rest = head.split(name).nth(1)?;
        let mut sides = rest
            .split([',', '\n', '{', '.'])
            .map(|side| side.trim().parse().ok());
        Some([0; 3].map(|_| sides.next().flatten().unwrap_or(1)))
    };
    let required = sides(".reqntid");
    // Declarations, not instructions such as `ld.shared.u32`.
    let declared = |text: &&str| text.starts_with(char::is_whitespace);
    let shared: usize = body
        .split(".shared")
        .skip(1)
        .filter(declared)
        .map(bytes)
        .sum();
    Kernel {
        name: name.into(),
        parameters: head.split(".param").skip(1).map(bytes).collect(),
        shared: shared as u32,
        threads: required.or_else(|| sides(".maxntid")),
        required: required.is_some(),
        computed: None,
    }
}

/// Returns the bytes of a declaration such as `.align 8 .b8 name[64]`, `.u64 .ptr name`; 0 if it is
/// none.
fn bytes(declaration: &str) -> usize {
    let end = declaration
        .find([',', ';', ')', '\n'])
        .unwrap_or(declaration.len());
    let declaration = &declaration[..end];
    let digits = |word: &str| {
        let digits = word.trim_start_matches(|c: char| !c.is_ascii_digit());
        digits.parse::<usize>().ok()
    };
    let kinds = [".u", ".s", ".b", ".f"];
    let typed = declaration.split_whitespace().find_map(|word| {
        let known = kinds.iter().any(|kind| word.starts_with(kind));
        let digits = word.get(2..)?;
        (known && digits.bytes().all(|b| b.is_ascii_digit())).then(|| digits.parse().ok())?
    });
    let Some(bits): Option<usize> = typed else {
        return 0;
    };
    let count = match declaration.split_once('[') {
        Some((_, count)) => digits(count.trim_end_matches([']', ' '])).unwrap_or(0),
        None => 1,
    };
    bits / 8 * count
}
