//! Runs a test in a process of its own that has the virtual GPU for a driver.

use std::{
    env, fs, io,
    os::unix::fs::{MetadataExt, symlink},
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// Set in the process that the virtual GPU runs in.
const MARK: &str = "VIRTUAL_GPU_TEST";
/// The names under which programs look for NVIDIA's libraries.
const NAMES: [&str; 3] = ["libcuda.so.1", "libnvidia-ml.so.1", "libnvcuvid.so.1"];

/// Runs `test` (its full name) in a process of its own that has the virtual GPU for a driver, with
/// `settings` added to its environment, and returns what it printed. Returns `None` in that process:
/// the test goes on there.
///
/// ```no_run
/// # use virtual_gpu::harness;
/// fn a_test() {
///     if let Some(output) = harness::output("a_test", &[("VIRTUAL_GPU_MEMORY_MIB", "4096")]) {
///         assert!(output.status.success());
///         return;
///     }
///     // What the test does on the virtual GPU.
/// }
/// ```
///
/// # Panics
/// The library is not built, or the process does not start.
pub fn output(test: &str, settings: &[(&str, &str)]) -> Option<Output> {
    if env::var_os(MARK).is_some() {
        return None;
    }
    let program = env::current_exe().expect("a running test");
    let mut path = folder().into_os_string();
    if let Some(others) = env::var_os("LD_LIBRARY_PATH") {
        path.push(":");
        path.push(others);
    }
    let output = Command::new(program)
        .args(["--exact", test, "--nocapture", "--include-ignored"])
        .env("LD_LIBRARY_PATH", path)
        .env(MARK, "1")
        .envs(settings.iter().copied())
        .output();
    Some(output.expect("the test runs"))
}

/// Whether this process is the test's own, which has the virtual GPU; if not, runs the test there as
/// [`output`] does, and prints what it printed.
///
/// # Panics
/// The test fails there.
pub fn virtual_gpu(test: &str, settings: &[(&str, &str)]) -> bool {
    let Some(output) = output(test, settings) else {
        return true;
    };
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    assert!(output.status.success(), "{}: {text}", output.status);
    assert!(text.contains("1 passed"), "no test is {test}: {text}");
    println!("{text}");
    false
}

/// Returns a folder in which the virtual GPU has the names of NVIDIA's libraries.
///
/// # Panics
/// The library is not built.
pub fn folder() -> PathBuf {
    let library = library();
    let made = fs::metadata(&library).expect("a readable file");
    // Another build has another folder, so that running tests keep theirs.
    let name = format!("virtual-gpu-{:x}-{:x}", made.mtime(), made.ino());
    let target = library.ancestors().find(|path| path.ends_with("target"));
    let target = target.map_or_else(env::temp_dir, Path::to_path_buf);
    let folder = target.join("tmp").join(name);
    fs::create_dir_all(&folder).expect("a writable target folder");
    for name in NAMES {
        match symlink(&library, folder.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                panic!("{}: {error}", folder.display())
            }
            _ => {}
        }
    }
    folder
}

/// Returns the library, which lies beside the running test or above it.
fn library() -> PathBuf {
    let program = env::current_exe().expect("a running test");
    let places = program.ancestors().skip(1).take(2);
    let files = places.map(|place| place.join("libvirtual_gpu.so"));
    let found = files
        .filter(|file| file.exists())
        .max_by_key(|file| fs::metadata(file).and_then(|file| file.modified()).ok());
    found.unwrap_or_else(|| panic!("libvirtual_gpu.so is not beside {}", program.display()))
}
