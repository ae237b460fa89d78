//! `propainter plan`, `run JOB` and `join`: the joined file holds the frames of one run.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use image::{GrayImage, Luma};
#[cfg(feature = "networks")]
use propainter_tests::golden::weights_folder;
use tempfile::TempDir;

use super::{Outcome, run};

/// A folder with a clip of three scenes with sound, and a mask for each frame.
struct Place(TempDir);

impl Place {
    /// Makes a clip of 64×48 in FFV1, which `propainter` writes as FFV1 again.
    fn new(frames: usize) -> Self {
        let place = Self(tempfile::tempdir().expect("a folder"));
        let filter = "[0:v]trim=end_frame=30,setpts=PTS-STARTPTS[a];\
            [1:v]trim=end_frame=30,setpts=PTS-STARTPTS[b];[a][b][2:v]concat=n=3:v=1[v]";
        let mut ffmpeg = Command::new("ffmpeg");
        ffmpeg.args(["-nostdin", "-loglevel", "error", "-y"]);
        for source in [
            "testsrc=s=64x48:r=30000/1001",
            "mandelbrot=s=64x48:r=30000/1001",
            "testsrc2=s=64x48:r=30000/1001",
            "sine",
        ] {
            ffmpeg.args(["-f", "lavfi", "-i", source]);
        }
        ffmpeg.args(["-filter_complex", filter, "-map", "[v]", "-map", "3:a"]);
        ffmpeg.args([
            "-frames:v",
            &frames.to_string(),
            "-t",
            &format!("{}", frames as f64 / 30.0),
        ]);
        ffmpeg.args([
            "-c:v", "ffv1", "-g", "7", "-pix_fmt", "yuv420p", "-c:a", "flac",
        ]);
        output(ffmpeg.arg(place.at("clip.mkv")));
        fs::create_dir(place.at("masks")).expect("a folder");
        for frame in 0..frames {
            let mut mask = GrayImage::new(64, 48);
            if !(9..13).contains(&(frame % 17)) {
                for (x, y) in (10..26).flat_map(|x| (12..24).map(move |y| (x, y))) {
                    mask.put_pixel(x + frame as u32 % 5, y, Luma([255]));
                }
            }
            let file = place.at(&format!("masks/{frame:04}.png"));
            mask.save(file).expect("the mask is written");
        }
        place
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs a subcommand. The words are paths if they name something in the folder or end with /.
    fn run(&self, words: &[&str]) -> Outcome {
        let is_path =
            |word: &&str| word.ends_with(".mkv") || ["masks", "job", "b.mp4"].contains(word);
        let words = words.iter().map(|word| match is_path(word) {
            true => self.at(word).to_str().expect("UTF-8").to_owned(),
            false => (*word).to_owned(),
        });
        let words: Vec<_> = std::iter::once("propainter".to_owned())
            .chain(words)
            .collect();
        run(&words.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn succeed(&self, words: &[&str]) -> String {
        let outcome = self.run(words);
        assert_eq!(outcome.status, 0, "{words:?}: {}", outcome.errors);
        outcome.out
    }

    fn fail(&self, words: &[&str]) -> String {
        let outcome = self.run(words);
        assert_eq!(outcome.status, 1, "{words:?}: {}", outcome.errors);
        outcome.errors
    }

    fn plan(&self, frames: usize, settings: &[&str]) -> usize {
        let frames = frames.to_string();
        let words = [
            "plan",
            "clip.mkv",
            "--mask",
            "masks",
            "-o",
            "job",
            "--force",
            "--segment-frames",
            &frames,
        ];
        let out = self.succeed(&[&words[..], settings].concat());
        let count = out
            .split(" segment")
            .next()
            .and_then(|text| text.rsplit(' ').next());
        count
            .and_then(|count| count.parse().ok())
            .expect("a number of segments")
    }
}

fn output(command: &mut Command) -> String {
    let output = command.output().expect("the program runs");
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Returns time and checksum of each packet of decoded video and sound.
fn content(file: &Path) -> String {
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg
        .args(["-nostdin", "-loglevel", "error", "-i"])
        .arg(file);
    output(ffmpeg.args([
        "-map",
        "0",
        "-fps_mode",
        "passthrough",
        "-f",
        "framemd5",
        "-",
    ]))
}

/// Divides the clip with these settings into about so many frames each, and checks the joined file.
fn check(place: &Place, settings: &[&str], divisions: &[(usize, usize)]) {
    let whole = [
        "run",
        "clip.mkv",
        "--mask",
        "masks",
        "-o",
        "whole.mkv",
        "--force",
        "--quiet",
    ];
    place.succeed(&[&whole[..], settings].concat());
    let whole = content(&place.at("whole.mkv"));
    for &(frames, count) in divisions {
        let found = place.plan(frames, settings);
        assert_eq!(found, count, "{settings:?}, {frames} frames");
        // In any order; each at its own place.
        for number in (0..count).rev() {
            place.succeed(&["run", "job", "--quiet", "--segment", &number.to_string()]);
        }
        place.succeed(&["join", "job", "-o", "joined.mkv", "--force"]);
        assert_eq!(
            content(&place.at("joined.mkv")),
            whole,
            "{settings:?}, {frames} frames"
        );
    }
}

#[test]
fn segments_without_networks_are_joined_to_the_frames_of_one_run() {
    let place = Place::new(90);
    let reference = ["--model=propagation", "--subvideo-length=12"];
    check(&place, &reference, &[(90, 1), (40, 3), (17, 6)]);
    let sliding = ["--model=propagation", "--mode=sliding"];
    check(&place, &sliding, &[(90, 1), (60, 2), (1, 3)]);
    // A border is a hole of every frame: only a scene cut begins afresh.
    let wider = ["--expand-left=10", "--expand-bottom=8"];
    check(&place, &[&sliding[..], &wider].concat(), &[(60, 2), (1, 3)]);
    check(&place, &[&reference[..], &wider].concat(), &[(17, 1)]);
}

/// Options of a run with the networks and small windows. Empty without weights.
#[cfg(feature = "networks")]
fn small() -> Vec<String> {
    let options = [
        "--model=propainter",
        "--device=cpu",
        "--subvideo-length=6",
        "--neighbor-length=4",
        "--ref-stride=2",
        "--raft-iterations=1",
    ];
    let with = |folder: &Path| {
        let weights = format!("--weights={}", folder.display());
        options.map(str::to_owned).into_iter().chain([weights])
    };
    weights_folder().into_iter().flat_map(with).collect()
}

#[cfg(feature = "networks")]
#[test]
fn segments_of_the_networks_are_joined_to_the_frames_of_one_run() {
    let options = small();
    let small: Vec<_> = options.iter().map(String::as_str).collect();
    if small.is_empty() {
        return;
    }
    let place = Place::new(18);
    check(&place, &small, &[(9, 3)]);
    let crops = [&small[..], &["--mode=sliding"]].concat();
    let words = [
        "plan", "clip.mkv", "--mask", "masks", "-o", "job", "--force",
    ];
    let error = place.fail(&[&words[..], &crops].concat());
    assert!(error.contains("set crop-mode=off"), "{error}");
}

#[cfg(feature = "networks")]
#[test]
#[ignore = "long: make soak"]
fn more_segments_of_the_networks_are_joined_to_the_frames_of_one_run() {
    let options = small();
    let small: Vec<_> = options.iter().map(String::as_str).collect();
    if small.is_empty() {
        return;
    }
    let place = Place::new(36);
    check(&place, &small, &[(36, 1), (12, 3), (5, 7)]);
    let wider = ["--expand-left=16", "--expand-right=8"];
    check(&place, &[&small[..], &wider].concat(), &[(12, 3)]);
    let sliding = [
        &small[..],
        &["--mode=sliding", "--lookahead=2", "--crop-mode=off"],
    ]
    .concat();
    check(&place, &sliding, &[(30, 2)]);
}

/// Matroska with B-frames out of MP4: the first frame comes before the sound, which is earlier, so
/// the demuxer says after it that the stream begins earlier.
#[test]
fn a_clip_that_corrects_its_first_time_is_divided_like_any_other() {
    let place = Place::new(42);
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-nostdin", "-loglevel", "error"]);
    for source in ["testsrc=s=64x48:r=24", "sine"] {
        ffmpeg.args(["-f", "lavfi", "-t", "1.75", "-i", source]);
    }
    ffmpeg.args(["-c:v", "libx264", "-bf", "2", "-pix_fmt", "yuv420p"]);
    output(ffmpeg.args(["-c:a", "aac"]).arg(place.at("b.mp4")));
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-nostdin", "-loglevel", "error", "-i"]);
    ffmpeg.arg(place.at("b.mp4")).args(["-c", "copy"]);
    output(ffmpeg.arg(place.at("b.mkv")));

    let settings = ["--quiet", "--model=propagation", "--subvideo-length=12"];
    let masks = [&settings[..], &["--lossless", "--mask", "masks"]].concat();
    for (input, file) in [("b.mp4", "mp4.mkv"), ("b.mkv", "whole.mkv")] {
        place.succeed(&[&["run", input, "-o", file], &masks[..]].concat());
    }
    let pictures = |file: &str| -> Vec<String> {
        let content = content(&place.at(file));
        let frames = content.lines().filter(|line| line.starts_with("0,"));
        let sums = frames.filter_map(|line| line.rsplit(' ').next());
        sums.map(str::to_owned).collect()
    };
    assert_eq!(pictures("whole.mkv").len(), 42);
    assert_eq!(pictures("whole.mkv"), pictures("mp4.mkv"));

    let plan = ["plan", "b.mkv", "-o", "job", "--segment-frames=12"];
    place.succeed(&[&plan[..], &settings, &["--expand=2:1"]].concat());
    let rectangle = ["--rectangle=10,12,16,12"];
    place.succeed(&[&plan[..], &settings, &rectangle, &["--force"]].concat());
    place.succeed(&[&plan[..], &masks, &["--force"]].concat());
    place.succeed(&["run", "job", "--quiet", "--segment=2"]);
    place.succeed(&["run", "job", "--quiet"]);
    place.succeed(&["join", "job", "-o", "joined.mkv"]);
    let content = |file: &str| content(&place.at(file));
    assert_eq!(content("joined.mkv"), content("whole.mkv"));
}

#[test]
fn whatever_is_wrong_with_a_job_is_one_sentence_that_says_what_to_do() {
    let place = Place::new(70);
    let settings = ["--model=propagation", "--mode=sliding"];
    assert_eq!(place.plan(1, &settings), 3);
    let join = ["join", "job", "-o", "joined.mkv"];
    let says = |words: &[&str], expected: &[&str]| {
        let error = place.fail(words);
        for expected in expected {
            assert!(error.contains(expected), "{expected} is not in {error}");
        }
        assert_eq!(error.trim_end().lines().count(), 1, "{error}");
        assert!(!place.at("joined.mkv").exists());
    };
    let segment = |name: &str| place.at("job/segments").join(name);

    says(
        &["run", "job", "--segment", "3"],
        &["no segment 3", "job.json", "has 3", "--segment-offset"],
    );
    says(
        &["run", "job", "--segment", "0", "--mode=reference"],
        &["leave out these options"],
    );
    says(
        &["run", "job", "--segment", "0", "--segment-offset", "-1"],
        &["the first is 0"],
    );
    place.succeed(&["run", "job", "--segment", "1", "--segment-offset", "-1"]);
    says(
        &join,
        &[
            "the segments 1, 2 are missing",
            "propainter run",
            "--segment N",
        ],
    );
    // All that is left, and nothing twice.
    let out = place.succeed(&["run", "job"]);
    assert!(
        out.contains("segment 0 is complete already") && out.contains("segment 2: 10 frames"),
        "{out}"
    );
    // The same plan again keeps them; one of fewer segments removes those that it lacks.
    assert_eq!(place.plan(1, &settings), 3);
    let out = place.succeed(&["run", "job"]);
    assert!(out.contains("segment 2 is complete already"), "{out}");

    fs::copy(segment("0001.mkv"), segment("1.mkv")).expect("a copy");
    says(&join, &["segment 1 is there twice", "1.mkv", "remove one"]);
    fs::rename(segment("1.mkv"), segment("0007.mkv")).expect("another name");
    says(&join, &["0007.mkv", "none of the job's 3 segments"]);
    fs::remove_file(segment("0007.mkv")).expect("it is there");

    let content = fs::read(segment("0001.mkv")).expect("it is there");
    fs::write(segment("0001.mkv"), &content[..content.len() - 5]).expect("written");
    says(
        &join,
        &["0001.mkv", "it has changed", "process segment 1 again"],
    );
    fs::remove_file(segment("0001.mkv")).expect("it is there");
    says(&join, &["segment 1 is missing"]);
    fs::copy(segment("0002.mkv"), segment("0001.mkv")).expect("a copy");
    fs::copy(segment("0002.json"), segment("0001.json")).expect("a copy");
    says(&join, &["it is segment 2 under another name"]);
    place.succeed(&["run", "job", "--segment", "1", "--quiet"]);
    says(
        &["join", "job", "-o", "clip.mkv", "--force"],
        &["is read as"],
    );

    // Other settings: the segments of the first plan are not taken.
    let manifest = fs::read(place.at("job/job.json")).expect("it is there");
    assert_eq!(
        place.plan(1, &[&settings[..], &["--mask-dilation=7"]].concat()),
        3
    );
    says(&join, &["0000.mkv", "another plan"]);
    fs::write(place.at("job/job.json"), &manifest).expect("written");

    let text = String::from_utf8(manifest.clone()).expect("UTF-8");
    for (from, to, expected) in [
        ("\"version\": 1", "\"version\": 9", "a plan of version 9"),
        ("\"start\": 30", "\"start\": 20", "are doubled"),
        ("\"start\": 30", "\"start\": 31", "are missing"),
        ("\"frames\": 70", "\"frames\": 71", "the clip at frame 71"),
        ("{", "", "is no plan of a job"),
    ] {
        assert!(text.contains(from), "{text}");
        fs::write(place.at("job/job.json"), text.replace(from, to)).expect("written");
        says(&join, &[expected]);
        says(&["run", "job", "--segment", "0"], &[expected]);
    }
    fs::write(place.at("job/job.json"), &manifest).expect("written");

    let mask = place.at("masks/0003.png");
    fs::write(&mask, "another mask").expect("written");
    says(
        &join,
        &["0003.png", "not the file that the job was planned for"],
    );
    fs::remove_file(segment("0002.mkv")).expect("it is there");
    says(
        &["run", "job", "--segment", "2"],
        &["0003.png", "not the file"],
    );
    fs::remove_file(&mask).expect("it is there");
    says(
        &["run", "job", "--segment", "2"],
        &["0003.png", "cannot be read"],
    );
}
