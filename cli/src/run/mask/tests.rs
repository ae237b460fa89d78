use super::*;

/// Returns a folder with small images of these names.
fn folder(names: &[&str]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in names {
        let file = folder.path().join(name);
        let image = image::GrayImage::new(2, 2);
        image
            .save_with_format(file, image::ImageFormat::Png)
            .unwrap();
    }
    folder
}

fn names(source: &MaskSource) -> Vec<(u64, String)> {
    let MaskSource::Sequence(files) = source else {
        panic!("{source:?}");
    };
    let name = |file: &Path| file.file_name().unwrap().to_str().unwrap().to_owned();
    files.iter().map(|(n, file)| (*n, name(file))).collect()
}

#[test]
fn a_folder_gives_its_images_in_order_of_name() {
    let many = folder(&["b.jpg", "a 10.png", "a 9.png", ".hidden"]);
    let found = MaskSource::find(many.path()).unwrap();
    let expected = ["a 10.png", "a 9.png", "b.jpg"];
    assert!(names(&found).into_iter().map(|(_, name)| name).eq(expected));
    let one = folder(&["only"]);
    let found = MaskSource::find(one.path()).unwrap();
    assert_eq!(found, MaskSource::Image(one.path().join("only")));
    let none = folder(&[]);
    let error = MaskSource::find(none.path()).unwrap_err().to_string();
    assert!(error.contains("is empty"), "{error}");
    fs::write(many.path().join("note.txt"), "x").unwrap();
    let error = MaskSource::find(many.path()).unwrap_err().to_string();
    assert!(error.contains("note.txt is no image"), "{error}");
}

#[test]
fn a_numbered_sequence_keeps_its_gaps() {
    let place = folder(&["m1.png", "m10.png", "m2.png", "mx.png"]);
    let found = MaskSource::find(&place.path().join("m%d.png")).unwrap();
    let expected = [(0, "m1.png"), (1, "m2.png"), (9, "m10.png")];
    assert_eq!(
        names(&found),
        expected.map(|(n, name)| (n, name.to_owned()))
    );
    let late = folder(&["m5.png"]);
    let error = MaskSource::find(&late.path().join("m%d.png")).unwrap_err();
    assert!(error.to_string().contains("the number 0 or 1"), "{error}");
}

#[test]
fn the_content_decides_what_a_file_is() {
    let place = folder(&["mask.mp4"]);
    let image = place.path().join("mask.mp4");
    assert_eq!(MaskSource::find(&image).unwrap(), MaskSource::Image(image));
    let video = place.path().join("video.png");
    fs::write(&video, "no image").unwrap();
    assert_eq!(MaskSource::find(&video).unwrap(), MaskSource::Video(video));
    let error = MaskSource::find(&place.path().join("nothing")).unwrap_err();
    assert!(
        error.to_string().contains("nothing cannot be read"),
        "{error}"
    );
}

#[test]
fn rectangles_are_the_value_of_a_property() {
    let all = ["1,2,3,4", " -5, 6,7,8"].map(|text| text.parse().unwrap());
    let regions = Rectangle::regions(&all);
    assert_eq!(regions, "<<1,2,3,4>,<-5,6,7,8>>");
    let mut settings = crate::run::ElementSettings::default();
    settings.set("mask-regions", &regions).unwrap();
    for text in ["", "1,2,3", "1,2,0,4", "a,b,c,d", "1,2,3,4,5"] {
        assert!(text.parse::<Rectangle>().is_err(), "{text}");
    }
}

#[test]
fn a_sequence_can_begin_at_any_frame() {
    gst::init().unwrap();
    propainter_elements::plugin_register_static().unwrap();
    let place = folder(&["0.png", "1.png", "4.png", "5.png"]);
    let source = MaskSource::find(&place.path().join("%d.png")).unwrap();
    for (first, expected) in [
        (0, vec![(0, "0"), (1, "1"), (4, "4"), (5, "5")]),
        (1, vec![(0, "1"), (1, "1"), (4, "4"), (5, "5")]),
        (3, vec![(0, "1"), (3, "1"), (4, "4"), (5, "5")]),
        (4, vec![(0, "4"), (4, "4"), (5, "5")]),
        (9, vec![(0, "5"), (9, "5")]),
    ] {
        let element = gst::ElementFactory::make("propainter").build().unwrap();
        let pipeline = gst::Pipeline::new();
        let attached = source.attach(&element, &pipeline, first).unwrap();
        let (links, _) = attached.links.as_ref().unwrap();
        let mut found: Vec<_> = fs::read_dir(links.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .map(|link| (link.clone(), fs::read_link(link).unwrap()))
            .collect();
        found.sort();
        let stem = |path: &Path| path.file_stem().unwrap().to_str().unwrap().to_owned();
        let found: Vec<_> = found.iter().map(|(a, b)| (stem(a), stem(b))).collect();
        let expected = expected
            .iter()
            .map(|(n, name)| (n.to_string(), (*name).to_owned()));
        assert_eq!(found, expected.collect::<Vec<_>>(), "{first}");
    }
}
