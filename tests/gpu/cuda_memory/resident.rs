//! Frames in the context of the networks: they stay on the device.

use gst::prelude::*;
use gst_check::Harness;
use gst_video::{VideoFormat, VideoInfo};
use propainter_tests::golden::weights_folder;
use virtual_gpu::counters::Counts;

use super::{
    FORMATS, FRAMES, HOLE, SIZE, bytes, cuda_caps, downloaded, gpu, host_caps, info, noise, on_gpu,
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

/// What crosses the bus for frames on the host and in CUDA memory, in bytes without the masks.
#[test]
fn no_frame_comes_to_the_host_or_goes_to_the_device() {
    let test = "no_frame_comes_to_the_host_or_goes_to_the_device";
    let Some(networks) = networks("mode=sliding scene-cuts=false") else {
        return;
    };
    // Work is done before the host asks, as while it waits for later frames.
    let settings = [("VIRTUAL_GPU_MODE", "count"), ("VIRTUAL_GPU_LATE", "0")];
    if !on_gpu(module_path!(), test, &settings) {
        return;
    }
    for format in FORMATS {
        let info = info(format);
        let frames = FRAMES as u64;
        // The first one compiles the kernels.
        played(&upload(&networks, &info), &info);
        let (_, upload_alone) = played(&upload("identity", &info), &info);
        let (_, there) = played(&upload(&networks, &info), &info);
        let (_, on_host) = played(&networks, &info);
        println!("{format}\nthere: {there:?}\nhost: {on_host:?}\nupload: {upload_alone:?}");
        let planes = u64::from(info.n_planes());
        assert_eq!(there.device_copies, frames * planes);
        // The fill alone comes to the host, as it does where frames are there.
        assert_eq!(there.download_bytes, on_host.download_bytes, "{format}");
        let hole = (HOLE[2] + 2) as u64 * (HOLE[3] + 2) as u64;
        assert!(there.download_bytes < frames * 12 * hole, "{format}");
        // Whole frames go up for neither of the networks that read them; the fills do.
        let up = there.upload_bytes - upload_alone.upload_bytes;
        let rgb = 3 * u64::from(SIZE.0 * SIZE.1);
        assert!(up + frames * rgb < on_host.upload_bytes, "{format}: {up}");
        // One wait of the host for a frame, before it goes on.
        let waits =
            |counts: Counts| counts.stream_waits + counts.context_waits + counts.waiting_copies;
        assert_eq!(
            waits(there) - waits(upload_alone) - waits(on_host),
            frames,
            "{format}"
        );
    }
}

/// The same frames come out, wherever they are.
#[test]
#[ignore = "long: make gpu-test"]
fn frames_are_filled_there_as_on_the_host() {
    let test = "frames_are_filled_there_as_on_the_host";
    let formats = [
        (VideoFormat::Nv12, "mode=reference"),
        (
            VideoFormat::P01010le,
            "mode=sliding lookahead=2 neighbor-length=4",
        ),
        (VideoFormat::Rgba, "mode=reference"),
        (VideoFormat::Bgra, "mode=reference"),
    ];
    if networks("").is_none() || !on_gpu(module_path!(), test, &[]) {
        return;
    }
    for (format, mode) in formats {
        let info = info(format);
        let networks = networks(mode).expect("weights");
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
    }
}
