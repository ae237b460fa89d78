//! Each bad input gets one sentence with the file and what to do, and nothing is written.

use std::fs;

use super::Place;

#[test]
fn each_bad_input_gets_one_sentence() {
    let place = Place::new();
    let clip = place.clip("clip.mp4", &["-c:v", "libx264", "-pix_fmt", "yuv420p"]);
    let clip_bytes = fs::read(place.at(clip)).unwrap();
    fs::write(place.at("cut.mp4"), &clip_bytes[..clip_bytes.len() / 2]).unwrap();
    fs::write(
        place.at("text.mp4"),
        "some words and more words, but no video",
    )
    .unwrap();
    fs::create_dir(place.at("empty")).unwrap();
    fs::create_dir(place.at("mixed")).unwrap();
    fs::copy(place.at("mask.png"), place.at("mixed/1.png")).unwrap();
    fs::write(place.at("mixed/note.txt"), "no image").unwrap();
    let mut png = fs::read(place.at("mask.png")).unwrap();
    png.truncate(png.len() / 2);
    fs::write(place.at("half.png"), png).unwrap();
    let before = place.names();
    for (input, mask, output, expected) in [
        (
            "nothing.mp4",
            "mask.png",
            "out.mp4",
            "nothing.mp4 cannot be read",
        ),
        // Which element notices first decides between two sentences; both name the file.
        ("cut.mp4", "mask.png", "out.mp4", "cut.mp4"),
        ("text.mp4", "mask.png", "out.mp4", "text.mp4: "),
        (clip, "nothing.png", "out.mp4", "nothing.png cannot be read"),
        (clip, "text.mp4", "out.mp4", "text.mp4: "),
        (
            clip,
            "empty",
            "out.mp4",
            "empty is empty: put one image into it",
        ),
        (clip, "mixed", "out.mp4", "note.txt is no image"),
        (clip, "m%d.png", "out.mp4", "m%d.png with the number 0 or 1"),
        (
            clip,
            "half.png",
            "out.mp4",
            "half.png cannot be read as an image",
        ),
        (clip, "mask.png", "clip.mp4", "name another output"),
        (clip, "mask.png", "text.mp4", "--force replaces it"),
        (clip, "mask.png", "nowhere/out.mp4", "create it first"),
    ] {
        let told = place.refused(&[input, "--mask", mask, "-o", output, "--quiet"]);
        assert!(told.contains(expected), "{input} {mask} {output}: {told}");
        assert_eq!(place.names(), before, "{input} {mask} {output}");
    }
    let told = place.refused(&[clip, "-o", "out.mp4"]);
    assert!(told.contains("name a mask"), "{told}");
    let told = place.refused(&[
        clip,
        "-o",
        "out.mp4",
        "--rectangle=0,0,8,8",
        "--report=clip.mp4",
    ]);
    assert!(told.contains("name another output"), "{told}");
    assert_eq!(fs::read(place.at(clip)).unwrap(), clip_bytes);
}

#[test]
fn an_unknown_option_value_is_wrong_usage() {
    let place = Place::new();
    for (option, expected) in [
        ("--mode=fast", "[possible values: auto, reference, sliding]"),
        ("--subvideo-length=1", "a number from 2 to 100000"),
        ("--rectangle=1,2,3", "four numbers"),
        ("--expand=wide", "such as 16:9"),
        ("--quality=0", "1..=100"),
        ("--nonsense", "--nonsense"),
    ] {
        let output = place.run(&["clip.mp4", "-o", "out.mp4", option]);
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(told.contains(expected), "{told}");
    }
}
