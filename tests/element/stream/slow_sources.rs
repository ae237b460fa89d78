//! Sources that are slow, and pipelines that pause: no frame is given up for them.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::Duration,
};

use gst::{ClockTime, prelude::*};

use crate::element::support::player::Player;

const CAPS: &str = "video/x-raw,format=I420,width=64,height=48";
const ELEMENT: &str = "propainter name=p model=propagation device=cpu mask-regions=<<20,20,12,8>>";

/// A branch that is full with the frames that the element looks ahead.
const BESIDE: &str = "t. ! queue max-size-buffers=2 max-size-time=0 ! fakesink sync=false";

/// No frame was given up, and nobody warned.
fn assert_calm(player: &Player, frames: usize) {
    assert!(player.warnings().is_empty(), "{:?}", player.warnings());
    assert_eq!(player.posted("propainter-stall"), 0);
    player.assert_whole(frames);
}

/// Makes frame `number` and each `every`-th after it come late by `time`.
fn delay(player: &Player, number: u32, every: u32, time: Duration) {
    let pad = player.element("source").static_pad("src").unwrap();
    let count = AtomicU32::new(0);
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
        let index = count.fetch_add(1, Ordering::SeqCst);
        if index >= number && (index - number).is_multiple_of(every) {
            thread::sleep(time);
        }
        gst::PadProbeReturn::Ok
    });
}

#[test]
fn a_slow_disk_is_no_stall() {
    let mut player = Player::build(&format!(
        "videotestsrc name=source num-buffers=60 ! {CAPS},framerate=25/1 ! queue ! {ELEMENT} \
         ! fakesink name=out"
    ));
    delay(&player, 20, 100, Duration::from_millis(3500));
    player.set_state(gst::State::Playing);
    assert!(!player.run(Duration::from_secs(3)));
    assert_eq!(
        player.frames(),
        0,
        "twenty frames are held for their future"
    );
    player.finish();
    assert_calm(&player, 60);
}

#[test]
fn a_slow_source_beside_queues_with_room_is_no_stall() {
    let mut player = Player::build(&format!(
        "videotestsrc name=source num-buffers=60 ! {CAPS},framerate=25/1 ! tee name=t \
         t. ! queue max-size-time=0 ! fakesink sync=true \
         t. ! queue ! {ELEMENT} ! fakesink name=out sync=true"
    ));
    delay(&player, 20, 100, Duration::from_millis(3500));
    player.set_state(gst::State::Playing);
    player.finish();
    assert_calm(&player, 60);
}

#[test]
fn a_camera_of_one_frame_a_second_is_no_stall() {
    for live in ["is-live=true", ""] {
        let mut player = Player::build(&format!(
            "videotestsrc name=source {live} num-buffers=6 ! {CAPS},framerate=1/1 ! tee name=t \
             {BESIDE} t. ! queue ! {ELEMENT} mode=sliding lookahead=2 late-policy=wait \
             ! fakesink name=out sync=false"
        ));
        if live.is_empty() {
            delay(&player, 1, 1, Duration::from_secs(1));
        }
        player.set_state(gst::State::Playing);
        player.finish();
        assert_calm(&player, 6);
    }
}

#[test]
fn a_source_slower_than_its_caps_say_is_no_stall() {
    let mut player = Player::build(&format!(
        "videotestsrc name=source num-buffers=7 ! {CAPS},framerate=25/1 ! tee name=t \
         {BESIDE} t. ! queue ! {ELEMENT} mode=sliding lookahead=2 ! fakesink name=out"
    ));
    delay(&player, 1, 1, Duration::from_millis(1200));
    player.set_state(gst::State::Playing);
    player.finish();
    assert_calm(&player, 7);
}

#[test]
fn a_paused_pipeline_is_no_stall() {
    let mut player = Player::build(&format!(
        "videotestsrc num-buffers=200 ! {CAPS},framerate=25/1 ! tee name=t \
         t. ! queue max-size-buffers=60 max-size-time=0 ! fakesink sync=true \
         t. ! queue ! {ELEMENT} ! fakesink name=out sync=true"
    ));
    for state in [gst::State::Paused, gst::State::Playing, gst::State::Paused] {
        player.set_state(state);
        let (changed, _, _) = player.pipeline.state(ClockTime::from_seconds(30));
        changed.expect("it prerolls");
        assert!(!player.run(Duration::from_millis(2500)));
    }
    player.set_state(gst::State::Playing);
    player.finish();
    assert_calm(&player, 200);
}

#[test]
fn a_seek_in_a_paused_pipeline_is_no_stall() {
    let mut player = Player::build(&format!(
        "videotestsrc num-buffers=200 ! {CAPS},framerate=25/1 ! tee name=t \
         t. ! queue max-size-buffers=60 max-size-time=0 ! fakesink sync=true \
         t. ! queue ! {ELEMENT} ! fakesink name=out sync=true"
    ));
    player.set_state(gst::State::Paused);
    let preroll = |player: &Player| {
        let (changed, _, _) = player.pipeline.state(ClockTime::from_seconds(30));
        changed.expect("it prerolls");
    };
    preroll(&player);
    let flags = gst::SeekFlags::FLUSH;
    player
        .pipeline
        .seek_simple(flags, ClockTime::from_seconds(1))
        .unwrap();
    preroll(&player);
    assert!(!player.run(Duration::from_millis(2500)));
    assert!(player.warnings().is_empty(), "{:?}", player.warnings());
}
