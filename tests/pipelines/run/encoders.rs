//! Which encoder is chosen, by itself and on request.

use std::fs;

use super::{Place, notices};
use crate::pipelines::tools::probe;

const CODEC: &str = "stream=codec_name,pix_fmt,nb_read_frames";

#[test]
fn the_codec_is_that_of_the_input_where_it_can_be_written() {
    let place = Place::new();
    for (codec, name, expected) in [
        ("libx264", "clip.mp4", "h264,yuv420p,25"),
        ("libx265", "clip.mp4", "hevc,yuv420p,25"),
        ("libvpx-vp9", "clip.mkv", "vp9,yuv420p,25"),
        ("libaom-av1", "clip.mkv", "av1,yuv420p,25"),
    ] {
        let encode = ["-c:v", codec, "-pix_fmt", "yuv420p", "-cpu-used", "8"];
        let encode = if codec.contains("x26") {
            &encode[..4]
        } else {
            &encode
        };
        let clip = place.clip(name, encode);
        let out = format!("out {name}");
        let lines = place.json(&[clip, "--mask=mask.png", "-o", &out, "--force"]);
        assert_eq!(notices(&lines), [""; 0], "{codec}");
        assert_eq!(probe(&place.at(&out), "v", CODEC), [expected], "{codec}");
    }
    let clip = place.clip("clip.avi", &["-c:v", "mpeg4", "-bf", "2"]);
    let lines = place.json(&[clip, "--mask=mask.png", "-o", "out.mp4"]);
    assert_eq!(
        notices(&lines),
        ["the video is encoded as H.264, not as MPEG-4"]
    );
    assert_eq!(probe(&place.at("out.mp4"), "v", CODEC), ["h264,yuv420p,25"]);
}

#[test]
fn an_encoder_and_a_quality_can_be_asked_for() {
    let place = Place::new();
    let clip = place.clip("clip.mp4", &["-c:v", "libx264", "-pix_fmt", "yuv420p"]);
    let bytes = |name: &str, more: &[&str]| {
        let line = [&[clip, "--mask=mask.png", "--force", "-o", name], more].concat();
        place.json(&line);
        fs::metadata(place.at(name)).unwrap().len()
    };
    for (name, encoder, expected) in [
        ("out.mp4", "h265", "hevc,yuv420p,25"),
        ("out.mov", "prores", "prores,yuv422p10le,25"),
        ("out.mkv", "ffv1", "ffv1,yuv420p,25"),
        ("out.mkv", "x264enc", "h264,yuv420p,25"),
    ] {
        bytes(name, &["--encoder", encoder]);
        assert_eq!(probe(&place.at(name), "v", CODEC), [expected], "{encoder}");
    }
    for encoder in ["h264", "h265", "vp9", "av1"] {
        let with = |quality| bytes("out.mkv", &["--encoder", encoder, "--quality", quality]);
        let (low, high) = (with("20"), with("90"));
        assert!(3 * low < 2 * high, "{encoder}: {low} and {high} bytes");
    }
}

#[test]
fn an_encoder_that_does_not_fit_is_refused() {
    let place = Place::new();
    let clip = place.clip("clip.mp4", &["-c:v", "libx264", "-pix_fmt", "yuv420p"]);
    for (name, more, expected) in [
        ("out.mp4", &["--lossless"][..], "FFV1: .mkv"),
        ("out.webm", &["--encoder=h264"], "--encoder vp9"),
        (
            "out.mp4",
            &["--encoder=nonsense"],
            "there is no encoder nonsense",
        ),
        (
            "out.mp4",
            &["--encoder=flacenc"],
            "there is no encoder flacenc",
        ),
        (
            "out.mov",
            &["--encoder=prores", "--quality=50"],
            "no quality",
        ),
        ("out.avi", &[], "use .mp4"),
    ] {
        let line = [&[clip, "--mask=mask.png", "-o", name], more].concat();
        let told = place.refused(&line);
        assert!(told.contains(expected), "{told}");
    }
    assert_eq!(place.names(), ["clip.mp4", "mask.png"]);
}

#[test]
fn the_encoder_takes_the_size_of_a_wider_picture() {
    let place = Place::new();
    let clip = place.clip("clip.mp4", &["-c:v", "libx264", "-pix_fmt", "yuv420p"]);
    // 4:2:0 of H.264 has an even number of columns.
    place.json(&[clip, "-o", "out.mp4", "--expand-left=1"]);
    let shown = "stream=codec_name,width,nb_read_frames";
    assert_eq!(probe(&place.at("out.mp4"), "v", shown), ["h264,161,25"]);
}
