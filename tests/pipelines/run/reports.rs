//! What is told of a run: lines of JSON, the text at its end, and the page.

use std::{
    fs,
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

use super::Place;
use crate::pipelines::tools::{ffmpeg, output};

#[test]
fn lines_of_json_end_with_what_was_done() {
    let place = Place::new();
    let clip = place.clip("clip.mp4", &["-c:v", "libx264", "-pix_fmt", "yuv420p"]);
    let lines = place.json(&[clip, "--mask=mask.png", "-o", "out.mp4"]);
    let (done, before) = lines.split_last().unwrap();
    assert_eq!(done["type"], "done");
    assert_eq!(
        (&done["frames"], &done["replaced"]),
        (&25.into(), &false.into())
    );
    assert!(done["host_peak_bytes"].as_u64().unwrap() > 0);
    let last = before.last().unwrap();
    assert_eq!(last["type"], "progress");
    assert_eq!((&last["frames"], &last["total"]), (&25.into(), &25.into()));
    assert!(last["plan"].as_str().unwrap().contains("160x96"), "{last}");

    let quiet = place.run(&[
        clip,
        "--mask=mask.png",
        "-o",
        "out.mp4",
        "--force",
        "--quiet",
    ]);
    assert!(quiet.status.success() && quiet.stdout.is_empty() && quiet.stderr.is_empty());
    let told = place.run(&[clip, "--mask=mask.png", "-o", "out.mp4", "--force"]);
    let told = String::from_utf8(told.stdout).unwrap();
    assert!(
        told.starts_with("replaced out.mp4: 25 frames in "),
        "{told}"
    );
    assert!(told.contains("peak memory: "), "{told}");
}

#[test]
fn the_page_shows_the_frames_that_miss_the_truth() {
    let place = Place::new();
    let truth = place.clip("truth.mkv", &["-c:v", "ffv1", "-pix_fmt", "yuv420p"]);
    let mut logo = ffmpeg();
    logo.current_dir(place.folder.path());
    logo.args([
        "-i",
        truth,
        "-vf",
        "drawbox=40:24:32:24:red:fill",
        "-c:v",
        "ffv1",
        "clip.mkv",
    ]);
    output(&mut logo);
    let line = [
        "clip.mkv",
        "--mask=mask.png",
        "-o",
        "out.mkv",
        "--report=r.html",
    ];
    place.json(&line);
    let page = fs::read_to_string(place.at("r.html")).unwrap();
    assert!(
        !page.contains("PSNR") && page.matches("data:image/jpeg").count() >= 4,
        "{page}"
    );
    place.json(&[&line[..], &["--truth", truth, "--force"]].concat());
    let page = fs::read_to_string(place.at("r.html")).unwrap();
    assert!(page.contains("dB in 25 frames"), "{page}");
    assert_eq!(page.matches("<svg").count(), 2);
    // Nothing is loaded from elsewhere.
    assert!(!page.contains("http:") && !page.contains("https:"));
}

#[test]
fn an_interrupt_leaves_no_file() {
    let place = Place::new();
    let long = [
        "-vf",
        "loop=60:25,setpts=N/25/TB",
        "-c:v",
        "libx264",
        "-preset",
        "ultrafast",
    ];
    let clip = place.clip("clip.mp4", &long);
    fs::create_dir(place.at("masks")).unwrap();
    for name in ["masks/1.png", "masks/2.png"] {
        fs::copy(place.at("mask.png"), place.at(name)).unwrap();
    }
    let temporary = place.at("tmp");
    fs::create_dir(&temporary).unwrap();
    let mut command = place.command(&[clip, "--mask=masks", "-o", "out.mp4", "--quiet"]);
    command.env("TMPDIR", &temporary).stderr(Stdio::null());
    let mut child = command.spawn().expect("the program runs");
    let start = Instant::now();
    let is_part = |name: &String| name.ends_with(".part");
    while !place.names().iter().any(is_part) || fs::read_dir(&temporary).unwrap().count() == 0 {
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "{:?}",
            place.names()
        );
        thread::sleep(Duration::from_millis(5));
    }
    let kill = std::process::Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(kill.unwrap().success());
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(130));
    assert_eq!(place.names(), ["clip.mp4", "mask.png", "masks", "tmp"]);
    assert_eq!(fs::read_dir(&temporary).unwrap().count(), 0);
}
