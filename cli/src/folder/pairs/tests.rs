//! Tests of the pairs: which names belong together.

use super::*;

/// A folder with `videos` and `masks`; a name that ends in `/` is a folder.
fn tree(videos: &[&str], masks: &[&str]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for (folder, names) in [("videos", videos), ("masks", masks)] {
        fs::create_dir(root.path().join(folder)).unwrap();
        for name in names {
            let path = root.path().join(folder).join(name);
            match name.ends_with('/') {
                true => fs::create_dir(path).unwrap(),
                false => fs::write(path, "").unwrap(),
            }
        }
    }
    root
}

/// Each clip with the name of its mask, or with the sentence about it; and the remarks.
fn paired(videos: &[&str], masks: &[&str]) -> (Vec<(String, String)>, Vec<String>) {
    let root = tree(videos, masks);
    let at = |name: &str| root.path().join(name);
    let pairs = pair(&at("videos"), Some(&at("masks")), &at("out"), None).unwrap();
    let plain = |text: &str| text.replace(&format!("{}/", root.path().display()), "");
    let clips = pairs.clips.iter().map(|clip| {
        let found = match (&clip.problem, &clip.mask) {
            (Some(problem), _) => plain(&problem.to_string()),
            (None, mask) => plain(&mask.as_ref().unwrap().display().to_string()),
        };
        (clip.name.clone(), found)
    });
    (
        clips.collect(),
        pairs.remarks.iter().map(|text| plain(text)).collect(),
    )
}

#[test]
fn masks_are_found_by_name_in_every_form() {
    let videos = ["a.mp4", "b.MOV", "c.mkv", "d.avi", "e.webm", "f.v2.mp4"];
    let masks = [
        "a.png",
        "b/",
        "c.mkv",
        "d_mask.tif",
        "e_mask/",
        "f.v2.mp4.png",
    ];
    let (clips, remarks) = paired(&videos, &masks);
    let found: Vec<&str> = clips.iter().map(|(_, mask)| mask.as_str()).collect();
    assert_eq!(
        found,
        masks.map(|mask| format!("masks/{}", mask.trim_end_matches('/')))
    );
    assert_eq!(remarks, [""; 0]);
}

#[test]
fn a_whole_name_wins_over_a_stem() {
    let masks = ["a.mp4.png", "a.mov_mask/"];
    let (clips, _) = paired(&["a.mp4", "a.mov"], &masks);
    let found: Vec<&str> = clips.iter().map(|(_, mask)| mask.as_str()).collect();
    assert_eq!(found, ["masks/a.mov_mask", "masks/a.mp4.png"]);
}

#[test]
fn each_wrong_name_is_one_sentence_about_its_clip() {
    let videos = ["a.mp4", "b.mp4", "c.mov", "c.mp4", "d.mp4"];
    let (clips, remarks) = paired(&videos, &["a.png", "a/", "c.png", "d.png", "x.png"]);
    let said: Vec<&str> = clips.iter().map(|(_, found)| found.as_str()).collect();
    let shared = |clip: &str, other: &str| {
        format!(
            "the mask c.png would serve {other}, too: name their masks {clip}.png and {other}.png"
        )
    };
    assert_eq!(
        said,
        [
            "masks holds several masks for it, a and a.png: keep one",
            "masks holds no mask for it: name one b.png, b.mkv or b_mask.png, or a folder of images b",
            &shared("c.mov", "c.mp4"),
            &shared("c.mp4", "c.mov"),
            "masks/d.png",
        ]
    );
    assert_eq!(
        remarks,
        ["masks/x.png is the mask of no clip: rename it after its clip, or remove it"]
    );
}

#[test]
fn clips_and_masks_may_lie_in_one_folder() {
    let root = tree(
        &[
            "a.mp4",
            "a_mask.mkv",
            "b.mp4",
            "b.png",
            "c_mask.mp4",
            "c_mask.png",
        ],
        &[],
    );
    let folder = root.path().join("videos");
    let pairs = pair(&folder, Some(&folder), &root.path().join("out"), None).unwrap();
    let masks: Vec<_> = pairs
        .clips
        .iter()
        .map(|clip| clip.mask.clone().unwrap())
        .collect();
    // The clip c_mask.mp4 is no mask: there is no c.
    let expected = ["a_mask.mkv", "b.png", "c_mask.png"].map(|name| folder.join(name));
    assert_eq!(masks, expected);
    assert_eq!(pairs.remarks, [""; 0]);
}

#[test]
fn outputs_keep_their_names_and_never_meet() {
    let root = tree(&["a.avi", "a.mkv", "b.mp4", "c.avi", "c.avi.mkv"], &[]);
    let pairs = pair(
        &root.path().join("videos"),
        None,
        &root.path().join("out"),
        None,
    )
    .unwrap();
    let outputs = pairs
        .clips
        .iter()
        .map(|clip| clip.output.file_name().unwrap().to_str().unwrap());
    assert_eq!(
        outputs.collect::<Vec<_>>(),
        ["a.avi.mkv", "a.mkv", "b.mp4", "c.avi.mkv", "c.avi.mkv"]
    );
    let refused = pairs
        .clips
        .iter()
        .filter_map(|clip| clip.problem.as_ref()?.to_string().into());
    let said: Vec<String> = refused.collect();
    assert!(
        said[0].starts_with("c.avi.mkv has the same output, "),
        "{said:?}"
    );
    assert!(
        said[1].starts_with("c.avi has the same output, "),
        "{said:?}"
    );
    assert_eq!(said.len(), 2);
}

#[test]
fn no_folder_is_written_to_while_it_is_read() {
    let root = tree(&["a.mp4"], &["a.png"]);
    let at = |name: &str| root.path().join(name);
    for (output, read) in [
        ("videos/new/out", "videos"),
        ("masks", "masks"),
        ("masks/../videos", "videos"),
    ] {
        let error = pair(&at("videos"), Some(&at("masks")), &at(output), None).unwrap_err();
        let expected = format!(
            "{} lies in {}, which is read: name an output folder outside of it",
            at(output).display(),
            at(read).display()
        );
        assert_eq!(error.to_string(), expected);
    }
    // Around the clips is outside of them.
    assert!(pair(&at("videos"), None, root.path(), None).is_ok());
}

#[test]
fn a_folder_without_videos_says_what_counts_as_one() {
    let root = tree(&["notes.txt", "sub/"], &[]);
    let error = pair(
        &root.path().join("videos"),
        None,
        &root.path().join("out"),
        None,
    )
    .unwrap_err();
    assert!(matches!(error, PairError::Empty(_)), "{error}");
    let error = pair(
        &root.path().join("absent"),
        None,
        &root.path().join("out"),
        None,
    )
    .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("absent cannot be read: No such file"),
        "{error}"
    );
}
