//! The element's public face.

use gst::prelude::*;

use crate::element::support::*;

#[test]
fn regions_are_read_from_a_launch_line_and_back() {
    init();
    let element = gst::parse::launch(
        "propainter mask-regions=\"<<40,30,32,24>,<0,0,8,8>>\" width=640 mode=reference",
    )
    .unwrap();
    let regions: gst::Array = element.property("mask-regions");
    let numbers: Vec<Vec<i32>> = regions
        .iter()
        .map(|region| {
            let region = region.get::<gst::ArrayRef>().unwrap();
            region.iter().map(|n| n.get().unwrap()).collect()
        })
        .collect();
    assert_eq!(numbers, [[40, 30, 32, 24], [0, 0, 8, 8]]);
    assert_eq!(element.property::<u32>("width"), 640);
}

#[test]
fn regions_that_are_none_change_nothing() {
    let element = element();
    element.set_property("mask-regions", regions(&[[1, 2, 3, 4]]));
    for bad in [
        regions(&[[0, 0, -1, 5]]),
        regions(&[[0, 0, 1, 5], [0, 0, 5, i32::MIN]]),
        gst::Array::from_iter([gst::Array::new([1, 2, 3]).to_send_value()]),
    ] {
        element.set_property("mask-regions", bad);
        let kept: gst::Array = element.property("mask-regions");
        assert_eq!(kept.len(), 1);
    }
}

#[test]
fn every_property_is_documented_and_keeps_its_value() {
    let element = element();
    for pspec in element.list_properties() {
        if pspec.owner_type().name() != "GstPropainter" {
            continue;
        }
        let name = pspec.name();
        assert!(pspec.nick() != name, "{name} has no nick");
        assert!(
            pspec.blurb().is_some_and(|blurb| blurb.len() > 10),
            "{name}"
        );
        let value = element.property_value(name);
        if pspec.flags().contains(gst::glib::ParamFlags::WRITABLE) {
            element.set_property_from_value(name, &value);
            let kept = element.property_value(name);
            assert_eq!(format!("{kept:?}"), format!("{value:?}"));
        }
    }
}

/// What `gst-inspect-1.0` prints of the element, without versions and paths.
#[test]
fn gst_inspect_shows_the_public_face() {
    let output = crate::pipelines::plugin()
        .command("gst-inspect-1.0")
        .args(["--no-colors", "propainter"])
        .output()
        .expect("gst-inspect-1.0 runs");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    // With the driver of a GPU the pads also offer its memory: this line and the lines below it.
    let mut lines: Vec<_> = text.lines().collect();
    while let Some(at) = lines.iter().position(|l| l.contains("(memory:CUDAMemory)")) {
        let below = lines[at + 1..].iter();
        let fields = below.take_while(|line| line.contains(": ") && !line.contains("template"));
        let end = at + 1 + fields.count();
        lines.drain(at..end);
    }
    let volatile = ["Filename ", "Version ", "Source module ", "Binary package "];
    let face: String = lines
        .into_iter()
        .map(str::trim_end)
        .filter(|line| !volatile.iter().any(|v| line.trim_start().starts_with(v)))
        .map(|line| format!("{line}\n"))
        .collect();
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/element/gst-inspect.txt");
    if std::env::var_os("UPDATE_SNAPSHOT").is_some() {
        std::fs::write(file, &face).expect("writable");
    }
    let expected = std::fs::read_to_string(file).expect("the snapshot");
    assert!(
        face == expected,
        "gst-inspect-1.0 shows something new; if it is meant, run this test with \
         UPDATE_SNAPSHOT=1\n{face}"
    );
}
