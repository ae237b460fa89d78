//! `propainter run` on folders of clips: what is made, what is kept, and what a killed run leaves.

mod faults;
mod kubernetes;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::pipelines::{
    clips, release,
    tools::{ffmpeg, output, probe},
};

/// Folders `videos` and `masks`.
struct Place {
    root: TempDir,
}

impl Place {
    /// A place with clips of 160×96 and so many frames, and a mask for each.
    fn new(clips: &[(&str, u32)]) -> Self {
        let place = Self {
            root: tempfile::tempdir().expect("a folder"),
        };
        for folder in ["videos", "masks"] {
            fs::create_dir(place.at(folder)).expect("a folder");
        }
        for (number, (name, frames)) in clips.iter().enumerate() {
            place.clip(name, *frames, number);
            let stem = Path::new(name).file_stem().expect("a name");
            let mask = place.at("masks").join(stem).with_extension("png");
            clips::mask(&mask, (160, 96), [40, 30, 24, 16]);
        }
        place
    }

    fn at(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// Makes a clip; each number is another one.
    fn clip(&self, name: &str, frames: u32, number: usize) {
        let source = format!(
            "testsrc2=s=160x96:r=25:d={},hue=h={}",
            f64::from(frames) / 25.0,
            40 * number
        );
        let mut command = ffmpeg();
        command.args(["-f", "lavfi", "-i", &source, "-c:v", "libx264"]);
        output(command.arg(self.at("videos").join(name)));
    }

    fn command(&self, options: &[&str]) -> Command {
        let mut command = Command::new(release("propainter"));
        command.current_dir(self.root.path());
        command.args(["run", "videos", "--mask", "masks", "-o", "out"]);
        command.args(["--model", "propagation"]).args(options);
        command
    }

    /// Runs to the end, with lines of JSON, and returns the lines about clips by name with their
    /// result, the line of sums, and the exit status.
    fn run(&self, options: &[&str]) -> (Vec<(String, String)>, Value, i32) {
        let done = self
            .command(&[options, &["--json"]].concat())
            .output()
            .expect("it runs");
        let text = String::from_utf8(done.stdout).expect("UTF-8");
        let lines: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect();
        let of = |kind: &str| {
            lines
                .iter()
                .filter(|line| line["type"] == *kind)
                .cloned()
                .collect::<Vec<_>>()
        };
        let text = |value: &Value| value.as_str().expect("a text").to_owned();
        let mut clips: Vec<_> = of("clip")
            .iter()
            .map(|line| (text(&line["clip"]), text(&line["result"])))
            .collect();
        clips.sort();
        let sums = of("end")
            .pop()
            .unwrap_or_else(|| panic!("no end: {}", String::from_utf8_lossy(&done.stderr)));
        (clips, sums, done.status.code().expect("an exit"))
    }

    fn out(&self, name: &str) -> PathBuf {
        self.at("out").join(name)
    }
}

/// Makes a clip without loss of so many scenes, each of so many frames.
fn scenes(file: &Path, scenes: usize, frames: usize) {
    let sources = (0..scenes).map(|scene| {
        let kind = ["testsrc2", "smptebars", "rgbtestsrc"][scene % 3];
        let seconds = frames as f64 / 25.0;
        format!(
            "{kind}=s=160x96:r=25:d={seconds},hue=h={},format=yuv420p[s{scene}];",
            50 * scene
        )
    });
    let names: String = (0..scenes).map(|scene| format!("[s{scene}]")).collect();
    let graph = format!("{}{names}concat=n={scenes}", sources.collect::<String>());
    let mut command = ffmpeg();
    command.args(["-f", "lavfi", "-i", &graph, "-c:v", "ffv1"]);
    output(command.arg(file));
}

/// Whatever decides whether a file was written anew.
fn stamp(file: &Path) -> (u64, std::time::SystemTime) {
    let metadata = fs::metadata(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    (metadata.len(), metadata.modified().expect("a time"))
}

/// The sums of all decoded frames with their times.
fn frames(file: &Path) -> String {
    let mut command = ffmpeg();
    command
        .arg("-i")
        .arg(file)
        .args(["-map", "0:v", "-f", "framemd5", "-"]);
    String::from_utf8(output(&mut command).stdout).expect("UTF-8")
}

fn results(clips: &[(&str, &str)]) -> Vec<(String, String)> {
    clips
        .iter()
        .map(|(clip, result)| ((*clip).to_owned(), (*result).to_owned()))
        .collect()
}

fn stderr(done: &Output) -> String {
    String::from_utf8_lossy(&done.stderr).into_owned()
}

#[test]
fn one_clip_that_fails_does_not_stop_the_others() {
    let place = Place::new(&[("a.mp4", 10), ("c.mp4", 12), ("d.avi", 8)]);
    fs::write(place.at("videos/b.mp4"), "no video").unwrap();
    fs::copy(place.at("masks/a.png"), place.at("masks/b.png")).unwrap();
    fs::remove_file(place.at("masks/c.png")).unwrap();
    fs::copy(place.at("masks/a.png"), place.at("masks/x.png")).unwrap();
    let done = place.command(&[]).output().expect("it runs");
    assert_eq!(done.status.code(), Some(1));
    let table = String::from_utf8(done.stdout.clone()).expect("UTF-8");
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 6, "{table}");
    assert!(
        lines[1].starts_with("a.mp4        10 ") && lines[1].ends_with("  made"),
        "{table}"
    );
    assert!(
        lines[2].starts_with("b.mp4         -        -  failed: "),
        "{table}"
    );
    assert!(
        lines[3].contains("  failed: masks holds no mask for it: name one c.png, "),
        "{table}"
    );
    assert!(
        lines[4].starts_with("d.avi         8 ") && lines[4].ends_with("  made"),
        "{table}"
    );
    assert!(
        lines[5].ends_with("2 made, 0 made before, 2 failed"),
        "{table}"
    );
    let said = stderr(&done);
    assert!(
        said.contains("masks/x.png is the mask of no clip"),
        "{said}"
    );
    assert!(
        said.ends_with("propainter run: 2 of 4 clips failed\n"),
        "{said}"
    );
    assert_eq!(
        probe(&place.out("a.mp4"), "v", "stream=nb_read_frames"),
        ["10"]
    );
    assert_eq!(
        probe(&place.out("d.avi.mkv"), "v", "stream=nb_read_frames"),
        ["8"]
    );
    // The same pixels as from the command for one clip, and no trace of what failed.
    let mut single = Command::new(release("propainter"));
    single
        .current_dir(place.root.path())
        .args(["run", "videos/a.mp4", "--mask", "masks/a.png"]);
    output(single.args(["--model", "propagation", "-o", "single.mp4"]));
    assert_eq!(frames(&place.out("a.mp4")), frames(&place.at("single.mp4")));
    let names = fs::read_dir(place.at("out"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, [".propainter", "a.mp4", "d.avi.mkv"]);
}

#[test]
fn what_was_made_is_kept_until_something_that_decides_it_changes() {
    let place = Place::new(&[("a.mp4", 10), ("b.mkv", 10)]);
    let made = results(&[("a.mp4", "made"), ("b.mkv", "made")]);
    let (clips, sums, status) = place.run(&[]);
    assert_eq!(
        (clips, &sums["frames"], status),
        (made, &Value::from(20), 0)
    );
    let before = stamp(&place.out("a.mp4"));
    let kept = results(&[("a.mp4", "kept"), ("b.mkv", "kept")]);
    assert_eq!(place.run(&["--jobs", "2"]).0, kept);
    // Nor does --force make again what is right.
    assert_eq!(place.run(&["--force"]).0, kept);
    assert_eq!(stamp(&place.out("a.mp4")), before);

    place.clip("a.mp4", 12, 5);
    let (clips, _, status) = place.run(&[]);
    assert_eq!(
        (clips, status),
        (results(&[("a.mp4", "failed"), ("b.mkv", "kept")]), 1)
    );
    let said = stderr(&place.command(&[]).output().expect("it runs"));
    let expected = "a.mp4: out/a.mp4 exists, and the clip has changed since: --force replaces it";
    assert!(said.contains(expected), "{said}");
    assert_eq!(stamp(&place.out("a.mp4")), before);
    assert_eq!(
        place.run(&["--force"]).0,
        results(&[("a.mp4", "made"), ("b.mkv", "kept")])
    );
    assert_eq!(
        probe(&place.out("a.mp4"), "v", "stream=nb_read_frames"),
        ["12"]
    );

    // A file that is there proves nothing; one that is gone is made.
    fs::write(place.out("b.mkv"), "mine").unwrap();
    assert_eq!(
        place.run(&[]).0,
        results(&[("a.mp4", "kept"), ("b.mkv", "failed")])
    );
    assert_eq!(fs::read(place.out("b.mkv")).unwrap(), b"mine");
    fs::remove_file(place.out("b.mkv")).unwrap();
    assert_eq!(
        place.run(&[]).0,
        results(&[("a.mp4", "kept"), ("b.mkv", "made")])
    );
    let other = results(&[("a.mp4", "failed"), ("b.mkv", "failed")]);
    assert_eq!(place.run(&["--mask-dilation", "9"]).0, other);
}

#[test]
fn clips_at_once_are_the_clips_one_after_another() {
    let place = Place::new(&[("a.mp4", 15), ("b.mp4", 9), ("c.mp4", 20)]);
    let made = results(&[("a.mp4", "made"), ("b.mp4", "made"), ("c.mp4", "made")]);
    assert_eq!(place.run(&[]).0, made);
    fs::rename(place.at("out"), place.at("first")).unwrap();
    assert_eq!(
        place.run(&["--jobs", "3", "--host-budget", "3000000000"]).0,
        made
    );
    for clip in ["a.mp4", "b.mp4", "c.mp4"] {
        assert_eq!(
            frames(&place.out(clip)),
            frames(&place.at("first").join(clip)),
            "{clip}"
        );
    }
}

#[test]
fn one_mask_serves_all_and_lossless_clips_get_a_container_that_holds_them() {
    let place = Place::new(&[("a.mp4", 6), ("b.mkv", 6)]);
    let mut command = Command::new(release("propainter"));
    command
        .current_dir(place.root.path())
        .args(["run", "videos", "--mask", "masks/a.png"]);
    output(command.args([
        "-o",
        "out",
        "--lossless",
        "--model",
        "propagation",
        "--quiet",
    ]));
    for name in ["a.mp4.mkv", "b.mkv"] {
        assert_eq!(
            probe(&place.out(name), "v", "stream=codec_name"),
            ["ffv1"],
            "{name}"
        );
    }
}
