//! Frames that are images, on either side, and Y4M into a file.

use std::{
    fs::{self, File},
    path::Path,
};

use image::DynamicImage;

use super::{HOLE, Place, equal, pixels};
use crate::pipelines::tools::{ffmpeg, output, probe};

/// Makes 25 images `frames/f01.png` and so on.
fn images(place: &Place, arguments: &[&str]) {
    fs::create_dir_all(place.at("frames")).unwrap();
    place.clip("frames/f%02d.png", arguments);
}

fn open(file: &Path) -> DynamicImage {
    image::open(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// Whether two images are equal outside of the widened hole, and inside.
fn same(before: &DynamicImage, after: &DynamicImage) -> (bool, bool) {
    assert_eq!(before.color(), after.color());
    let (before, after) = (before.to_rgba16(), after.to_rgba16());
    let [left, top, width, height] = HOLE;
    let mut same = (true, true);
    for (x, y, pixel) in before.enumerate_pixels() {
        let columns = (left - 4..left + width + 4).contains(&x);
        let equal = pixel == after.get_pixel(x, y);
        match columns && (top - 4..top + height + 4).contains(&y) {
            true => same.1 &= equal,
            false => same.0 &= equal,
        }
    }
    same
}

#[test]
fn a_folder_of_images_becomes_a_video() {
    let place = Place::new();
    images(&place, &[]);
    let shown = "stream=codec_name,pix_fmt,nb_read_frames,r_frame_rate";
    for (output, options, expected) in [
        ("a.mp4", &[][..], "h264,yuv420p,24/1,25"),
        ("b.mkv", &["--fps=29.97"], "h264,yuv420p,30000/1001,25"),
    ] {
        let words = ["frames", "--mask=mask.png", "-o", output];
        place.json(&[&words[..], options].concat());
        assert_eq!(probe(&place.at(output), "v", shown), [expected]);
    }
    // Numbered names mean the same, and nothing is lost where that is asked for.
    place.json(&[
        "frames/f%02d.png",
        "--mask=mask.png",
        "-o",
        "c.mkv",
        "--lossless",
    ]);
    let rgb = |file: &str| {
        let mut command = ffmpeg();
        command.arg("-i").arg(place.at(file));
        command.args(["-pix_fmt", "gbrp", "-f", "rawvideo", "-"]);
        output(&mut command).stdout
    };
    let before = rgb("frames/f%02d.png");
    let (outside, inside) = equal(&before, &rgb("c.mkv"), 160 * 96 * 3);
    assert!(outside && !inside);
}

#[test]
fn images_stay_images_with_their_names_and_bits() {
    let place = Place::new();
    for (format, color) in [
        ("rgb24", image::ColorType::Rgb8),
        ("rgba64be", image::ColorType::Rgba16),
        ("gray16be", image::ColorType::L16),
    ] {
        images(&place, &["-pix_fmt", format]);
        let lines = place.json(&["frames", "--mask=mask.png", "-o", "out/", "--force"]);
        assert_eq!(lines.last().unwrap()["frames"], 25);
        assert_eq!(fs::read_dir(place.at("out")).unwrap().count(), 25);
        let name = "f13.png";
        let [before, after] = ["frames", "out"].map(|folder| open(&place.at(folder).join(name)));
        assert_eq!(before.color(), color);
        assert_eq!(same(&before, &after), (true, false), "{format}");
    }
}

#[test]
fn a_video_becomes_numbered_images_the_right_way_up() {
    let place = Place::new();
    let clip = place.clip("clip.mp4", &["-c:v", "libx264", "-pix_fmt", "yuv420p"]);
    let mut turn = ffmpeg();
    turn.current_dir(place.folder.path()).args(["-i", clip]);
    output(turn.args(["-c", "copy", "-metadata:s:v", "rotate=90", "turned.mp4"]));
    place.json(&[clip, "--mask=mask.png", "-o", "a", "--images=jpg"]);
    assert_eq!(open(&place.at("a/00024.jpg")).width(), 160);
    let lines = place.json(&["turned.mp4", "--mask=mask.png", "-o", "b/"]);
    assert!(super::notices(&lines)[0].contains("rotated"), "{lines:?}");
    assert_eq!(open(&place.at("b/00000.png")).width(), 96);
}

#[test]
fn y4m_goes_into_a_file() {
    let place = Place::new();
    place.clip("in.y4m", &["-pix_fmt", "yuv422p"]);
    let mut command = place.command(&["-", "--mask=mask.png", "-o", "out.mkv", "--lossless"]);
    output(command.stdin(File::open(place.at("in.y4m")).unwrap()));
    let shown = "stream=codec_name,pix_fmt,nb_read_frames,r_frame_rate";
    let probed = probe(&place.at("out.mkv"), "v", shown);
    assert_eq!(probed, ["ffv1,yuv422p,25/1,25"]);
    let [before, after] = ["in.y4m", "out.mkv"].map(|file| pixels(&place.at(file)));
    assert_eq!(equal(&before, &after, 160 * 96 * 2), (true, false));
    // A stream that ends within a frame leaves no file.
    let whole = fs::read(place.at("in.y4m")).unwrap();
    fs::write(place.at("half.y4m"), &whole[..whole.len() / 2]).unwrap();
    let mut command = place.command(&["-", "--mask=mask.png", "-o", "half.mkv", "--quiet"]);
    let failed = command
        .stdin(File::open(place.at("half.y4m")).unwrap())
        .output();
    let told = String::from_utf8(failed.unwrap().stderr).unwrap();
    assert!(told.contains("ends within frame 12"), "{told}");
    assert!(!place.at("half.mkv").exists());
}

#[test]
fn bad_frames_get_one_sentence_and_leave_nothing() {
    let place = Place::new();
    images(&place, &[]);
    let copy = |folder: &str| {
        fs::create_dir(place.at(folder)).unwrap();
        for entry in fs::read_dir(place.at("frames")).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), place.at(folder).join(entry.file_name())).unwrap();
        }
        place.at(folder)
    };
    fs::write(copy("notes").join("note.txt"), "words").unwrap();
    fs::remove_file(copy("gap").join("f07.png")).unwrap();
    let sizes = copy("sizes").join("f09.png");
    image::GrayImage::new(8, 8).save(sizes).unwrap();
    let half = copy("half").join("f09.png");
    let bytes = fs::read(&half).unwrap();
    fs::write(half, &bytes[..bytes.len() / 2]).unwrap();
    fs::create_dir(place.at("empty")).unwrap();
    let before = place.names();
    for (input, out, expected) in [
        ("notes", "out.mp4", "note.txt is no image"),
        ("gap/f%02d.png", "out.mp4", "before gap/f08.png is missing"),
        ("none/%d.png", "out.mp4", "none/%d.png with the number 0"),
        ("sizes", "out.mp4", "f09.png has 8 × 8 pixels"),
        ("sizes", "out/", "f09.png has 8 × 8 pixels"),
        ("half", "out/", "f09.png cannot be read as an image"),
        ("frames", "frames/", "name another output"),
        ("frames", "gap", "--force replaces"),
        ("frames", "no/where/", "create it first"),
        ("frames", "mask.png/", "is a file"),
        ("empty", "out", "holds neither videos nor images"),
    ] {
        let told = place.refused(&[input, "--mask=mask.png", "-o", out, "--quiet"]);
        assert!(told.contains(expected), "{input} {out}: {told}");
        assert_eq!(place.names(), before, "{input} {out}");
    }
    let report = ["frames", "--mask=mask.png", "-o", "out/", "--report=r.html"];
    assert!(place.refused(&report).contains("leave out --report"));
}
