//! Tests of the record: what is known of a clip at each moment.

use std::time::{Duration, SystemTime};

use super::*;

/// A clip, a mask, and the place of an output.
struct Place {
    root: tempfile::TempDir,
    settings: ElementSettings,
    weights: &'static str,
}

impl Place {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        for (name, content) in [("clip.mp4", "clip"), ("mask.png", "mask")] {
            fs::write(root.path().join(name), content).unwrap();
        }
        Self {
            root,
            settings: ElementSettings::default(),
            weights: "a",
        }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn record(&self) -> Record {
        let mask = MaskSource::Image(self.at("mask.png"));
        let recipe = Recipe::new(
            &self.at("clip.mp4"),
            &mask,
            &self.settings,
            "as the source",
            Some(self.weights),
        );
        Record::new(self.at("job"), self.at("out.mp4"), recipe.unwrap())
    }

    fn make(&self) {
        let record = self.record();
        record.begin().unwrap();
        fs::write(record.complete(), "made").unwrap();
        record.finish(Existing::Refuse).unwrap();
    }

    fn touch(&self, name: &str) {
        let file = File::options().write(true).open(self.at(name)).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(100))
            .unwrap();
    }
}

#[test]
fn each_moment_of_a_clip_is_known_afterwards() {
    let place = Place::new();
    let record = place.record();
    assert_eq!(record.find(), Found::Nothing);
    record.begin().unwrap();
    assert_eq!(record.find(), Found::Begun);
    fs::write(record.complete(), "made").unwrap();
    // It may be half of it: only the record says that it is all.
    assert_eq!(record.find(), Found::Begun);
    record
        .write(Some(Stamp::of(&record.complete()).unwrap()))
        .unwrap();
    assert_eq!(record.find(), Found::Complete);
    record.finish(Existing::Refuse).unwrap();
    assert_eq!(record.find(), Found::Done);
    assert_eq!(fs::read(place.at("out.mp4")).unwrap(), b"made");
    fs::remove_file(place.at("out.mp4")).unwrap();
    assert_eq!(record.find(), Found::Begun);
}

#[test]
fn a_presence_of_a_file_proves_nothing() {
    let place = Place::new();
    fs::write(place.at("out.mp4"), "mine").unwrap();
    let other = Found::Other("it was not made by this command".to_owned());
    assert_eq!(place.record().find(), other);
    fs::remove_file(place.at("out.mp4")).unwrap();
    place.make();
    fs::write(place.at("out.mp4"), "edited").unwrap();
    assert_eq!(place.record().find(), other);
}

#[test]
fn whatever_decides_the_result_is_part_of_the_record() {
    let changed = |change: fn(&mut Place)| {
        let mut place = Place::new();
        place.make();
        assert_eq!(place.record().find(), Found::Done);
        change(&mut place);
        let found = place.record().find();
        fs::remove_file(place.at("out.mp4")).unwrap();
        // Nor is what was begun by the other recipe used.
        assert_eq!(place.record().find(), Found::Nothing);
        found
    };
    let other = |why: &str| Found::Other(why.to_owned());
    assert_eq!(
        changed(|place| place.touch("clip.mp4")),
        other("the clip has changed since")
    );
    assert_eq!(
        changed(|place| place.touch("mask.png")),
        other("its masks have changed since")
    );
    assert_eq!(
        changed(|place| place.settings.set("mask-dilation", "9").unwrap()),
        other("it was made with other settings")
    );
    assert_eq!(
        changed(|place| place.weights = "b"),
        other("it was made with other weights")
    );
}

#[test]
fn a_broken_record_is_none() {
    let place = Place::new();
    place.make();
    fs::remove_file(place.at("out.mp4")).unwrap();
    for text in [
        "",
        "{",
        "[]",
        r#"{"version": 2, "recipe": {}}"#,
        r#"{"version": 1, "recipe": 3}"#,
    ] {
        fs::write(place.at("job/record.json"), text).unwrap();
        assert_eq!(place.record().find(), Found::Nothing, "{text}");
    }
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let place = Place::new();
    let mask = MaskSource::Image(place.at("absent.png"));
    let recipe = Recipe::new(&place.at("clip.mp4"), &mask, &place.settings, "", None);
    let error = recipe.unwrap_err().to_string();
    assert!(
        error.contains("absent.png cannot be read: No such file"),
        "{error}"
    );
}
