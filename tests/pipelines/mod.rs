//! The scripts of `pipelines/` on short clips, with the built plugin.

mod clients;
pub mod clips;
mod formats;
mod kept;
mod leaks;
mod loops;
mod monitor;
mod outputs;
mod run;
mod scripts;
pub mod tools;

use std::{
    env, fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
    time::SystemTime,
};

/// The folder of `GstPropainter.prs`.
pub const PRESETS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../presets");

/// The plugin file, alone in a folder, and a registry that knows it.
pub struct Plugin {
    folder: PathBuf,
}

impl Plugin {
    /// What a program needs to see, to find the plugin.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .env("GST_PLUGIN_PATH", &self.folder)
            .env("GST_PRESET_PATH", PRESETS)
            .env("GST_REGISTRY", self.folder.join("registry.bin"))
            .env("LC_ALL", "C.UTF-8");
        command
    }
}

/// The plugin as the release profile built it.
///
/// # Panics
/// When it is missing, or older than its sources: `cargo test` does not build it.
pub fn plugin() -> &'static Plugin {
    static PLUGIN: LazyLock<Plugin> = LazyLock::new(|| {
        let file = release("libgstpropainter.so");
        let built = modified(&file);
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let sources = ["elements/src", "plugin/src", "propainter/src"];
        let newest = sources.map(|source| newest(&root.join(source)));
        assert!(
            built.is_some() && built >= newest.into_iter().max().flatten(),
            "{} is missing or older than its sources; run `make plugin` first",
            file.display()
        );
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("gst-plugins");
        fs::create_dir_all(&folder).expect("a folder for the plugin");
        // GStreamer would search all of target/release.
        let link = folder.join("libgstpropainter.so");
        let _ = fs::remove_file(&link);
        symlink(&file, &link).expect("a link to the plugin");
        Plugin { folder }
    });
    &PLUGIN
}

/// What `cargo build` put beside the tests: the plugin or a command.
pub fn release(name: &str) -> PathBuf {
    let test = env::current_exe().expect("a running test");
    let release = test.ancestors().nth(2).expect("target/release");
    release.join(name)
}

fn modified(file: &Path) -> Option<SystemTime> {
    fs::metadata(file).ok()?.modified().ok()
}

fn newest(folder: &Path) -> Option<SystemTime> {
    let entries = fs::read_dir(folder).ok()?.flatten();
    entries
        .filter_map(|entry| match entry.path() {
            path if path.is_dir() => newest(&path),
            path => modified(&path),
        })
        .max()
}
