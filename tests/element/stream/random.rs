//! Random streams against the model: what goes in comes out in the same order, all of it but
//! for what a flush takes.

use std::sync::{Arc, Mutex};

use gst::{ClockTime, prelude::*};
use gst_video::{VideoFormat, VideoInfo};
use proptest::prelude::*;

use crate::element::support::*;

#[derive(Clone, Copy, Debug)]
enum Step {
    Frame { discont: bool, timed: bool },
    Custom,
    Tag,
    Gap,
    Segment,
    SegmentDone,
    Caps,
    Hole(bool),
    Drain,
    Flush,
}

/// How the element is set.
#[derive(Clone, Copy, Debug)]
struct Setting {
    mode: &'static str,
    lookahead: u32,
    subvideo_length: u32,
    scene_cuts: bool,
}

fn setting() -> impl Strategy<Value = Setting> {
    let mode = prop_oneof![Just("auto"), Just("reference"), Just("sliding")];
    (mode, 0..7u32, 2..20u32, any::<bool>()).prop_map(
        |(mode, lookahead, subvideo_length, scene_cuts)| Setting {
            mode,
            lookahead,
            subvideo_length,
            scene_cuts,
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => any::<(bool, bool)>().prop_map(|(discont, timed)| Step::Frame { discont, timed }),
        40 => Just(Step::Frame { discont: false, timed: true }),
        4 => Just(Step::Custom),
        2 => Just(Step::Tag),
        2 => Just(Step::Gap),
        2 => Just(Step::Segment),
        1 => Just(Step::SegmentDone),
        2 => Just(Step::Caps),
        3 => any::<bool>().prop_map(Step::Hole),
        2 => Just(Step::Drain),
        2 => Just(Step::Flush),
    ]
}

/// Something with a place of its own in the stream, by the number of its step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    Frame(u64),
    Custom(u64),
    Gap(u64),
    Segment(u64),
    SegmentDone(u64),
    Eos,
}

/// Notes the marks that leave the pad; a flush begins a new list.
fn record(pad: &gst::Pad) -> Arc<Mutex<Vec<Vec<Mark>>>> {
    let lists = Arc::new(Mutex::new(vec![vec![]]));
    let inner = lists.clone();
    let kinds = gst::PadProbeType::BUFFER
        | gst::PadProbeType::EVENT_DOWNSTREAM
        | gst::PadProbeType::EVENT_FLUSH;
    pad.add_probe(kinds, move |pad, info| {
        let mut lists = inner.lock().expect("no panic");
        let mark = match &info.data {
            Some(gst::PadProbeData::Buffer(buffer)) => {
                let caps = pad.current_caps().expect("caps before frames");
                let info = VideoInfo::from_caps(&caps).expect("video");
                assert_eq!(buffer.size(), info.size(), "a frame of other caps");
                Some(Mark::Frame(buffer.offset()))
            }
            Some(gst::PadProbeData::Event(event)) => match event.view() {
                gst::EventView::CustomDownstream(event) => {
                    let structure = event.structure().expect("a structure");
                    Some(Mark::Custom(structure.get("step").expect("a number")))
                }
                gst::EventView::Gap(gap) => Some(Mark::Gap(gap.get().0 / FRAME)),
                gst::EventView::Segment(segment) => {
                    let segment = segment.segment().downcast_ref::<ClockTime>();
                    let base = segment.expect("a segment in time").base();
                    Some(Mark::Segment(base.expect("a base") / FRAME))
                }
                gst::EventView::SegmentDone(done) => {
                    let position = done.get().value();
                    Some(Mark::SegmentDone(position as u64 / FRAME.nseconds()))
                }
                gst::EventView::Eos(_) => Some(Mark::Eos),
                gst::EventView::FlushStop(_) => {
                    lists.push(vec![]);
                    None
                }
                _ => None,
            },
            _ => None,
        };
        let list = lists.last_mut().expect("never empty");
        list.extend(mark);
        gst::PadProbeReturn::Ok
    });
    lists
}

fn segment(step: u64) -> gst::Event {
    let mut segment = gst::FormattedSegment::<ClockTime>::new();
    segment.set_base(FRAME * step);
    gst::event::Segment::new(&segment)
}

fn stream_matches_the_model(setting: Setting, steps: &[Step]) {
    let infos = [(16, 16), (24, 8)].map(|(w, h)| info(VideoFormat::I420, w, h));
    let element = element();
    element.set_property_from_str("mode", setting.mode);
    element.set_property("lookahead", setting.lookahead);
    element.set_property("subvideo-length", setting.subvideo_length);
    element.set_property("scene-cuts", setting.scene_cuts);
    // Real time passes here, and must not decide what comes out.
    element.set_property_from_str("late-policy", "wait");
    let hole = regions(&[[2, 2, 6, 4]]);
    element.set_property("mask-regions", &hole);
    let lists = record(&src_pad(&element));
    let end = Recorder::on(&src_pad(&element));
    let mut harness = harness(&element, &infos[0]);
    let source = harness.srcpad().expect("a source pad");
    let mut current = 0;
    // The harness sends the first segment.
    let mut expected = vec![vec![Mark::Segment(0)]];
    for (number, &step) in (1..).zip(steps) {
        let list = expected.last_mut().expect("never empty");
        match step {
            Step::Frame { discont, timed } => {
                let mut frame = frame(&infos[current], number);
                let buffer = frame.get_mut().expect("a new buffer");
                buffer.set_offset(number);
                if discont {
                    buffer.set_flags(gst::BufferFlags::DISCONT);
                }
                if !timed {
                    buffer.set_pts(None);
                }
                source.push(frame).expect("taken");
                list.push(Mark::Frame(number));
            }
            Step::Custom => {
                let structure = gst::Structure::builder("here")
                    .field("step", number)
                    .build();
                source.push_event(gst::event::CustomDownstream::new(structure));
                list.push(Mark::Custom(number));
            }
            Step::Tag => {
                let mut tags = gst::TagList::new();
                let (tags, title) = (tags.make_mut(), number.to_string());
                tags.add::<gst::tags::Title>(&title.as_str(), gst::TagMergeMode::Append);
                source.push_event(gst::event::Tag::new(tags.to_owned()));
            }
            Step::Gap => {
                source.push_event(gst::event::Gap::builder(FRAME * number).build());
                list.push(Mark::Gap(number));
            }
            Step::Segment => {
                source.push_event(segment(number));
                list.push(Mark::Segment(number));
            }
            Step::SegmentDone => {
                source.push_event(gst::event::SegmentDone::new(FRAME * number));
                list.push(Mark::SegmentDone(number));
            }
            Step::Hole(is_there) => {
                let hole = if is_there { hole.clone() } else { regions(&[]) };
                element.set_property("mask-regions", hole);
            }
            Step::Caps => {
                current = 1 - current;
                let caps = infos[current].to_caps().expect("valid caps");
                source.push_event(gst::event::Caps::new(&caps));
            }
            Step::Drain => {
                source.peer_query(&mut gst::query::Drain::new());
                let out = lists.lock().expect("no panic");
                assert_eq!(out.last(), expected.last(), "after a drain");
            }
            Step::Flush => {
                harness.push_event(gst::event::FlushStart::new());
                harness.push_event(gst::event::FlushStop::new(true));
                source.push_event(segment(number));
                expected.push(vec![Mark::Segment(number)]);
            }
        }
    }
    harness.push_event(gst::event::Eos::new());
    expected.last_mut().expect("never empty").push(Mark::Eos);
    end.until(&Seen::Event(gst::EventType::Eos));
    let out = lists.lock().expect("no panic");
    assert_eq!(out.len(), expected.len());
    assert_eq!(out.last(), expected.last());
    for (out, expected) in out.iter().zip(&expected) {
        assert!(expected.starts_with(out), "{out:?} of {expected:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 200,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn streams_come_out_as_they_went_in(
        setting in setting(),
        steps in prop::collection::vec(step(), 0..60),
    ) {
        stream_matches_the_model(setting, &steps);
    }
}
