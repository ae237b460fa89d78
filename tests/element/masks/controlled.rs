//! Rectangles that move: children of the element under control sources.

use std::{
    ops::Range,
    sync::{Arc, Mutex},
};

use gst::{ClockTime, prelude::*};
use gst_controller::{
    DirectControlBinding, InterpolationControlSource, InterpolationMode, ProxyControlBinding,
    prelude::{InterpolationControlSourceExt, TimedValueControlSourceExt},
};
use gst_video::{VideoFormat, VideoInfo};

use crate::element::support::*;

const WIDTH: usize = 64;
const HEIGHT: usize = 16;

fn rgb() -> VideoInfo {
    info(VideoFormat::Rgb, WIDTH as u32, HEIGHT as u32)
}

/// Steers a property of a child by its values at these times.
fn steer(child: &gst::Object, property: &str, values: &[(ClockTime, f64)]) {
    let source = InterpolationControlSource::new();
    source.set_mode(InterpolationMode::Linear);
    for &(time, value) in values {
        assert!(TimedValueControlSourceExt::set(&source, time, value));
    }
    let binding = DirectControlBinding::new_absolute(child, property, &source);
    child.add_control_binding(&binding).unwrap();
}

fn proxy(element: &gst::Element) -> &gst::ChildProxy {
    element.dynamic_cast_ref().expect("it has children")
}

fn child(element: &gst::Element, name: &str) -> gst::Object {
    let child = proxy(element).child_by_name(name).expect("a child");
    child.downcast().expect("a GstObject")
}

fn numbers(element: &gst::Element) -> Vec<Vec<i32>> {
    let regions: gst::Array = element.property("mask-regions");
    let numbers = |region: &gst::glib::SendValue| {
        let region = region.get::<gst::ArrayRef>().unwrap();
        region.iter().map(|n| n.get().unwrap()).collect()
    };
    regions.iter().map(numbers).collect()
}

fn push_all(harness: &mut gst_check::Harness, range: Range<u64>) {
    for i in range {
        harness.push(frame(&rgb(), i)).unwrap();
    }
    harness.push_event(gst::event::Eos::new());
}

#[test]
fn the_hole_moves_with_the_control_source_frame_by_frame() {
    let element = element();
    element.set_property("mask-regions", regions(&[[0, 0, 8, 16]]));
    let region = child(&element, "region0");
    steer(&region, "x", &[(ClockTime::ZERO, 0.0), (FRAME * 10, 40.0)]);
    steer(
        &region,
        "width",
        &[(ClockTime::ZERO, 8.0), (FRAME * 10, 18.0)],
    );
    let mut harness = harness(&element, &rgb());
    push_all(&mut harness, 0..11);
    for i in 0..11 {
        let start = 4 * i as usize;
        let moved = Some(start..start + 8 + i as usize);
        assert_eq!(changed(&harness.pull().unwrap(), (WIDTH, HEIGHT), i), moved);
    }
    assert_eq!(numbers(&element), [[40, 0, 18, 16]]);
}

/// The stock bindings are for numbers, so the binding on `mask-regions` is one that passes
/// on to another object; that this has moved shows that the element's own was asked.
#[test]
fn bindings_on_mask_regions_itself_are_asked_for_each_frame() {
    let element = element();
    let other = crate::element::support::element();
    other.set_property("mask-regions", regions(&[[0, 0, 8, 16]]));
    let region = child(&other, "region0");
    steer(&region, "x", &[(ClockTime::ZERO, 0.0), (FRAME * 10, 40.0)]);
    let binding = ProxyControlBinding::new(&element, "mask-regions", &region, "x");
    element.add_control_binding(&binding).unwrap();
    let mut harness = harness(&element, &rgb());
    for i in 0..11 {
        harness.push(frame(&rgb(), i)).unwrap();
        assert_eq!(region.property::<i32>("x"), 4 * i as i32);
        let source = harness.srcpad().unwrap();
        source.peer_query(&mut gst::query::Drain::new());
    }
}

#[test]
fn the_time_that_counts_is_stream_time() {
    let element = element();
    element.set_property("mask-regions", regions(&[[0, 0, 8, 16]]));
    let values = [(FRAME * 5, 10.0), (FRAME * 8, 40.0)];
    steer(&child(&element, "region0"), "x", &values);
    let mut harness = harness(&element, &rgb());
    // Timestamp 0 is 5 frames into the stream, whatever the running time.
    let mut segment = gst::FormattedSegment::<ClockTime>::new();
    segment.set_time(FRAME * 5);
    segment.set_base(FRAME * 100);
    harness.push_event(gst::event::Segment::new(&segment));
    push_all(&mut harness, 0..4);
    for i in 0..4 {
        let start = 10 + 10 * i as usize;
        let out = harness.pull().unwrap();
        assert_eq!(changed(&out, (WIDTH, HEIGHT), i), Some(start..start + 8));
    }
}

#[test]
fn children_are_added_changed_and_removed_with_signals() {
    let element = element();
    let notified = Arc::new(Mutex::new(vec![]));
    let (added, removed) = (notified.clone(), notified.clone());
    proxy(&element).connect_child_added(move |_, _, name| {
        added.lock().unwrap().push(format!("+{name}"));
    });
    proxy(&element).connect_child_removed(move |_, _, name| {
        removed.lock().unwrap().push(format!("-{name}"));
    });
    element.set_property("mask-regions", regions(&[[1, 2, 3, 4], [5, 6, 7, 8]]));
    let first = child(&element, "region0");
    element.set_property("mask-regions", regions(&[[9, 2, 3, 4]]));
    assert_eq!(child(&element, "region0"), first, "set, not made anew");
    assert_eq!(first.property::<i32>("x"), 9);
    element.set_property("mask-regions", regions(&[]));
    assert_eq!(proxy(&element).children_count(), 0);
    assert_eq!(
        *notified.lock().unwrap(),
        ["+region0", "+region1", "-region1", "-region0"]
    );
}

#[test]
fn a_childs_properties_are_what_mask_regions_reads() {
    let element = element();
    element.set_property("mask-regions", regions(&[[1, 2, 3, 4], [5, 6, 7, 8]]));
    for (name, value) in [("x", -3), ("y", 20), ("width", 30), ("height", 0)] {
        let full = format!("region1::{name}");
        proxy(&element).set_child_property(&full, value);
        assert_eq!(proxy(&element).child_property::<i32>(&full), value);
        let pspec = child(&element, "region1").find_property(name).unwrap();
        assert!(pspec.flags().contains(gst::PARAM_FLAG_CONTROLLABLE));
        assert!(pspec.flags().contains(gst::PARAM_FLAG_MUTABLE_PLAYING));
        assert!(pspec.blurb().is_some_and(|blurb| blurb.len() > 10));
    }
    assert_eq!(numbers(&element), [[1, 2, 3, 4], [-3, 20, 30, 0]]);
    let regions = element.find_property("mask-regions").unwrap();
    assert!(regions.flags().contains(gst::PARAM_FLAG_CONTROLLABLE));
}

#[test]
fn a_launch_line_sets_a_childs_property() {
    init();
    let element = gst::parse::launch(
        "propainter mask-regions=\"<<0,0,64,32>,<1,1,2,2>>\" region0::x=40 region1::height=9",
    )
    .unwrap();
    assert_eq!(numbers(&element), [[40, 0, 64, 32], [1, 1, 2, 9]]);
}

#[test]
fn what_a_frame_brought_counts_and_not_what_is_set_later() {
    let element = element();
    // No mask has come for the frames: they wait in the queue.
    let masks = MaskSource::new(&element, WIDTH as u32, HEIGHT as u32);
    let mut harness = harness(&element, &rgb());
    for i in 0..4 {
        let x = 8 * i as i32;
        element.set_property("mask-regions", regions(&[[x, 0, 8, 16]]));
        harness.push(frame(&rgb(), i)).unwrap();
    }
    element.set_property("mask-regions", regions(&[]));
    masks.end();
    harness.push_event(gst::event::Eos::new());
    for i in 0..4 {
        let start = 8 * i as usize;
        let out = harness.pull().unwrap();
        assert_eq!(changed(&out, (WIDTH, HEIGHT), i), Some(start..start + 8));
    }
}
