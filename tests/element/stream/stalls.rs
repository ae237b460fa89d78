//! Queues beside the element that are full before the element gives its first frame.

use std::time::Duration;

use gst::prelude::*;

use crate::element::{support::player::Player, support::*};

const FRAMES: usize = 100;

/// So long that a stall has been noticed.
const NOTICED: Duration = Duration::from_millis(2500);

fn source() -> String {
    format!(
        "videotestsrc pattern=ball num-buffers={FRAMES} \
         ! video/x-raw,format=I420,width=64,height=48,framerate=25/1 ! tee name=t"
    )
}

const ELEMENT: &str = "propainter name=p model=propagation device=cpu mask-regions=<<20,20,12,8>>";

/// A tee with a queue of ten frames beside the element, into two sinks that preroll.
fn two_sinks(element: &str) -> String {
    format!(
        "{} t. ! queue name=q max-size-buffers=10 ! fakesink sync=true \
         t. ! queue ! {element} ! fakesink name=out sync=true",
        source()
    )
}

#[test]
fn two_sinks_behind_a_tee_go_on_with_less_look_ahead() {
    let mut player = Player::start(&two_sinks(ELEMENT));
    player.finish();
    player.assert_whole(FRAMES);
    let warnings = player.warnings();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("max-size-time=0"), "{warnings:?}");
    assert!(warnings[0].contains("40 are needed"), "{warnings:?}");
    assert!(player.posted("propainter-stall") >= 1);
    let stats: gst::Structure = player.element("p").property("stats");
    assert_eq!(stats.get("inpainted"), Ok(FRAMES as u64), "{stats}");
    // What is set stays as it was set.
    assert_eq!(player.element("p").property::<u32>("max-held-frames"), 0);
}

#[test]
fn a_compositor_of_before_and_after_goes_on() {
    let mut player = Player::start(&format!(
        "{} t. ! queue max-size-buffers=10 ! c.sink_0 t. ! queue ! {ELEMENT} ! c.sink_1 \
         compositor name=c sink_1::xpos=64 ! fakesink name=out",
        source()
    ));
    player.finish();
    player.assert_whole(FRAMES);
    assert_eq!(player.warnings().len(), 1);
}

#[test]
fn sound_behind_a_default_queue_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("clip.mp4");
    let made = std::process::Command::new("ffmpeg")
        .args([
            "-v",
            "error",
            "-f",
            "lavfi",
            "-i",
            "testsrc2=s=64x48:r=25:d=4",
        ])
        .args([
            "-f", "lavfi", "-i", "sine=d=4", "-c:v", "libx264", "-pix_fmt", "yuv420p",
        ])
        .args(["-c:a", "aac"])
        .arg(&file)
        .status();
    assert!(made.expect("ffmpeg is there").success());
    let mut player = Player::start(&format!(
        "filesrc location={} ! qtdemux name=d mp4mux name=mux ! fakesink \
         d.video_0 ! queue ! h264parse ! avdec_h264 ! {ELEMENT} ! identity name=out \
         ! x264enc tune=zerolatency ! h264parse ! queue ! mux. \
         d.audio_0 ! queue ! aacparse ! mux.",
        file.display()
    ));
    player.finish();
    player.assert_whole(FRAMES);
    assert_eq!(player.warnings().len(), 1, "{:?}", player.warnings());
}

#[test]
fn an_encoder_that_holds_frames_as_well_goes_on() {
    // A second of sound is less than what either of them holds.
    let mut player = Player::start(&format!(
        "{} t. ! queue name=q max-size-buffers=20 ! fakesink sync=true \
         t. ! queue ! {ELEMENT} ! x264enc ! fakesink name=out sync=true",
        source()
    ));
    player.finish();
    assert_eq!(player.frames(), FRAMES);
    assert_eq!(player.warnings().len(), 1, "{:?}", player.warnings());
    let room: u32 = player.element("q").property("max-size-buffers");
    assert!(room > 20, "the queue has room for the encoder's frames");
}

#[test]
fn the_official_windows_asked_for_wait_and_say_so() {
    let element = format!("{ELEMENT} mode=reference");
    let mut player = Player::start(&two_sinks(&element));
    assert!(!player.run(NOTICED + NOTICED));
    assert_eq!(player.frames(), 0);
    let warnings = player.warnings();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("mode=reference"), "{warnings:?}");
    // The advice helps.
    player.element("q").set_property("max-size-buffers", 0u32);
    player.element("q").set_property("max-size-time", 0u64);
    player.finish();
    player.assert_whole(FRAMES);
    let latency = player.element("p").property::<u64>("latency");
    assert_eq!(latency, (FRAME * 40).nseconds(), "the look-ahead is whole");
}

#[test]
fn a_look_ahead_that_is_set_is_not_exceeded() {
    // The queue beside holds ten frames, and the tee one more.
    let element = format!("{ELEMENT} max-held-frames=8");
    let mut player = Player::start(&two_sinks(&element));
    player.finish();
    player.assert_whole(FRAMES);
    assert!(player.warnings().is_empty(), "{:?}", player.warnings());
    let latency = player.element("p").property::<u64>("latency");
    assert_eq!(latency, (FRAME * 8).nseconds());
}

#[test]
fn reference_windows_that_hold_more_than_is_allowed_are_an_error() {
    let element = element();
    let bus = bus(&element);
    element.set_property_from_str("mode", "reference");
    element.set_property("max-held-frames", 8u32);
    let info = info(gst_video::VideoFormat::I420, 32, 16);
    let mut harness = harness(&element, &info);
    // Frames whose time has come go before the session is opened.
    let refused = (0..10_000).find(|&i| harness.push(frame(&info, i)).is_err());
    assert!(refused.is_some(), "all frames were taken");
    let (text, _) = error(&bus);
    assert!(
        text.contains("max-held-frames") && text.contains("40"),
        "{text}"
    );
}

#[test]
fn masks_that_an_application_stops_sending_stay() {
    for (time, duration) in [(Some(0), None), (None, None), (Some(0), Some(40))] {
        let mut player = Player::build(&format!(
            "videotestsrc num-buffers={FRAMES} \
             ! video/x-raw,format=I420,width=64,height=48,framerate=25/1 \
             ! propainter name=p model=propagation device=cpu ! fakesink name=out \
             appsrc name=masks format=time caps=video/x-raw,format=GRAY8,width=64,height=48,framerate=0/1 \
             ! p.mask_sink"
        ));
        let masks = player
            .element("masks")
            .downcast::<gst_app::AppSrc>()
            .unwrap();
        let mut mask = gst::Buffer::from_mut_slice(vec![255u8; 64 * 48]);
        let buffer = mask.get_mut().unwrap();
        buffer.set_pts(time.map(gst::ClockTime::from_mseconds));
        buffer.set_duration(duration.map(gst::ClockTime::from_mseconds));
        masks.push_buffer(mask).unwrap();
        player.set_state(gst::State::Playing);
        player.finish();
        player.assert_whole(FRAMES);
        let stats: gst::Structure = player.element("p").property("stats");
        assert_eq!(stats.get("inpainted"), Ok(FRAMES as u64), "{stats}");
        let warnings = player.warnings();
        assert!(
            warnings.iter().any(|text| text.contains("mask_sink")),
            "{warnings:?}"
        );
    }
}

#[test]
fn frames_wait_for_the_first_mask_and_the_application_is_warned() {
    let mut player = Player::start(
        "videotestsrc num-buffers=10 ! video/x-raw,format=I420,width=64,height=48,framerate=25/1 \
         ! propainter name=p model=propagation device=cpu ! fakesink name=out \
         appsrc name=masks format=time caps=video/x-raw,format=GRAY8,width=64,height=48,framerate=0/1 \
         ! p.mask_sink",
    );
    assert!(!player.run(Duration::from_secs(6)));
    assert_eq!(player.frames(), 0);
    assert_eq!(player.warnings().len(), 1, "{:?}", player.warnings());
    let masks = player
        .element("masks")
        .downcast::<gst_app::AppSrc>()
        .unwrap();
    masks.end_of_stream().unwrap();
    player.finish();
    player.assert_whole(10);
}
