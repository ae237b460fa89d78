//! Frames in the context of the networks: they stay on the device.

use gst_check::Harness;
use gst_video::{VideoFormat, VideoInfo};
use propainter_tests::golden::weights_folder;
use virtual_gpu::counters::Counts;

use super::{
    FRAMES, HOLE, SIZE, bytes, cuda_caps, downloaded, gpu, host_caps, info, noise, on_gpu,
};

/// Returns the properties of an element that computes on the virtual GPU; `None` without weights.
fn networks(more: &str) -> Option<String> {
    let weights = weights_folder()?.display();
    let hole = HOLE.map(|number| number.to_string()).join(",");
    Some(format!(
        "propainter model=propainter device=cuda:0 precision=fp32 weights={weights} \
        raft-iterations=2 mask-dilation=0 late-policy=wait mask-regions=<<{hole}>> {more}"
    ))
}

/// Plays frames of the host through elements, and returns what comes out with what it asked of the driver.
fn played(elements: &str, info: &VideoInfo) -> (Vec<gst::Buffer>, Counts) {
    let bin = gst::parse::bin_from_description(elements, true).expect("elements");
    let mut harness = Harness::with_element(&bin, Some("sink"), Some("src"));
    harness.set_src_caps(host_caps(info));
    harness.play();
    let before = gpu(0).counts();
    for frame in noise(info) {
        harness.push(frame).expect("the frame is taken");
    }
    harness.push_event(gst::event::Eos::new());
    let done = (0..FRAMES).map(|_| harness.pull().expect("a frame"));
    let done = done.collect();
    (done, gpu(0).counts() - before)
}

fn upload(elements: &str, info: &VideoInfo) -> String {
    let caps = cuda_caps(info);
    format!("cudaupload ! capsfilter caps=\"{caps}\" ! {elements}")
}

/// Work is done before the host asks, as while frames wait for later ones; and nothing is computed.
const COUNTED: [(&str, &str); 2] = [("VIRTUAL_GPU_MODE", "count"), ("VIRTUAL_GPU_LATE", "0")];

/// Returns the waits of the host but those for events, which are the tensor library's.
fn waits(counts: Counts) -> u64 {
    counts.stream_waits + counts.context_waits + counts.waiting_copies
}

#[test]
fn no_frame_comes_to_the_host_or_goes_to_the_device() {
    let test = "no_frame_comes_to_the_host_or_goes_to_the_device";
    let sliding = "mode=sliding lookahead=3 scene-cuts=false crop-mode=off";
    let Some(networks) = networks(sliding) else {
        return;
    };
    if !on_gpu(module_path!(), test, &COUNTED) {
        return;
    }
    for format in [VideoFormat::Nv12, VideoFormat::Rgba] {
        let info = info(format);
        let (_, before) = played(&upload("identity", &info), &info);
        let (_, there) = played(&upload(&networks, &info), &info);
        let (_, on_host) = played(&networks, &info);
        println!("{format}\nthere: {there:?}\nhost: {on_host:?}\nupload: {before:?}");
        let (frames, planes) = (FRAMES as u64, u64::from(info.n_planes()));
        assert_eq!(there.device_copies, frames * planes, "{format}");
        // The fill alone comes to the host, as of frames that are there.
        assert_eq!(there.download_bytes, on_host.download_bytes, "{format}");
        // Masks and fills go up, and no frame for any of the networks.
        let up = there.upload_bytes - before.upload_bytes;
        let rgb = 3 * u64::from(SIZE.0 * SIZE.1);
        assert!(
            up + 2 * frames * rgb < on_host.upload_bytes,
            "{format}: {up}"
        );
        // The host waits once for each frame, before it goes on.
        assert_eq!(
            waits(there),
            waits(before) + waits(on_host) + frames,
            "{format}"
        );
    }
}

#[test]
fn crops_of_frames_are_read_where_the_frames_lie() {
    let test = "crops_of_frames_are_read_where_the_frames_lie";
    // As sliding windows are by default.
    let Some(networks) = networks("mode=sliding lookahead=3") else {
        return;
    };
    if !on_gpu(module_path!(), test, &COUNTED) {
        return;
    }
    let info = VideoInfo::builder(VideoFormat::Nv12, 1280, 720).fps(gst::Fraction::new(25, 1));
    let info = info.build().expect("valid caps");
    let (_, before) = played(&upload("identity", &info), &info);
    let (_, there) = played(&upload(&networks, &info), &info);
    let (_, on_host) = played(&networks, &info);
    println!("there: {there:?}\nhost: {on_host:?}");
    let frames = FRAMES as u64;
    assert_eq!(there.device_copy_bytes, frames * info.size() as u64);
    // Every fifth pixel of every fifth row, for the detection of scene cuts.
    let samples = 3 * u64::from(info.width() / 5 * (info.height() / 5));
    let down = there.download_bytes - on_host.download_bytes;
    assert_eq!(down, frames * samples);
    assert_eq!(waits(there), waits(before) + waits(on_host) + frames);
}

/// The same frames come out, wherever they are.
#[test]
#[ignore = "long: make gpu-test"]
fn frames_are_filled_there_as_on_the_host() {
    let test = "frames_are_filled_there_as_on_the_host";
    let formats = [VideoFormat::Nv12, VideoFormat::P01010le, VideoFormat::Rgba];
    let Some(networks) = networks("mode=reference") else {
        return;
    };
    if !on_gpu(module_path!(), test, &[]) {
        return;
    }
    for format in formats {
        let info = info(format);
        let (there, counts) = played(&upload(&networks, &info), &info);
        assert!(counts.device_copies >= FRAMES as u64, "{format}");
        let there = downloaded(&info, there);
        let (on_host, _) = played(&networks, &info);
        let on_host = bytes(&on_host);
        assert_ne!(
            on_host,
            bytes(&noise(&info)),
            "{format}: something is filled"
        );
        assert!(there == on_host, "{format}");
        println!("{format}: the same");
    }
}
