//! Masks that a lossy encoder had, through real decoders and converters.

use std::sync::{Arc, Mutex};

use gst::prelude::*;
use propainter::Mask;

use crate::element::support::*;

const WIDTH: usize = 160;
const HEIGHT: usize = 96;
const FRAMES: usize = 8;

/// The bytes of the buffers that reach a sink.
fn record(pipeline: &gst::Pipeline, sink: &str) -> Arc<Mutex<Vec<Vec<u8>>>> {
    let seen = Arc::new(Mutex::new(vec![]));
    let (list, sink) = (seen.clone(), pipeline.by_name(sink).unwrap());
    let pad = sink.static_pad("sink").unwrap();
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        if let Some(gst::PadProbeData::Buffer(buffer)) = &info.data {
            list.lock().unwrap().push(bytes(buffer));
        }
        gst::PadProbeReturn::Ok
    });
    seen
}

#[test]
fn of_an_encoded_mask_only_its_white_is_hole() {
    init();
    let size = format!("width={WIDTH},height={HEIGHT},framerate=25/1");
    for coded in [
        "x264enc tune=zerolatency ! h264parse ! avdec_h264 ! videoconvert",
        "x264enc tune=zerolatency quantizer=30 pass=quant ! h264parse ! avdec_h264 ! videoconvert",
        "jpegenc quality=60 ! jpegdec ! videoconvert",
        "videoconvert",
        // The decoder's luma as it is, without a word about its range.
        "x264enc tune=zerolatency ! h264parse ! avdec_h264 ! videoconvert \
         ! capssetter join=false caps=video/x-raw,format=GRAY8,width=160,height=96,framerate=25/1",
    ] {
        let line = format!(
            "videotestsrc pattern=ball num-buffers={FRAMES} ! video/x-raw,format=I420,{size} \
             ! tee name=masks masks. ! queue ! fakesink name=drawn \
             masks. ! queue ! {coded} ! fill.mask_sink \
             videotestsrc pattern=snow num-buffers={FRAMES} ! video/x-raw,format=RGB,{size} \
             ! tee name=video video. ! queue ! fakesink name=before video. ! queue \
             ! propainter name=fill model=propagation device=cpu mask-dilation=0 scene-cuts=false \
             ! fakesink name=after"
        );
        let pipeline = gst::parse::launch(&line).unwrap();
        let pipeline = pipeline.downcast::<gst::Pipeline>().unwrap();
        let [drawn, before, after] =
            ["drawn", "before", "after"].map(|name| record(&pipeline, name));
        pipeline.set_state(gst::State::Playing).unwrap();
        let bus = pipeline.bus().unwrap();
        let kinds = [
            gst::MessageType::Eos,
            gst::MessageType::Error,
            gst::MessageType::Warning,
        ];
        let patience = gst::ClockTime::try_from(PATIENCE).unwrap();
        let end = bus.timed_pop_filtered(patience, &kinds).unwrap();
        assert_eq!(end.type_(), gst::MessageType::Eos, "{end:?}");
        pipeline.set_state(gst::State::Null).unwrap();
        let [drawn, before, after] =
            [drawn, before, after].map(|list| std::mem::take(&mut *list.lock().unwrap()));
        assert_eq!([drawn.len(), before.len(), after.len()], [FRAMES; 3]);
        for ((drawn, before), after) in drawn.iter().zip(&before).zip(&after) {
            let luma = drawn[..WIDTH * HEIGHT].iter();
            let ball = |least: u8| {
                let hole = luma.clone().map(|&luma| u8::from(luma > least)).collect();
                Mask::from_luma(WIDTH, HEIGHT, hole)
            };
            let (near, inside) = (ball(16).dilated(2), ball(230));
            let pixels = before.chunks(3).zip(after.chunks(3)).zip(near.hole());
            let changed = |at: &((&[u8], &[u8]), &u8)| at.0.0 != at.0.1;
            let outside = pixels.clone().filter(|at| *at.1 == 0 && changed(at));
            assert_eq!(outside.count(), 0, "{coded}");
            let all = inside.hole().iter().filter(|&&hole| hole == 1).count();
            let filled = pixels.filter(changed).count();
            assert!(2 * filled > all && all > 500, "{coded}: {filled} of {all}");
        }
    }
}
