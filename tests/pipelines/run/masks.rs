//! Every source of masks.

use std::fs;

use super::{HOLE, Place, equal, notices, pixels};
use crate::pipelines::{
    clips::mask,
    tools::{ffmpeg, output},
};

const FRAME: usize = 160 * 96 * 3 / 2;

#[test]
fn all_sources_of_one_mask_give_the_same_pixels() {
    let place = Place::new();
    let clip = place.clip("clip.mkv", &["-c:v", "ffv1", "-pix_fmt", "yuv420p"]);
    let before = pixels(&place.at(clip));
    for (folder, count) in [("one", 1), ("many", 25)] {
        fs::create_dir(place.at(folder)).unwrap();
        for number in 0..count {
            let name = format!("{folder}/mask {number:02}.png");
            mask(&place.at(&name), (160, 96), HOLE);
        }
    }
    let mut video = ffmpeg();
    video.current_dir(place.folder.path());
    video.args(["-loop", "1", "-r", "25", "-t", "1", "-i", "mask.png"]);
    output(video.args(["-pix_fmt", "gray", "-c:v", "ffv1", "masks.mkv"]));

    let [left, top, width, height] = HOLE;
    let rectangle = format!("--rectangle={left},{top},{width},{height}");
    let mut first = None;
    for source in [
        "--mask=mask.png",
        "--mask=one",
        "--mask=many",
        "--mask=many/mask %02d.png",
        "--mask=masks.mkv",
        &rectangle,
    ] {
        let lines = place.json(&[clip, source, "-o", "out.mkv", "--lossless", "--force"]);
        assert_eq!(notices(&lines), [""; 0], "{source}");
        let after = pixels(&place.at("out.mkv"));
        assert_eq!(equal(&before, &after, FRAME), (true, false), "{source}");
        assert!(*first.get_or_insert(after.clone()) == after, "{source}");
    }
}

#[test]
fn masks_that_do_not_match_the_frames_are_remarked() {
    let place = Place::new();
    let clip = place.clip("clip.mkv", &["-c:v", "ffv1", "-pix_fmt", "yuv420p"]);
    for (folder, count) in [("few", 10), ("many", 30)] {
        fs::create_dir(place.at(folder)).unwrap();
        for number in 0..count {
            mask(
                &place.at(&format!("{folder}/{number:02}.png")),
                (160, 96),
                HOLE,
            );
        }
    }
    let mut video = ffmpeg();
    video.current_dir(place.folder.path());
    video.args(["-loop", "1", "-r", "25", "-t", "0.4", "-i", "mask.png"]);
    output(video.args(["-pix_fmt", "gray", "-c:v", "ffv1", "short.mkv"]));
    for (masks, expected) in [
        (
            "few",
            "there are 10 masks for 25 frames: the last mask holds",
        ),
        (
            "many",
            "there are 30 masks for 25 frames: the other masks are not used",
        ),
        ("short.mkv", "short.mkv ends at 0.40 s"),
    ] {
        let lines = place.json(&[
            clip,
            "--mask",
            masks,
            "-o",
            "out.mkv",
            "--lossless",
            "--force",
        ]);
        let notices = notices(&lines);
        assert!(
            notices.len() == 1 && notices[0].starts_with(expected),
            "{notices:?}"
        );
        // The last mask holds: the last frame is changed, too.
        let (before, after) = (pixels(&place.at(clip)), pixels(&place.at("out.mkv")));
        let last = 24 * FRAME..;
        let equal = equal(&before[last.clone()], &after[last], FRAME);
        assert_eq!(equal, (true, false), "{masks}");
    }
}
