//! Scene cuts in a live stream through the element.

use gst::prelude::*;
use gst_video::{VideoFormat, VideoInfo};
use propainter::internals::synthetic::Scene;

use crate::element::support::*;

const SIZE: (usize, usize) = (136, 96);

/// The frames of a scene, from number `first` on, as buffers.
fn scene(seed: u64, first: u64, frames: u64) -> Vec<gst::Buffer> {
    let scene = Scene::new(SIZE.0, SIZE.1, seed);
    let info = image();
    let stride = info.stride()[0] as usize;
    let frames = (first..first + frames).map(|number| {
        let image = scene.frame((number - first) as usize);
        let mut bytes = vec![0; info.size()];
        let rows = image.rgb().chunks_exact(3 * SIZE.0);
        for (row, from) in bytes.chunks_mut(stride).zip(rows) {
            row[..3 * SIZE.0].copy_from_slice(from);
        }
        let mut buffer = gst::Buffer::from_mut_slice(bytes);
        let frame = buffer.get_mut().expect("a new buffer");
        frame.set_pts(FRAME * number);
        frame.set_duration(FRAME);
        buffer
    });
    frames.collect()
}

fn image() -> VideoInfo {
    info(VideoFormat::Rgb, SIZE.0 as u32, SIZE.1 as u32)
}

/// Frames through an element that was `set`; what came out, and how many cuts there were.
fn run(frames: &[gst::Buffer], set: &[(&str, &str)]) -> (Vec<Vec<u8>>, u64) {
    let element = element();
    element.set_property("scene-cuts", true);
    element.set_property("lookahead", 3u32);
    element.set_property("subvideo-length", 12u32);
    element.set_property_from_str("late-policy", "wait");
    element.set_property("mask-regions", regions(&[[90, 8, 34, 24]]));
    for (name, value) in set {
        element.set_property_from_str(name, value);
    }
    let recorder = Recorder::on(&src_pad(&element));
    let mut harness = harness(&element, &image());
    for frame in frames {
        harness.push(frame.clone()).unwrap();
    }
    harness.push_event(gst::event::Eos::new());
    recorder.until(&Seen::Event(gst::EventType::Eos));
    let out: Vec<_> = std::iter::from_fn(|| harness.try_pull()).collect();
    assert_eq!(out.len(), frames.len());
    let stats: gst::Structure = element.property("stats");
    let cuts = stats.get("scene-cuts").expect("a number");
    (out.iter().map(|buffer| bytes(buffer)).collect(), cuts)
}

#[test]
fn a_splice_in_a_live_stream_is_one_cut_without_a_ghost() {
    let (first, second) = (scene(4, 0, 9), scene(6, 9, 9));
    let spliced = [first.clone(), second.clone()].concat();
    let (out, cuts) = run(&spliced, &[]);
    assert_eq!(cuts, 1);
    assert!(out[..9] == run(&first, &[]).0, "a ghost before the cut");
    assert!(out[9..] == run(&second, &[]).0, "a ghost after the cut");
}

#[test]
fn cuts_are_found_only_where_they_are_wanted() {
    let spliced = [scene(4, 0, 9), scene(6, 9, 9)].concat();
    let (with, _) = run(&spliced, &[]);
    for set in [
        ("scene-cuts", "false"),
        ("scene-threshold", "1.0"),
        ("mode", "reference"),
    ] {
        let (without, cuts) = run(&spliced, &[set]);
        assert_eq!(cuts, 0, "{set:?}");
        assert!(with != without, "{set:?}: something crosses the cut");
    }
    assert_eq!(run(&scene(4, 0, 18), &[]).1, 0, "one scene has no cut");
}
