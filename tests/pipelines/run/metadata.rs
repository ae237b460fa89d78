//! Chapters and tags, which GStreamer alone would lose.

use std::fs;

use super::{Place, notices};
use crate::pipelines::tools::probe;

#[test]
fn chapters_and_tags_survive_every_change_of_container() {
    let place = Place::new();
    let chapter = |start: u32, title: &str| {
        format!(
            "[CHAPTER]\nTIMEBASE=1/1000\nSTART={start}\nEND={}\ntitle={title}\n",
            start + 500
        )
    };
    let tags = ";FFMETADATA1\ntitle=My \"first\" film\nartist=Some Öne\n";
    let text = format!(
        "{tags}{}{}",
        chapter(0, "Chapter one"),
        chapter(500, "Zwei ü")
    );
    fs::write(place.at("meta.txt"), text).unwrap();
    for input in ["clip.mkv", "clip.mp4"] {
        let more = ["-i", "meta.txt", "-map_metadata", "1", "-c:v", "libx264"];
        let clip = place.clip(input, &more);
        for name in ["out.mkv", "out.mp4", "out.mov"] {
            let lines = place.json(&[clip, "--mask=mask.png", "-o", name, "--force"]);
            assert_eq!(notices(&lines), [""; 0], "{input} {name}");
            let out = place.at(name);
            let chapters = probe(&out, "v", "chapter_tags=title");
            assert_eq!(chapters, ["Chapter one", "Zwei ü"], "{input} {name}");
            let starts = probe(&out, "v", "chapter=start_time");
            let starts = starts
                .iter()
                .map(|start| start.split(',').next().unwrap_or(start));
            assert!(starts.eq(["0.000000", "0.500000"]), "{input} {name}");
            let tags = probe(&out, "v", "format_tags=title,artist");
            let tags = tags.join(",").replace("\"\"", "\"");
            for tag in ["My \"first\" film", "Some Öne"] {
                assert!(tags.contains(tag), "{input} {name}: {tags}");
            }
            // The file is whole: all of it can be decoded.
            assert_eq!(
                probe(&out, "v", "stream=nb_read_frames"),
                ["25"],
                "{input} {name}"
            );
        }
    }
}

#[test]
fn what_is_lost_is_remarked() {
    let place = Place::new();
    fs::write(place.at("font.ttf"), "a font").unwrap();
    let attach = [
        "-c:v",
        "libx264",
        "-attach",
        "font.ttf",
        "-metadata:s:t",
        "mimetype=application/x-truetype-font",
    ];
    let clip = place.clip("clip.mkv", &attach);
    let lines = place.json(&[clip, "--mask=mask.png", "-o", "out.mkv"]);
    assert!(notices(&lines)[0].contains("attachments"), "{lines:?}");
}

#[test]
fn a_damaged_file_tells_how_many_frames_are_missing() {
    let place = Place::new();
    let encode = [
        "-c:v",
        "libx264",
        "-pix_fmt",
        "yuv420p",
        "-movflags",
        "faststart",
    ];
    let clip = place.clip("clip.mp4", &encode);
    let mut bytes = fs::read(place.at(clip)).unwrap();
    let length = bytes.len();
    bytes[length * 3 / 4..length * 7 / 8].fill(0x55);
    fs::write(place.at(clip), bytes).unwrap();
    let lines = place.json(&[clip, "--mask=mask.png", "-o", "out.mp4"]);
    let done = lines.last().unwrap();
    let frames = done["frames"].as_u64().unwrap();
    let told = notices(&lines).join(" ");
    assert!(
        frames < 25 && told.contains("were not decoded"),
        "{frames}: {told}"
    );
}
