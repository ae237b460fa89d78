//! What people run the element in: scripts judged by FFmpeg, playbin, Python.

use std::{path::Path, process::Command};

use gst::{ClockTime, prelude::*};

use super::{
    clips::{generate, mask},
    plugin,
    scripts::{FAST, script, text},
    tools::{ffmpeg, luma, output, probe, sound, times},
};
use crate::element::support::{self, FRAME, PATIENCE, Recorder, Seen};

const FRAMES: usize = 75;
const RATE: f64 = 25.0;
/// The frame that is white, and that begins with a beep.
const FLASH: usize = 40;

/// 3 s of H.264 and AAC: grey, with a flash and a beep at the same time.
fn flash_and_beep(file: &Path) {
    let at = FLASH as f64 / RATE;
    let video =
        format!("color=gray:s=160x96:r=25:d=3,drawbox=color=white:t=fill:enable='eq(n,{FLASH})'");
    let tone = format!("if(between(t,{at},{at}+0.1),sin(6283*t),0)");
    let sound = format!("aevalsrc='{tone}':s=48000:d=3");
    let mut command = ffmpeg();
    command.args(["-f", "lavfi", "-i", &video, "-f", "lavfi", "-i", &sound]);
    command.args(["-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "aac"]);
    output(command.arg(file));
}

/// When a file's flash begins, and its beep, in seconds.
fn flash_beep(file: &Path) -> (f64, f64) {
    let white = |image: &Vec<u8>| image.iter().map(|&l| u64::from(l)).sum::<u64>() > 200 * 160 * 96;
    let flash = luma(file).iter().position(white).expect("a flash");
    let (start, samples) = sound(file);
    let beep = samples.iter().position(|s| s.abs() > 0.2).expect("a beep");
    (times(file)[flash], start + beep as f64 / 48000.0)
}

#[test]
fn ffprobe_finds_every_frame_and_the_sound_in_time() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (clip, image, out) = (at("clip.mp4"), at("mask.png"), at("out.mp4"));
    flash_and_beep(&clip);
    mask(&image, (160, 96), [100, 10, 32, 16]);
    script(
        "logo.sh",
        &[&[text(&clip), text(&image), text(&out)], &FAST[..]].concat(),
        &[],
    );
    let stream = "stream=codec_name,width,height,r_frame_rate,nb_read_frames";
    let expected = format!("h264,160,96,25/1,{FRAMES}");
    assert_eq!(probe(&clip, "v", stream), [&expected[..]]);
    assert_eq!(probe(&out, "v", stream), [&expected[..]]);
    assert_eq!(probe(&out, "a", "stream=codec_name"), ["aac"]);
    for file in [&clip, &out] {
        let (flash, beep) = flash_beep(file);
        let apart = (flash - beep).abs();
        assert!(apart < 1.0 / RATE, "{file:?}: {flash} s and {beep} s");
    }
    let (before, after) = (times(&clip), times(&out));
    for (i, (before_i, after_i)) in before.iter().zip(&after).enumerate() {
        let moved = (after_i - after[0]) - (before_i - before[0]);
        assert!(moved.abs() < 0.001, "frame {i}");
    }
}

#[test]
fn python_swaps_the_mask_while_the_video_plays() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (clip, out) = (at("clip.mp4"), at("out.mp4"));
    // A white logo on grey, and from frame 20 on another one elsewhere.
    let logos: [[usize; 4]; 2] = [[16, 16, 32, 16], [112, 64, 32, 16]];
    let draw = |[x, y, w, h]: [usize; 4], when: &str| {
        format!("drawbox={x}:{y}:{w}:{h}:white:fill:enable='{when}(n,20)'")
    };
    let (first, second) = (draw(logos[0], "lt"), draw(logos[1], "gte"));
    let video = format!("color=gray:s=160x96:r=25:d=2,{first},{second}");
    let mut command = ffmpeg();
    command.args(["-f", "lavfi", "-i", &video]);
    command.args(["-c:v", "libx264", "-pix_fmt", "yuv420p"]);
    output(command.arg(&clip));
    let images = [at("first.png"), at("second.png")];
    for (image, logo) in images.iter().zip(logos) {
        let [x, y, w, h] = logo.map(|side| side as u32);
        mask(image, (160, 96), [x - 4, y - 4, w + 8, h + 8]);
    }
    // The distribution's Python has the bindings.
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../pipelines/swap_mask.py");
    let mut command = plugin().command("/usr/bin/python3");
    command.arg(file).arg(&clip).args(&images).arg("0.8");
    output(command.arg(&out).args(FAST));
    let is_white =
        |image: &[u8]| logos.map(|[x, y, w, h]| image[(y + h / 2) * 160 + x + w / 2] > 200);
    let (before, after) = (luma(&clip), luma(&out));
    assert_eq!((before.len(), after.len()), (50, 50));
    for (i, (before, after)) in before.iter().zip(&after).enumerate() {
        assert_eq!(is_white(before), [i < 20, i >= 20], "frame {i}");
        assert_eq!(is_white(after), [false, false], "frame {i}");
    }
}

#[test]
fn playbin_plays_through_the_element_and_seeks() {
    support::init();
    let folder = tempfile::tempdir().unwrap();
    let clip = folder.path().join("clip.mp4");
    generate(&clip, 50, "mp4mux", Some("avenc_aac"));
    let filter = support::element();
    filter.set_property("mask-regions", support::regions(&[[40, 30, 32, 24]]));
    let sink = |name: &str| {
        let sink = gst::ElementFactory::make("fakesink").name(name);
        sink.property("sync", false).build().unwrap()
    };
    let player = gst::ElementFactory::make("playbin")
        .property("uri", format!("file://{}", text(&clip)))
        .property("video-filter", &filter)
        .property("video-sink", sink("video"))
        .property("audio-sink", sink("audio"))
        .build()
        .unwrap();
    let recorder = Recorder::on(&support::src_pad(&filter));
    let bus = player.bus().unwrap();
    let wait = |kind: gst::MessageType| {
        let patience = ClockTime::from_seconds(PATIENCE.as_secs());
        let kinds = [kind, gst::MessageType::Error];
        let message = bus.timed_pop_filtered(patience, &kinds);
        let message = message.expect("the player answers");
        assert_eq!(message.type_(), kind, "{message:?}");
    };
    player.set_state(gst::State::Paused).unwrap();
    wait(gst::MessageType::AsyncDone);
    player.set_state(gst::State::Playing).unwrap();
    wait(gst::MessageType::Eos);
    // The encoder's timestamps need not begin at 0.
    let all = support::frames(&recorder.until(&Seen::Event(gst::EventType::Eos)));
    assert_eq!(all, (all[0]..all[0] + 50).collect::<Vec<_>>());
    recorder.forget();
    let flags = gst::SeekFlags::FLUSH | gst::SeekFlags::ACCURATE;
    player.seek_simple(flags, FRAME * 30).unwrap();
    wait(gst::MessageType::Eos);
    let rest = support::frames(&recorder.until(&Seen::Event(gst::EventType::Eos)));
    assert_eq!(rest, all[30..]);
    let stats: gst::Structure = filter.property("stats");
    let sent = (all.len() + rest.len()) as u64;
    assert_eq!(stats.get("inpainted"), Ok(sent), "{stats}");
    player.set_state(gst::State::Null).unwrap();
}

#[test]
fn a_launch_line_of_playbin_names_the_filter() {
    let folder = tempfile::tempdir().unwrap();
    let clip = folder.path().join("clip.mp4");
    generate(&clip, 12, "mp4mux", None);
    let filter = format!("video-filter=propainter {}", FAST.join(" "));
    let mut command: Command = plugin().command("gst-launch-1.0");
    command.args([
        "-q",
        "playbin",
        &format!("uri=file://{}", text(&clip)),
        &filter,
    ]);
    command.args(["video-sink=fakesink sync=false", "audio-sink=fakesink"]);
    output(&mut command);
}
