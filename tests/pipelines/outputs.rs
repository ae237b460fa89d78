//! No command and no script writes over what it reads, over what it was not told to replace, or
//! leaves half a file behind.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use super::{
    clips::{generate, mask},
    monitor::monitor,
    plugin, release,
    scripts::{FAST, text},
};

/// A folder with a clip and a mask.
struct Place {
    folder: TempDir,
    clip: PathBuf,
    mask: PathBuf,
}

impl Place {
    fn new(frames: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (clip, image) = (
            folder.path().join("a clip.mp4"),
            folder.path().join("mask.png"),
        );
        generate(&clip, frames, "mp4mux", None);
        mask(&image, (160, 96), [10, 10, 20, 16]);
        Self {
            folder,
            clip,
            mask: image,
        }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// All that is in the folder, hidden files too.
    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        let name = |entry: fs::DirEntry| entry.file_name().into_string().unwrap();
        let mut names: Vec<_> = entries.map(|entry| name(entry.unwrap())).collect();
        names.sort();
        names
    }

    /// Other names for a file.
    fn names_of(&self, file: &Path) -> Vec<PathBuf> {
        let name = file.file_name().unwrap().to_str().unwrap();
        fs::create_dir_all(self.at("sub")).unwrap();
        let (soft, twice, hard) = (
            self.at("soft.mp4"),
            self.at("twice.mp4"),
            self.at("hard.mp4"),
        );
        symlink(name, &soft).unwrap();
        symlink("soft.mp4", &twice).unwrap();
        fs::hard_link(file, &hard).unwrap();
        let roundabout = self.at("sub").join("..").join(".").join(name);
        vec![file.to_owned(), roundabout, soft, twice, hard]
    }

    fn forget_names(&self) {
        for name in ["soft.mp4", "twice.mp4", "hard.mp4"] {
            fs::remove_file(self.at(name)).unwrap();
        }
    }

    fn script(&self, name: &str, arguments: &[&str]) -> Output {
        let file = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../pipelines")
            .join(name);
        // The distribution's Python has the bindings.
        let mut command = match name.ends_with(".py") {
            true => plugin().command("/usr/bin/python3"),
            false => plugin().command("sh"),
        };
        command.arg(file).args(arguments).args(FAST);
        command.output().expect("the script runs")
    }
}

fn told(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr].concat();
    String::from_utf8_lossy(&both).into_owned()
}

#[test]
fn an_output_that_is_an_input_is_refused_under_every_name() {
    let place = Place::new(5);
    let (clip, image) = (text(&place.clip), text(&place.mask));
    // The mask may be a file that could be a video by its name.
    let masks = place.at("mask.mp4");
    fs::copy(&place.mask, &masks).unwrap();
    for read in [&place.clip, &masks] {
        let before = fs::read(read).unwrap();
        for output in place.names_of(read) {
            for force in [&[][..], &["--force"]] {
                let property = format!("mask-location={}", text(&masks));
                let arguments = [
                    &["--video", clip, "--mask", image, "--output", text(&output)][..],
                    force,
                    &[&property],
                    &FAST,
                ];
                let (_, error) = monitor(&arguments.concat());
                let error = error.expect("an error");
                assert!(error.contains("name another output"), "{error}");
                assert_eq!(fs::read(read).unwrap(), before, "{}", output.display());
            }
        }
        place.forget_names();
    }
}

#[test]
fn a_pipeline_of_ones_own_does_not_empty_what_it_reads() {
    let place = Place::new(5);
    let before = fs::read(&place.clip).unwrap();
    for output in place.names_of(&place.clip) {
        let line = format!(
            "filesrc location=\"{}\" ! decodebin ! videoconvert ! propainter model=propagation \
             ! videoconvert ! x264enc ! h264parse ! mp4mux ! filesink location=\"{}\"",
            place.clip.display(),
            output.display()
        );
        let (_, error) = monitor(&[&line]);
        let error = error.expect("an error");
        assert!(error.contains("name another output"), "{error}");
        assert_eq!(fs::read(&place.clip).unwrap(), before);
    }
}

#[test]
fn an_existing_file_is_replaced_with_force_only() {
    let place = Place::new(5);
    let output = place.at("out.mp4");
    fs::write(&output, "precious").unwrap();
    let (clip, image) = (text(&place.clip), text(&place.mask));
    let base = ["--video", clip, "--mask", image, "--output", text(&output)];
    let (_, error) = monitor(&[&base[..], &FAST].concat());
    assert!(error.expect("an error").contains("--force"));
    // What fails replaces nothing either.
    let wrong = ["--force", "mask-location=/nonexistent.png"];
    let (_, error) = monitor(&[&base[..], &wrong, &FAST].concat());
    assert!(error.expect("an error").contains("/nonexistent.png"));
    assert_eq!(fs::read(&output).unwrap(), b"precious");
    // Through a link, which stays one.
    let link = place.at("link.mp4");
    symlink("out.mp4", &link).unwrap();
    let base = ["--video", clip, "--mask", image, "--output", text(&link)];
    let (said, error) = monitor(&[&base[..], &["--force"], &FAST].concat());
    assert_eq!(error, None);
    assert!(said.contains("replaced"), "{said}");
    assert!(link.is_symlink() && fs::metadata(&output).unwrap().len() > 100);
    assert_eq!(
        place.names(),
        ["a clip.mp4", "link.mp4", "mask.png", "out.mp4"]
    );
}

#[test]
fn what_cannot_be_written_is_said_before_the_work() {
    let place = Place::new(5);
    let (clip, image) = (text(&place.clip), text(&place.mask));
    let folder = place.at("folder.mp4");
    fs::create_dir(&folder).unwrap();
    let none = place.at("none/out.mp4");
    let other = place.at("out.xyz");
    for (output, says) in [
        (&none, "no folder"),
        (&folder, "regular file"),
        (&other, "container"),
    ] {
        let base = ["--video", clip, "--mask", image, "--output", text(output)];
        let (_, error) = monitor(&[&base[..], &["--force"], &FAST].concat());
        let error = error.expect("an error");
        assert!(error.contains(says), "{error}");
    }
    assert_eq!(place.names(), ["a clip.mp4", "folder.mp4", "mask.png"]);
}

#[test]
fn an_interrupted_command_leaves_nothing() {
    let place = Place::new(3000);
    let (clip, image) = (text(&place.clip), text(&place.mask));
    let output = place.at("out.mp4");
    for signal in ["-INT", "-TERM"] {
        let mut command = Command::new(release("propainter"));
        command.args([
            "monitor",
            "--video",
            clip,
            "--mask",
            image,
            "--output",
            text(&output),
        ]);
        command
            .args(FAST)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut child = command.spawn().expect("it starts");
        let start = Instant::now();
        let unfinished = || place.names().iter().any(|name| name.ends_with(".part"));
        while !unfinished() {
            assert!(
                start.elapsed() < Duration::from_secs(60),
                "nothing is written"
            );
            thread::sleep(Duration::from_millis(20));
        }
        let kill = Command::new("kill")
            .args([signal, &child.id().to_string()])
            .status();
        assert!(kill.expect("kill is there").success());
        assert!(!child.wait().expect("it ends").success());
        assert_eq!(place.names(), ["a clip.mp4", "mask.png"]);
    }
}

/// Runs the built demo in the folder.
fn demo(place: &Place, arguments: &[&str]) -> Output {
    let mut command = Command::new(release("propainter"));
    command.current_dir(place.folder.path());
    command.arg("demo").args(arguments);
    command.output().expect("it runs")
}

#[test]
fn the_demo_replaces_its_own_folder_and_says_so_but_never_its_input() {
    let place = Place::new(5);
    let (clip, image) = (text(&place.clip), text(&place.mask));
    let first = demo(&place, &["--video", clip, "--mask", image]);
    assert!(first.status.success() && told(&first).contains("wrote out/demo.mp4"));
    let second = demo(&place, &["--video", clip, "--mask", image]);
    assert!(second.status.success() && told(&second).contains("replaced out/demo.mp4"));

    let (movie, strip) = (place.at("out/demo.mp4"), place.at("out/demo.png"));
    let before = (fs::read(&movie).unwrap(), fs::read(&strip).unwrap());
    symlink("out/demo.mp4", place.at("link.mp4")).unwrap();
    for (video, mask) in [
        ("out/demo.mp4", image),
        ("link.mp4", image),
        (clip, "out/demo.png"),
    ] {
        let refused = demo(&place, &["--video", video, "--mask", mask, "--force"]);
        assert!(!refused.status.success());
        assert!(told(&refused).contains("--output"), "{}", told(&refused));
    }
    assert_eq!(
        (fs::read(&movie).unwrap(), fs::read(&strip).unwrap()),
        before
    );

    // A folder of the user's own.
    let own = [
        "--video",
        "out/demo.mp4",
        "--mask",
        image,
        "--output",
        "own",
    ];
    assert!(demo(&place, &own).status.success());
    let refused = demo(&place, &own);
    assert!(!refused.status.success() && told(&refused).contains("--force"));
    assert!(
        demo(&place, &[&own[..], &["--force"]].concat())
            .status
            .success()
    );
}

#[test]
fn scripts_refuse_an_output_that_is_an_input_or_exists() {
    let place = Place::new(5);
    let (clip, image) = (text(&place.clip), text(&place.mask));
    let before = fs::read(&place.clip).unwrap();
    for output in place.names_of(&place.clip) {
        let out = text(&output);
        for output in [
            place.script("logo.sh", &["--force", clip, image, out]),
            place.script("budget.sh", &["--force", clip, image, out, "8gb"]),
            place.script("regions.sh", &["--force", "<<9,9,9,9>>", out, clip]),
            place.script("swap_mask.py", &["--force", clip, image, image, "0.1", out]),
        ] {
            let told = told(&output);
            assert!(
                !output.status.success() && told.contains("name another output"),
                "{told}"
            );
            assert_eq!(fs::read(&place.clip).unwrap(), before);
        }
    }
    place.forget_names();
    let output = place.at("out.mp4");
    let out = text(&output);
    fs::write(&output, "precious").unwrap();
    for refused in [
        place.script("logo.sh", &[clip, image, out]),
        place.script("swap_mask.py", &[clip, image, image, "0.1", out]),
    ] {
        assert!(told(&refused).contains("--force"), "{}", told(&refused));
        assert_eq!(fs::read(&output).unwrap(), b"precious");
    }
    let replaced = place.script("logo.sh", &["--force", clip, image, out]);
    assert!(replaced.status.success(), "{}", told(&replaced));
    // A frame, or a mask, out of a numbered sequence.
    fs::copy(&place.mask, place.at("00001.png")).unwrap();
    let pattern = text(&place.at("%05d.png")).to_owned();
    let frame = text(&place.at("00001.png")).to_owned();
    let refused = place.script("masks.sh", &["--force", &pattern, &pattern, &frame]);
    assert!(
        told(&refused).contains("name another output"),
        "{}",
        told(&refused)
    );
    assert_eq!(
        place.names(),
        ["00001.png", "a clip.mp4", "mask.png", "out.mp4", "sub"]
    );
}
