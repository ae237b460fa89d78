//! `propainter run` as a user starts it, judged by FFmpeg.

mod bad_input;
mod encoders;
mod frames;
mod masks;
mod metadata;
mod pipes;
mod reports;

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;
use tempfile::TempDir;

use super::{
    release,
    tools::{ffmpeg, output},
};

/// The hole that the mask of a [`Place`] marks: left and upper edge, width and height.
const HOLE: [u32; 4] = [40, 24, 32, 24];

/// Width and height of the clips.
const SIZE: (usize, usize) = (160, 96);

/// A folder with a mask, for clips of 25 frames.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        super::clips::mask(&folder.path().join("mask.png"), (160, 96), HOLE);
        Self { folder }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Makes a clip with FFmpeg, and returns its name.
    fn clip<'a>(&self, name: &'a str, arguments: &[&str]) -> &'a str {
        let mut command = ffmpeg();
        command.current_dir(self.folder.path());
        command.args(["-f", "lavfi", "-i", "testsrc=s=160x96:r=25:d=1"]);
        output(command.args(arguments).arg(name));
        name
    }

    /// The program, which works in the folder with the engine without weights.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(release("propainter"));
        command.current_dir(self.folder.path());
        command.args(["run", "--model=propagation", "--device=cpu"]);
        command.args(arguments);
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("the program runs")
    }

    /// Runs the program with `--json` and returns its lines.
    ///
    /// # Panics
    /// If it fails.
    fn json(&self, arguments: &[&str]) -> Vec<Value> {
        let output = output(&mut self.command(&[arguments, &["--json"]].concat()));
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        let lines = text.lines().map(serde_json::from_str);
        lines.collect::<Result<_, _>>().expect("objects of JSON")
    }

    /// Runs the program, which must fail, and returns its one sentence.
    fn refused(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let text = String::from_utf8(output.stderr).expect("UTF-8");
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {text}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
        assert_eq!(text.trim_end().lines().count(), 1, "{text}");
        text
    }

    /// The names of all files, hidden ones too.
    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.folder.path()).unwrap();
        let name = |entry: std::fs::DirEntry| entry.file_name().into_string().unwrap();
        let mut names: Vec<_> = entries.map(|entry| name(entry.unwrap())).collect();
        names.sort();
        names
    }
}

/// The pixels of all frames in the format in which they are stored.
fn pixels(file: &Path) -> Vec<u8> {
    let mut command = ffmpeg();
    command.arg("-i").arg(file);
    command.args([
        "-map",
        "0:v",
        "-fps_mode",
        "passthrough",
        "-f",
        "rawvideo",
        "-",
    ]);
    output(&mut command).stdout
}

/// Whether luma of 8 bits is equal in all frames: outside of the hole, and inside.
fn equal(before: &[u8], after: &[u8], bytes_per_frame: usize) -> (bool, bool) {
    assert_eq!(before.len(), after.len());
    let [left, top, width, height] = HOLE.map(|number| number as usize);
    // The mask is widened by 4 pixels.
    let inside = |i: usize| {
        let (x, y) = (i % SIZE.0, i / SIZE.0);
        (left - 4..left + width + 4).contains(&x) && (top - 4..top + height + 4).contains(&y)
    };
    let (mut outside_equal, mut inside_equal) = (true, true);
    let frames = before
        .chunks_exact(bytes_per_frame)
        .zip(after.chunks_exact(bytes_per_frame));
    for (before, after) in frames {
        for i in 0..SIZE.0 * SIZE.1 {
            match inside(i) {
                true => inside_equal &= before[i] == after[i],
                false => outside_equal &= before[i] == after[i],
            }
        }
    }
    (outside_equal, inside_equal)
}

/// The remarks among lines of JSON.
fn notices(lines: &[Value]) -> Vec<&str> {
    let notices = lines.iter().filter(|line| line["type"] == "notice");
    notices.filter_map(|line| line["text"].as_str()).collect()
}
