//! The compiled form of a module: made with the C compiler, kept in a folder, opened from there.

use std::{
    ffi::{CStr, c_char},
    fs,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    path::Path,
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
};

use libloading::{Library, Symbol};

use super::{
    parser,
    state::{Block, Thread},
    translate,
};

/// What the translation depends on beside the text: a change of it finds nothing in the folder.
const TRANSLATOR: [&str; 15] = [
    include_str!("body.rs"),
    include_str!("cursor.rs"),
    include_str!("liveness.rs"),
    include_str!("syntax.rs"),
    include_str!("translate/arithmetic.rs"),
    include_str!("translate/classes.rs"),
    include_str!("translate/compare.rs"),
    include_str!("translate/convert.rs"),
    include_str!("translate/entry.rs"),
    include_str!("translate/layout.rs"),
    include_str!("translate/matrix.rs"),
    include_str!("translate/memory.rs"),
    include_str!("translate/mod.rs"),
    include_str!("translate/operands.rs"),
    include_str!("translate/warp.rs"),
];

/// An open object.
pub struct Object(Library);

/// A kernel as the object describes it (`struct Kernel` in `state.h`).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Form {
    pub name: *const c_char,
    /// 1 if threads wait for one another.
    pub cooperative: u32,
    /// 1 if blocks must run one after the other.
    pub sequential: u32,
    pub parameters: u32,
    /// The size of its shared variables in bytes, and where what a launch adds begins.
    pub shared: u32,
    pub dynamic: u32,
    /// The sizes of a thread's local memory and frame in bytes.
    pub local: u32,
    pub frame: u32,
    /// 1 if it copies asynchronously.
    pub copies: u32,
    pub required: [u32; 3],
    pub run: unsafe extern "C" fn(*mut Block, *mut Thread) -> u32,
    pub warp: Option<unsafe extern "C" fn(*mut Block, *mut Thread, u32, u32) -> u32>,
}

// SAFETY: the pointers lead into a loaded library's constants.
unsafe impl Send for Form {}
// SAFETY: as above; nothing is ever written there.
unsafe impl Sync for Form {}

impl Object {
    /// Returns the kernels of the object.
    ///
    /// # Errors
    ///
    /// Returns a message if the file is not one of ours.
    pub fn kernels(&self) -> Result<Vec<Form>, String> {
        // SAFETY: the symbols are those that the translation writes, of these types.
        unsafe {
            let count: Symbol<'_, *const u32> = self.0.get(b"ptx_kernel_count\0").map_err(text)?;
            let table: Symbol<'_, *const Form> = self.0.get(b"ptx_kernels\0").map_err(text)?;
            Ok(std::slice::from_raw_parts(*table, **count as usize).to_vec())
        }
    }
}

impl Form {
    /// Returns the kernel's name.
    pub fn name(&self) -> String {
        // SAFETY: a constant of the library, ended by a zero.
        let name = unsafe { CStr::from_ptr(self.name) };
        name.to_string_lossy().into_owned()
    }
}

/// Opens the compiled form of a module, after making it if it is not in the folder.
///
/// # Errors
///
/// Returns what stands in the way.
pub fn open(ptx: &str, cache: &Path) -> Result<Object, String> {
    let flags = flags(ptx.len());
    let mut hasher = DefaultHasher::new();
    (ptx, &flags, TRANSLATOR, translate::RUNTIME).hash(&mut hasher);
    let path = cache.join(format!("{:016x}.so", hasher.finish()));
    if !path.exists() {
        let source = parser::parse(ptx)?;
        let code = translate::module(&source, ptx)?;
        make(&code, &path, &flags)?;
    }
    // SAFETY: the library has no constructors.
    let library = unsafe { Library::new(&path) };
    library.map(Object).map_err(text)
}

/// Compiles C to the library `path`. Processes and threads may do so at the same time: each writes
/// files of its own, and the last step is a rename.
fn make(code: &str, path: &Path, flags: &[&str]) -> Result<(), String> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let own = NUMBER.fetch_add(1, Ordering::Relaxed);
    let own = format!("{}-{own}", std::process::id());
    let [input, output] = ["c", "tmp"].map(|end| path.with_extension(format!("{own}.{end}")));
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(text)?;
    }
    fs::write(&input, code).map_err(text)?;
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    let mut command = Command::new(&compiler);
    command
        .args(flags)
        .arg("-o")
        .arg(&output)
        .arg(&input)
        .arg("-lm");
    let result = command
        .output()
        .map_err(|error| format!("{compiler}: {error}"))?;
    if !result.status.success() {
        let said = String::from_utf8_lossy(&result.stderr);
        let said: Vec<&str> = said.lines().take(20).collect();
        return Err(format!(
            "{compiler} {}:\n{}",
            input.display(),
            said.join("\n")
        ));
    }
    fs::rename(&output, path).map_err(text)?;
    let _ = fs::remove_file(&input);
    Ok(())
}

/// Bytes of PTX above which the compiler would take minutes to optimise.
const TOO_LARGE: usize = 600_000;

/// Returns the compiler's flags for a module of this size. Instructions beyond the least common CPU change how long a kernel
/// takes and never what it computes: they round as the functions that stand in for them do.
fn flags(size: usize) -> Vec<&'static str> {
    let mut flags = vec![
        "-w",
        if size > TOO_LARGE { "-O0" } else { "-O1" },
        "-ffp-contract=off",
        "-fno-strict-aliasing",
        "-fno-math-errno",
        "-fno-trapping-math",
        "-fwrapv",
        "-shared",
        "-fPIC",
    ];
    #[cfg(target_arch = "x86_64")]
    if ["fma", "f16c", "avx2"].iter().all(|name| has(name)) {
        flags.extend(["-mfma", "-mf16c", "-mavx2", "-mbmi", "-mbmi2"]);
    }
    flags
}

#[cfg(target_arch = "x86_64")]
fn has(name: &str) -> bool {
    match name {
        "fma" => std::arch::is_x86_feature_detected!("fma"),
        "f16c" => std::arch::is_x86_feature_detected!("f16c"),
        // Every CPU with AVX2 has the bit instructions.
        _ => {
            std::arch::is_x86_feature_detected!("avx2")
                && std::arch::is_x86_feature_detected!("bmi2")
        }
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}
