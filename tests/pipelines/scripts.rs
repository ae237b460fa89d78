//! Each script writes a playable mp4 with every frame, and with the sound there was.

use std::{fs, os::unix::fs::symlink, path::Path};

use propainter_tests::shared::media;

use super::{
    clips::{Content, cut, decoded, generate, mask, packets},
    plugin,
};

/// Runs a script of `pipelines/` with its arguments, and settings as environment variables;
/// what it prints.
pub fn script(name: &str, arguments: &[&str], settings: &[(&str, &str)]) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../pipelines")
        .join(name);
    let output = plugin()
        .command(file)
        .args(arguments)
        .envs(settings.iter().copied())
        .output()
        .expect("the script runs");
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    assert!(output.status.success(), "{name} {arguments:?}:\n{text}");
    text.into_owned()
}

pub fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

fn frames(file: &Path) -> usize {
    decoded(file)["video/x-raw"].buffers
}

pub const FAST: [&str; 2] = ["model=propagation", "device=cpu"];

#[test]
fn logo_keeps_every_frame_and_aac_sound_bit_for_bit() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (clip, image, out) = (at("a clip.mp4"), at("mask.png"), at("an out.mp4"));
    generate(&clip, 12, "mp4mux", Some("avenc_aac"));
    mask(&image, (80, 48), [10, 10, 20, 16]);
    script(
        "logo.sh",
        &[&[text(&clip), text(&image), text(&out)], &FAST[..]].concat(),
        &[],
    );
    assert_eq!(frames(&out), 12);
    let (before, after) = (packets(&clip), packets(&out));
    assert!(before["audio/mpeg"].buffers > 10);
    assert_eq!(after["audio/mpeg"], before["audio/mpeg"]);
    assert!(decoded(&out).contains_key("audio/x-raw"));
}

#[test]
fn logo_turns_other_sound_into_aac() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (clip, image, out) = (at("clip.mkv"), at("mask.png"), at("out.mp4"));
    generate(&clip, 12, "matroskamux", Some("vorbisenc"));
    mask(&image, (160, 96), [10, 10, 20, 16]);
    script(
        "logo.sh",
        &[&[text(&clip), text(&image), text(&out)], &FAST[..]].concat(),
        &[],
    );
    assert_eq!(frames(&out), 12);
    assert!(packets(&out)["audio/mpeg"].buffers > 10);
}

#[test]
fn logo_of_a_silent_clip_is_silent() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (clip, image, out) = (at("clip.mp4"), at("mask.png"), at("out.mp4"));
    generate(&clip, 12, "mp4mux", None);
    mask(&image, (160, 96), [10, 10, 20, 16]);
    script(
        "logo.sh",
        &[&[text(&clip), text(&image), text(&out)], &FAST[..]].concat(),
        &[],
    );
    assert_eq!(frames(&out), 12);
    assert_eq!(packets(&out).len(), 1);
}

#[test]
fn logo_of_a_real_clip_with_a_mask_of_another_size() {
    let (Some(car), Some(image)) = (media("running_car.mp4"), media("mask_square.png")) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let (clip, out) = (
        folder.path().join("clip.mp4"),
        folder.path().join("out.mp4"),
    );
    cut(&car, &clip, 12);
    script(
        "logo.sh",
        &[
            &[text(&clip), text(&image), text(&out), "resize-ratio=0.25"],
            &FAST[..],
        ]
        .concat(),
        &[],
    );
    let expected = frames(&clip);
    assert!(expected >= 12);
    assert_eq!(frames(&out), expected);
    assert_eq!(packets(&out)["audio/mpeg"], packets(&clip)["audio/mpeg"]);
}

#[test]
fn masks_take_a_sequence_of_masks_beside_the_frames() {
    let folder = tempfile::tempdir().unwrap();
    for i in 0..12u32 {
        let frame = image::RgbImage::from_fn(96, 64, |x, y| {
            image::Rgb([(x * 2 + i) as u8, (y * 3) as u8, (x ^ y) as u8])
        });
        let name = folder.path().join(format!("{i:03}.jpg"));
        frame.save(name).unwrap();
        let name = folder.path().join(format!("mask{i:03}.png"));
        mask(&name, (96, 64), [4 * i, 8, 16, 16]);
    }
    let out = folder.path().join("out.mp4");
    let at = |pattern: &str| text(folder.path()).to_owned() + "/" + pattern;
    script(
        "masks.sh",
        &[
            &[&at("%03d.jpg")[..], &at("mask%03d.png"), text(&out)],
            &FAST[..],
        ]
        .concat(),
        &[("FPS", "24")],
    );
    assert_eq!(frames(&out), 12);
}

#[test]
fn masks_of_a_real_scene() {
    let (Some(scene), Some(masks)) = (media("bmx-trees"), media("bmx-trees_mask")) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    for i in 0..12 {
        let (frame, mask) = (format!("{i:05}.jpg"), format!("{i:05}.png"));
        for (from, name) in [(&scene, frame), (&masks, mask)] {
            let from = fs::canonicalize(from.join(&name)).unwrap();
            symlink(from, folder.path().join(name)).unwrap();
        }
    }
    let out = folder.path().join("out.mp4");
    let at = |pattern: &str| text(folder.path()).to_owned() + "/" + pattern;
    script(
        "masks.sh",
        &[
            &[&at("%05d.jpg")[..], &at("%05d.png"), text(&out)],
            &FAST[..],
        ]
        .concat(),
        &[],
    );
    assert_eq!(frames(&out), 12);
}

#[test]
fn regions_of_a_live_picture_and_of_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (live, clip, out) = (at("live.mp4"), at("clip.mp4"), at("out.mp4"));
    let regions = "<<40,30,32,24>,<0,0,8,8>>";
    script(
        "regions.sh",
        &[&[regions, text(&live), "live"], &FAST[..]].concat(),
        &[("FRAMES", "12")],
    );
    assert_eq!(frames(&live), 12);

    generate(&clip, 12, "mp4mux", None);
    script(
        "regions.sh",
        &[&[regions, text(&out), text(&clip)], &FAST[..]].concat(),
        &[],
    );
    assert_eq!(frames(&out), 12);
    let content = packets(&out)["video/x-h264"];
    assert_ne!(content, Content::default());
}

#[test]
fn budget_is_a_cards_size_or_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (clip, image, out) = (at("a clip.mp4"), at("mask.png"), at("an out.mp4"));
    generate(&clip, 12, "mp4mux", None);
    mask(&image, (160, 96), [10, 10, 20, 16]);
    for budget in ["8gb", "3221225472"] {
        let told = script(
            "budget.sh",
            &[
                &["--force", text(&clip), text(&image), text(&out), budget],
                &FAST[..],
            ]
            .concat(),
            &[],
        );
        assert!(told.contains("look-ahead"), "{told}");
        assert_eq!(frames(&out), 12);
    }
}

/// As a user starts it, with the networks: the plan is told.
#[cfg(feature = "networks")]
#[test]
fn budget_tells_the_plan() {
    let Some(weights) = propainter_tests::golden::weights_folder() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (clip, image, out) = (at("clip.mp4"), at("mask.png"), at("out.mp4"));
    generate(&clip, 3, "mp4mux", None);
    mask(&image, (160, 96), [10, 10, 20, 16]);
    let weights = format!("weights={}", text(weights));
    let settings = [
        "model=propainter",
        "device=cpu",
        "raft-iterations=1",
        "width=64",
        "height=64",
    ];
    let told = script(
        "budget.sh",
        &[
            &[text(&clip), text(&image), text(&out), "8gb", &weights],
            &settings[..],
        ]
        .concat(),
        &[],
    );
    assert!(told.contains("plan: "), "{told}");
    assert_eq!(frames(&out), 3);
}
