//! Serialised events and queries keep their place; some of them drain.

use gst::{ClockTime, EventType, prelude::*};
use gst_video::{VideoFormat, VideoInfo, VideoMeta};

use crate::element::support::*;

fn tag(title: &str) -> gst::Event {
    let mut tags = gst::TagList::new();
    tags.make_mut()
        .add::<gst::tags::Title>(&title, gst::TagMergeMode::Append);
    gst::event::Tag::new(tags)
}

fn segment(start: ClockTime) -> gst::Event {
    let mut segment = gst::FormattedSegment::<ClockTime>::new();
    segment.set_start(start);
    segment.set_time(start);
    gst::event::Segment::new(&segment)
}

#[test]
fn serialised_events_keep_their_place() {
    let element = element();
    let info = info(VideoFormat::I420, 32, 16);
    let recorder = Recorder::on(&src_pad(&element));
    let mut harness = harness(&element, &info);
    let custom = || gst::event::CustomDownstream::new(gst::Structure::new_empty("here"));
    for i in 0..3 {
        harness.push(frame(&info, i)).unwrap();
    }
    harness.push_event(tag("one"));
    harness.push(frame(&info, 3)).unwrap();
    harness.push_event(custom());
    for i in 4..20 {
        harness.push(frame(&info, i)).unwrap();
    }
    harness.push_event(gst::event::Eos::new());
    let seen = recorder.until(&Seen::Event(EventType::Eos));
    let mut expected: Vec<_> = [EventType::StreamStart, EventType::Caps, EventType::Segment]
        .map(Seen::Event)
        .to_vec();
    expected.extend((0..3).map(Seen::Frame));
    expected.push(Seen::Event(EventType::Tag));
    expected.push(Seen::Frame(3));
    expected.push(Seen::Event(EventType::CustomDownstream));
    expected.extend((4..20).map(Seen::Frame));
    expected.push(Seen::Event(EventType::Eos));
    assert_eq!(seen, expected);
}

/// Pushes three frames and the event; they must come out without another frame.
fn is_barrier(event: gst::Event) {
    let element = element();
    let info = info(VideoFormat::I420, 32, 16);
    let recorder = Recorder::on(&src_pad(&element));
    let mut harness = harness(&element, &info);
    recorder.until(&Seen::Event(EventType::Segment));
    recorder.forget();
    for i in 0..3 {
        harness.push(frame(&info, i)).unwrap();
    }
    let kind = event.type_();
    assert!(harness.push_event(event));
    let seen = recorder.until(&Seen::Event(kind));
    assert_eq!(frames(&seen), [0, 1, 2], "before {kind:?}");
    for i in 3..6 {
        harness.push(frame(&info, i)).unwrap();
    }
    harness.push_event(gst::event::Eos::new());
    let seen = recorder.until(&Seen::Event(EventType::Eos));
    assert_eq!(frames(&seen), [0, 1, 2, 3, 4, 5]);
}

#[test]
fn events_that_end_a_scene_drain() {
    is_barrier(gst::event::Gap::builder(FRAME * 3).duration(FRAME).build());
    is_barrier(segment(ClockTime::from_mseconds(1)));
    is_barrier(gst::event::StreamStart::new("another"));
    is_barrier(gst::event::SegmentDone::new(FRAME * 3));
    let larger = info(VideoFormat::I420, 32, 16).to_caps().unwrap();
    is_barrier(gst::event::Caps::new(&larger));
}

#[test]
fn a_discontinuity_drains_what_came_before_it() {
    let element = element();
    let info = info(VideoFormat::I420, 32, 16);
    let mut harness = harness(&element, &info);
    for i in 0..4 {
        let mut buffer = frame(&info, i);
        if i == 3 {
            let flags = gst::BufferFlags::DISCONT;
            buffer.get_mut().unwrap().set_flags(flags);
        }
        harness.push(buffer).unwrap();
    }
    for i in 0..3 {
        assert_eq!(number(&harness.pull().unwrap()), i);
    }
}

#[test]
fn a_drain_query_returns_when_every_frame_is_out() {
    let element = element();
    let info = info(VideoFormat::I420, 32, 16);
    let mut harness = harness(&element, &info);
    let recorder = Recorder::on(&src_pad(&element));
    for i in 0..3 {
        harness.push(frame(&info, i)).unwrap();
    }
    let source = harness.srcpad().unwrap();
    source.peer_query(&mut gst::query::Drain::new());
    assert_eq!(frames(&recorder.so_far()), [0, 1, 2]);
}

#[test]
fn a_change_of_caps_mid_stream_keeps_frames_and_caps_together() {
    let element = element();
    element.set_property("mask-regions", regions(&[[2, 2, 6, 4]]));
    let infos = [
        info(VideoFormat::I420, 32, 16),
        info(VideoFormat::I420, 48, 24),
        info(VideoFormat::Rgb, 48, 24),
        info(VideoFormat::Nv12, 7, 5),
    ];
    let mut harness = harness(&element, &infos[0]);
    let recorder = Recorder::on(&src_pad(&element));
    let mut next = 0;
    for info in &infos {
        harness.push_event(gst::event::Caps::new(&info.to_caps().unwrap()));
        for _ in 0..7 {
            harness.push(frame(info, next)).unwrap();
            next += 1;
        }
    }
    harness.push_event(gst::event::Eos::new());
    let seen = recorder.until(&Seen::Event(EventType::Eos));
    assert_eq!(frames(&seen), (0..next).collect::<Vec<_>>());
    let changes: Vec<_> = seen
        .iter()
        .enumerate()
        .filter(|(_, seen)| **seen == Seen::Event(EventType::Caps))
        .map(|(at, _)| frames(&seen[..at]).len())
        .collect();
    assert!(changes.ends_with(&[7, 14, 21]), "{seen:?}");
    for info in &infos {
        for _ in 0..7 {
            assert_eq!(harness.pull().unwrap().size(), info.size());
        }
    }
}

#[test]
fn allocation_says_what_is_kept_and_passes_on_strides_only() {
    for downstream_takes_strides in [false, true] {
        let element = element();
        let info = info(VideoFormat::I420, 32, 16);
        let mut harness = harness(&element, &info);
        let sink = harness.sinkpad().unwrap();
        sink.add_probe(gst::PadProbeType::QUERY_DOWNSTREAM, move |_, info| {
            let Some(gst::PadProbeData::Query(query)) = &mut info.data else {
                return gst::PadProbeReturn::Ok;
            };
            let gst::QueryViewMut::Allocation(query) = query.view_mut() else {
                return gst::PadProbeReturn::Ok;
            };
            if downstream_takes_strides {
                query.add_allocation_meta::<VideoMeta>(None);
            }
            // A pool that is too small for what is kept.
            query.add_allocation_pool(None::<&gst::BufferPool>, 768, 1, 2);
            gst::PadProbeReturn::Handled
        });
        let source = harness.srcpad().unwrap();
        let ask = || {
            let caps = info.to_caps().unwrap();
            let mut query = gst::query::Allocation::new(Some(&caps), true);
            assert!(source.peer_query(&mut query));
            let (_, size, min, max) = query.allocation_pools().next().unwrap();
            assert_eq!((size as usize, max), (info.size(), 0));
            let strides = query.find_allocation_meta::<VideoMeta>().is_some();
            assert_eq!(strides, downstream_takes_strides);
            min
        };
        let before = ask();
        // In the middle of a stream it must not wait for frames that cannot come.
        harness.push(frame(&info, 0)).unwrap();
        harness.push(frame(&info, 1)).unwrap();
        assert!(ask() >= before);
    }
}

#[test]
fn caps_are_those_of_both_sides() {
    let element = element();
    let info = info(VideoFormat::I420, 32, 16);
    let mut harness = harness(&element, &info);
    let narrow = gst_video::VideoCapsBuilder::new()
        .format_list([VideoFormat::Nv12, VideoFormat::Nv1264z32])
        .width(64)
        .build();
    harness.set_sink_caps(narrow);
    let caps = harness.srcpad().unwrap().peer_query_caps(None);
    let structure = caps.structure(0).unwrap();
    assert_eq!(caps.size(), 1, "{caps}");
    assert_eq!(structure.get::<&str>("format").unwrap(), "NV12", "{caps}");
    assert_eq!(structure.get::<i32>("width").unwrap(), 64, "{caps}");
    let info = |format, width| VideoInfo::builder(format, width, 16).build().unwrap();
    let accepts = |info: VideoInfo| {
        let source = element.static_pad("sink").unwrap();
        source.query_accept_caps(&info.to_caps().unwrap())
    };
    assert!(accepts(info(VideoFormat::Nv12, 64)));
    assert!(!accepts(info(VideoFormat::Nv12, 32)));
    assert!(!accepts(info(VideoFormat::Nv1264z32, 64)));
}

#[test]
fn upstream_events_go_up() {
    let element = element();
    let info = info(VideoFormat::I420, 32, 16);
    let mut harness = harness(&element, &info);
    while harness.try_pull_upstream_event().is_some() {}
    let seek = gst::event::Seek::new(
        1.0,
        gst::SeekFlags::empty(),
        gst::SeekType::Set,
        ClockTime::SECOND,
        gst::SeekType::None,
        ClockTime::NONE,
    );
    harness.push_upstream_event(seek);
    let event = harness.pull_upstream_event().unwrap();
    assert_eq!(event.type_(), EventType::Seek);
}
