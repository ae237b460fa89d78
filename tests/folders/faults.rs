//! A killed run, a full disk, two runs at once, a clip that changes: one sentence, and nothing
//! half-written under a final name.

use std::{
    fs::{self, File},
    io::Write,
    process::{Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use propainter_tests::skip;

use super::{Place, frames, results, stderr};
use crate::pipelines::{release, tools::probe};

#[test]
fn a_run_killed_at_any_moment_goes_on_where_it_was() {
    let clips = [("a.mp4", 30), ("b.mp4", 40), ("c.mp4", 30)];
    let place = Place::new(&clips);
    let start = Instant::now();
    assert_eq!(place.run(&[]).2, 0);
    let whole = start.elapsed();
    fs::rename(place.at("out"), place.at("expected")).unwrap();

    let mut made = Vec::new();
    // The moments lie anywhere in a run; each run begins with what the one before left.
    for moment in 0.. {
        let mut run = place
            .command(&["--quiet"])
            .stderr(Stdio::null())
            .spawn()
            .expect("it runs");
        sleep(whole.mul_f64(0.11 + 0.17 * f64::from(moment)));
        // SIGKILL.
        run.kill().expect("it is killed");
        let ended = run.wait().expect("it ends").success();
        for (clip, count) in clips {
            let out = place.out(clip);
            if !out.exists() {
                continue;
            }
            assert_eq!(
                probe(&out, "v", "stream=nb_read_frames"),
                [count.to_string()],
                "{clip}"
            );
            let time = fs::metadata(&out).unwrap().modified().unwrap();
            match made.iter().find(|(known, _)| *known == clip) {
                Some((_, before)) => assert_eq!(*before, time, "{clip} was made twice"),
                None => made.push((clip, time)),
            }
        }
        if ended {
            break;
        }
    }
    let kept = clips.map(|(clip, _)| (clip, "kept"));
    assert_eq!(place.run(&[]).0, results(&kept));
    for (clip, _) in clips {
        assert_eq!(
            frames(&place.out(clip)),
            frames(&place.at("expected").join(clip)),
            "{clip}"
        );
        // What was begun is gone, but for the record.
        let left = fs::read_dir(place.out(".propainter").join(clip)).unwrap();
        assert_eq!(left.count(), 1, "{clip}");
    }
}

#[test]
fn a_second_run_into_a_folder_is_refused() {
    let place = Place::new(&[("a.mp4", 6)]);
    fs::create_dir_all(place.out(".propainter")).unwrap();
    let lock = File::create(place.out(".propainter/lock")).unwrap();
    lock.lock().unwrap();
    let done = place.command(&[]).output().expect("it runs");
    assert_eq!(done.status.code(), Some(1));
    let expected = "another `propainter run` writes into out: wait until it ends";
    assert!(stderr(&done).contains(expected), "{}", stderr(&done));
    drop(lock);
    assert_eq!(place.run(&[]).2, 0);
}

#[test]
fn a_clip_that_changes_while_it_is_read_fails() {
    let place = Place::new(&[("a.mp4", 250), ("b.mp4", 6)]);
    let run = place
        .command(&[])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let run = run.expect("it runs");
    let record = place.out(".propainter/a.mp4/record.json");
    let end = Instant::now() + Duration::from_secs(120);
    while !record.exists() && Instant::now() < end {
        sleep(Duration::from_millis(1));
    }
    let file = File::options().append(true).open(place.at("videos/a.mp4"));
    file.unwrap().write_all(b"more").unwrap();
    let done = run.wait_with_output().expect("it ends");
    assert_eq!(done.status.code(), Some(1), "{}", stderr(&done));
    assert!(
        stderr(&done).contains("a.mp4: the clip changed while it was read"),
        "{}",
        stderr(&done)
    );
    assert!(!place.out("a.mp4").exists() && place.out("b.mp4").exists());
}

#[test]
fn what_leaves_nothing_to_do_is_one_sentence() {
    let place = Place::new(&[("a.mp4", 4)]);
    fs::create_dir(place.at("empty")).unwrap();
    let said = |arguments: [&str; 6]| {
        let mut command = Command::new(release("propainter"));
        command.current_dir(place.root.path());
        let done = command
            .arg("run")
            .args(arguments)
            .output()
            .expect("it runs");
        assert_eq!(done.status.code(), Some(1));
        stderr(&done)
    };
    let rest = ["--model", "propagation"];
    let empty = said(["empty", "--mask", "masks", "--output=out", rest[0], rest[1]]);
    assert!(
        empty.starts_with("propainter run: empty holds neither videos nor images: "),
        "{empty}"
    );
    let inside = said([
        "videos",
        "--mask",
        "masks",
        "--output=videos/out",
        rest[0],
        rest[1],
    ]);
    assert!(
        inside.starts_with("propainter run: videos/out lies in videos, which is read: "),
        "{inside}"
    );
    assert!(!place.at("videos/out").exists());
    for text in [empty, inside] {
        assert_eq!(text.lines().count(), 1, "{text}");
    }
}

/// The script that mounts a small file system at `out` and runs the arguments in it.
const SMALL: &str = "mount -t tmpfs -o size=\"$1\" none out && shift && \"$@\"; status=$?; \
    ls -A out out/.propainter > seen.txt; exit $status";

/// Runs a command with a small file system as its output folder.
fn in_small(place: &Place, size: &str, run: &Command) -> std::process::Output {
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount"]);
    command.args(["sh", "-c", SMALL, "sh", size]);
    command.arg(run.get_program()).args(run.get_args());
    let output = command.current_dir(place.root.path()).output();
    output.expect("unshare is part of util-linux")
}

#[test]
fn a_full_disk_is_told_before_and_met_in_the_middle() {
    let place = Place::new(&[("a.mp4", 200)]);
    fs::create_dir(place.at("out")).unwrap();
    let run = place.command(&[]);
    let small = |size: &str| in_small(&place, size, &run);
    let probed = small("8k");
    if stderr(&probed).contains("unshare:") || stderr(&probed).contains("mount:") {
        skip::optional("this user may not mount a small file system");
        return;
    }
    assert!(
        stderr(&probed).contains("free some space"),
        "{}",
        stderr(&probed)
    );
    let clip = fs::metadata(place.at("videos/a.mp4")).unwrap().len();
    let full = small(&format!("{}k", clip * 11 / 10 / 1024 + 8));
    assert_eq!(full.status.code(), Some(1));
    assert!(stderr(&full).contains("a.mp4: "), "{}", stderr(&full));
    assert!(
        stderr(&full).to_lowercase().contains("no space left"),
        "{}",
        stderr(&full)
    );
    let seen = fs::read_to_string(place.at("seen.txt")).unwrap();
    assert!(
        !seen
            .lines()
            .any(|line| line.ends_with(".part") || line == "a.mp4.mp4"),
        "{seen}"
    );
}

#[test]
fn a_long_clip_goes_on_with_the_budgets_of_now() {
    let place = Place::new(&[]);
    for name in ["a", "b"] {
        super::scenes(&place.at(&format!("videos/{name}.mkv")), 4, 40);
        let mask = place.at(&format!("masks/{name}.png"));
        crate::pipelines::clips::mask(&mask, (160, 96), [40, 30, 24, 16]);
    }
    let options = [
        "--mode=sliding",
        "--segment-frames=40",
        "--host-budget=3000000000",
        "--quiet",
    ];
    let two = [&options[..], &["--jobs=2"]].concat();
    let mut run = place.command(&two).spawn().expect("it runs");
    let job = place.out(".propainter/a.mkv");
    let first = job.join("segments/0000.json");
    let end = Instant::now() + Duration::from_secs(120);
    while !first.exists() && Instant::now() < end {
        sleep(Duration::from_millis(1));
    }
    run.kill().expect("it is killed");
    run.wait().expect("it ends");
    // The plan knows the whole budget: each run divides it among its own clips.
    let plan = fs::read_to_string(job.join("job.json")).unwrap();
    assert!(plan.contains("\"host-budget\": \"3000000000\""), "{plan}");
    let done = place.command(&options).output().expect("it runs");
    assert!(done.status.success(), "{}", stderr(&done));
    for name in ["a.mkv", "b.mkv"] {
        assert_eq!(
            probe(&place.out(name), "v", "stream=nb_read_frames"),
            ["160"]
        );
    }
    assert_eq!(frames(&place.out("a.mkv")), frames(&place.out("b.mkv")));
}

#[test]
fn the_length_of_a_clip_does_not_decide_how_its_frames_are_made() {
    let place = Place::new(&[("a.mp4", 4)]);
    let record = place.out(".propainter/a.mp4/record.json");
    for (options, expected) in [(&[][..], "off"), (&["--crop-mode=auto", "--force"], "auto")] {
        assert_eq!(place.run(options).2, 0);
        let record: serde_json::Value =
            serde_json::from_str(&fs::read_to_string(&record).unwrap()).unwrap();
        assert_eq!(record["recipe"]["settings"]["crop-mode"], expected);
    }
}

#[test]
fn room_for_segments_is_asked_for_before() {
    let place = Place::new(&[]);
    super::scenes(&place.at("videos/a.mkv"), 3, 30);
    fs::create_dir(place.at("out")).unwrap();
    crate::pipelines::clips::mask(&place.at("masks/a.png"), (160, 96), [40, 30, 24, 16]);
    // A quarter of the frames is 518,400 bytes; the segments are as much again.
    let run = place.command(&["--lossless", "--mode=sliding", "--segment-frames=20"]);
    let small = |size: &str| in_small(&place, size, &run);
    let told = stderr(&small("900k"));
    if told.contains("unshare:") || told.contains("mount:") {
        skip::optional("this user may not mount a small file system");
        return;
    }
    assert!(told.contains("free some space"), "{told}");
    let seen = fs::read_to_string(place.at("seen.txt")).unwrap();
    assert!(!seen.lines().any(|line| line == "a.mkv"), "{seen}");
    assert!(!stderr(&small("8m")).contains("free some space"));
}
