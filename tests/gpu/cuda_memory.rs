//! Frames in CUDA memory: GStreamer's own elements and memory on the virtual GPU.

use gst::prelude::*;
use gst_check::Harness;
use gst_video::{VideoFormat, VideoInfo};
use propainter_tests::{golden::weights_folder, skip};
use virtual_gpu::{
    assemble::{Assembler, INSTALL},
    client::Gpu,
    counters::Counts,
    harness,
};

const FORMATS: [VideoFormat; 4] = [
    VideoFormat::Nv12,
    VideoFormat::P01010le,
    VideoFormat::Rgba,
    VideoFormat::Bgra,
];

/// Rows without padding in each of the formats.
const SIZE: (u32, u32) = (64, 48);

/// Starts in the middle of a chroma sample.
const HOLE: [i32; 4] = [11, 7, 20, 13];

/// The bytes of all samples that belong to pixels of [`HOLE`] or share a chroma sample with one.
const HOLE_BYTES: [u64; 4] = [22 * 14 * 3 / 2, 22 * 14 * 3, 20 * 13 * 4, 20 * 13 * 4];

const FRAMES: usize = 8;

/// The settings of a virtual GPU on which the networks compute nothing.
const COUNTED: [(&str, &str); 2] = [("VIRTUAL_GPU_MODE", "count"), ("VIRTUAL_GPU_LATE", "0")];

/// Whether this process has the virtual GPU, which works as late as it may, and GStreamer's elements for
/// CUDA memory; see [`harness::virtual_gpu`].
fn on_gpu(test: &str, settings: &[(&str, &str)]) -> bool {
    // Of its own: the user's knows that this machine has no GPU.
    let registry = harness::folder().join("gstreamer-registry.bin");
    let own = [
        ("GST_REGISTRY", registry.to_str().expect("a path in UTF-8")),
        ("VIRTUAL_GPU_MODE", "compute"),
        ("VIRTUAL_GPU_LATE", "1"),
    ];
    let test = format!("gpu::cuda_memory::{test}");
    if !harness::virtual_gpu(&test, &[&own, settings].concat()) {
        return false;
    }
    gst::init().expect("GStreamer starts");
    propainter_elements::plugin_register_static().expect("the element registers");
    let found = gst::ElementFactory::find("cudaupload").is_some();
    if !found {
        skip::optional("GStreamer's plugin nvcodec (gstreamer1.0-plugins-bad) is not installed");
    }
    found
}

fn info(format: VideoFormat) -> VideoInfo {
    let builder = VideoInfo::builder(format, SIZE.0, SIZE.1);
    builder
        .fps(gst::Fraction::new(25, 1))
        .build()
        .expect("valid caps")
}

fn host_caps(info: &VideoInfo) -> gst::Caps {
    info.to_caps().expect("valid caps")
}

fn cuda_caps(info: &VideoInfo) -> gst::Caps {
    let mut caps = host_caps(info);
    let feature = gst::CapsFeatures::new(["memory:CUDAMemory"]);
    caps.make_mut().set_features_simple(Some(feature));
    caps
}

/// Frames of noise.
fn noise(info: &VideoInfo) -> Vec<gst::Buffer> {
    let mut seed = 7u64;
    let mut byte = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (seed >> 56) as u8
    };
    let frames = (0..FRAMES as u64).map(|i| {
        let bytes: Vec<u8> = (0..info.size()).map(|_| byte()).collect();
        let mut buffer = gst::Buffer::from_mut_slice(bytes);
        let time = i * gst::ClockTime::from_mseconds(40);
        let fields = buffer.get_mut().expect("a new buffer");
        fields.set_pts(time);
        fields.set_duration(gst::ClockTime::from_mseconds(40));
        buffer
    });
    frames.collect()
}

fn bytes(frames: &[gst::Buffer]) -> Vec<Vec<u8>> {
    let bytes = |frame: &gst::Buffer| frame.map_readable().expect("a frame on the host").to_vec();
    frames.iter().map(bytes).collect()
}

/// Sends frames through one of GStreamer's elements.
fn copied(
    element: &gst::Element,
    frames: Vec<gst::Buffer>,
    caps: [gst::Caps; 2],
) -> Vec<gst::Buffer> {
    let mut harness = Harness::with_element(element, Some("sink"), Some("src"));
    let [from, to] = caps;
    harness.set_caps(from, to);
    let frames = frames.into_iter().map(|frame| {
        harness.push(frame).expect("the frame is copied");
        harness.pull().expect("a copied frame")
    });
    frames.collect()
}

fn uploaded(info: &VideoInfo, frames: Vec<gst::Buffer>, device: i32) -> Vec<gst::Buffer> {
    let upload = gst::ElementFactory::make("cudaupload").property("cuda-device-id", device);
    let upload = upload.build().expect("the element exists");
    copied(&upload, frames, [host_caps(info), cuda_caps(info)])
}

fn downloaded(info: &VideoInfo, frames: Vec<gst::Buffer>) -> Vec<Vec<u8>> {
    let download = gst::ElementFactory::make("cudadownload").build();
    let download = download.expect("the element exists");
    bytes(&copied(
        &download,
        frames,
        [cuda_caps(info), host_caps(info)],
    ))
}

/// The element, which fills [`HOLE`].
fn propainter() -> gst::Element {
    let hole = gst::Array::new([gst::Array::new(HOLE)]);
    gst::ElementFactory::make("propainter")
        .property_from_str("model", "propagation")
        .property_from_str("mode", "sliding")
        .property("device", "cpu")
        .property("mask-dilation", 0u32)
        .property("scene-cuts", false)
        .property("mask-regions", hole)
        .build()
        .expect("the element exists")
}

fn inpainted(caps: gst::Caps, frames: Vec<gst::Buffer>) -> Vec<gst::Buffer> {
    inpainted_by(&propainter(), caps, frames)
}

fn inpainted_by(
    element: &gst::Element,
    caps: gst::Caps,
    frames: Vec<gst::Buffer>,
) -> Vec<gst::Buffer> {
    let mut harness = Harness::with_element(element, Some("sink"), Some("src"));
    harness.set_src_caps(caps);
    harness.play();
    let count = frames.len();
    for frame in frames {
        harness.push(frame).expect("the frame is taken");
    }
    harness.push_event(gst::event::Eos::new());
    let done = (0..count).map(|_| harness.pull().expect("an inpainted frame"));
    done.collect()
}

fn gpu(number: usize) -> Gpu {
    Gpu::find(number).expect("the virtual GPU")
}

#[test]
fn a_frame_is_filled_as_on_the_host_and_the_host_waits_once() {
    if !on_gpu(
        "a_frame_is_filled_as_on_the_host_and_the_host_waits_once",
        &[],
    ) {
        return;
    }
    for (format, hole_bytes) in FORMATS.into_iter().zip(HOLE_BYTES) {
        let info = info(format);
        let frames = noise(&info);
        let on_host = bytes(&inpainted(host_caps(&info), noise(&info)));
        assert_ne!(on_host, bytes(&frames), "{format}: something is filled");
        let on_device = uploaded(&info, frames, 0);
        let before = gpu(0).counts();
        let done = inpainted(cuda_caps(&info), on_device);
        let counts = gpu(0).counts() - before;
        println!("{format}: {counts:?}");
        assert!(downloaded(&info, done) == on_host, "{format}");

        let (frames, planes) = (FRAMES as u64, u64::from(info.n_planes()));
        let expected = Counts {
            // A frame comes to the host once, in its own format, and the host goes on meanwhile.
            downloads: frames * planes,
            downloads_pinned: frames * planes,
            download_bytes: frames * info.size() as u64,
            // The hole alone goes back: its new bits, and which bits stay.
            uploads: frames,
            uploads_pinned: frames,
            upload_bytes: frames * 2 * hole_bytes,
            device_copies: 0,
            launches: frames * planes,
            kernels: frames * planes,
            // Before a frame goes on, and nowhere else.
            stream_waits: frames,
            event_waits: 0,
            context_waits: 0,
            waiting_copies: 0,
            events_recorded: frames,
            // None for each frame.
            allocations: 1,
            frees: 1,
            modules: 1,
            pinned_bytes: 0,
            refused_work: 0,
            ..counts
        };
        assert_eq!(counts, expected, "{format}");
    }
}

#[test]
fn memory_that_others_have_too_is_copied_on_the_device() {
    if !on_gpu("memory_that_others_have_too_is_copied_on_the_device", &[]) {
        return;
    }
    for format in FORMATS {
        let info = info(format);
        let frames = noise(&info);
        let source = bytes(&frames);
        let on_host = bytes(&inpainted(host_caps(&info), noise(&info)));
        let on_device = uploaded(&info, frames, 0);
        let before = gpu(0).counts();
        let done = inpainted(cuda_caps(&info), on_device.clone());
        let counts = gpu(0).counts() - before;
        assert!(downloaded(&info, done) == on_host, "{format}");
        let others = downloaded(&info, on_device);
        assert!(others == source, "{format}: others see no change");
        assert_eq!(counts.device_copies, FRAMES as u64);
        assert_eq!(counts.download_bytes, (FRAMES * info.size()) as u64);
        assert_eq!(counts.waits(), FRAMES as u64);
    }
}

#[test]
fn the_networks_on_the_same_device_are_asked_for_nothing_more() {
    let test = "the_networks_on_the_same_device_are_asked_for_nothing_more";
    let Some(weights) = weights_folder() else {
        return;
    };
    if !on_gpu(test, &COUNTED) {
        return;
    }
    let element = || {
        let element = propainter();
        element.set_property_from_str("model", "propainter");
        element.set_property("device", "cuda:0");
        element.set_property("raft-iterations", 2u32);
        element.set_property("weights", weights);
        element
    };
    let info = info(VideoFormat::Nv12);
    // The first one finds out what is fast.
    inpainted_by(&element(), host_caps(&info), noise(&info));
    let before = gpu(0).counts();
    inpainted_by(&element(), host_caps(&info), noise(&info));
    let on_host = gpu(0).counts() - before;
    let frames = uploaded(&info, noise(&info), 0);
    let before = gpu(0).counts();
    inpainted_by(&element(), cuda_caps(&info), frames);
    let on_device = gpu(0).counts() - before;
    println!("on the host: {on_host:?}\non the device: {on_device:?}");
    let (frames, planes) = (FRAMES as u64, u64::from(info.n_planes()));
    assert!(on_host.launches > frames, "the networks ran");
    assert_eq!(on_device.launches - on_host.launches, frames * planes);
    assert_eq!(on_device.downloads - on_host.downloads, frames * planes);
    assert_eq!(on_device.uploads - on_host.uploads, frames);
    assert_eq!(on_device.waits() - on_host.waits(), frames);
}

#[test]
fn frames_of_any_device_are_filled_there_and_may_change_it() {
    let test = "frames_of_any_device_are_filled_there_and_may_change_it";
    if !on_gpu(test, &[("VIRTUAL_GPU_DEVICES", "2")]) {
        return;
    }
    let info = info(VideoFormat::Nv12);
    let on_host = bytes(&inpainted(host_caps(&info), noise(&info)));
    let mut frames = noise(&info);
    let second = uploaded(&info, frames.split_off(FRAMES / 2), 1);
    let first = uploaded(&info, frames, 0);
    let before = [0, 1].map(|number| gpu(number).counts());
    let mut done = inpainted(cuda_caps(&info), [first, second].concat());
    for (number, before) in before.into_iter().enumerate() {
        let counts = gpu(number).counts() - before;
        assert_eq!(counts.waits(), FRAMES as u64 / 2, "{number}");
        assert_eq!(counts.kernels, FRAMES as u64, "{number}");
    }
    let second = downloaded(&info, done.split_off(FRAMES / 2));
    assert!([downloaded(&info, done), second].concat() == on_host);
}

#[test]
fn the_kernel_assembles_for_every_architecture() {
    let Some(assembler) = Assembler::find() else {
        skip::optional(INSTALL);
        return;
    };
    let ptx = include_str!("../../elements/src/propainter/video/device/merge.ptx");
    for architecture in [75, 80, 86, 89, 90, 100, 120] {
        if assembler.knows(architecture) {
            let usages = assembler.assemble(ptx, architecture);
            for usage in usages.expect("the kernel is valid") {
                println!("{usage}");
                assert_eq!(usage.spill_stores + usage.spill_loads, 0);
            }
        }
    }
}

/// Pushes frames and returns the error that the element posts.
fn problem(caps: gst::Caps, frames: Vec<gst::Buffer>) -> String {
    let element = propainter();
    let bus = gst::Bus::new();
    element.set_bus(Some(&bus));
    let mut harness = Harness::with_element(&element, Some("sink"), Some("src"));
    harness.set_src_caps(caps);
    harness.play();
    for frame in frames {
        let _ = harness.push(frame);
    }
    harness.push_event(gst::event::Eos::new());
    let patience = gst::ClockTime::from_seconds(60);
    let message = bus.timed_pop_filtered(patience, &[gst::MessageType::Error]);
    match message.expect("an error").view() {
        gst::MessageView::Error(error) => error.error().to_string(),
        _ => unreachable!("only errors are popped"),
    }
}

#[test]
fn other_memory_and_a_lost_context_are_told_in_a_sentence() {
    if !on_gpu(
        "other_memory_and_a_lost_context_are_told_in_a_sentence",
        &[],
    ) {
        return;
    }
    let info = info(VideoFormat::Nv12);
    let other = problem(cuda_caps(&info), noise(&info));
    let expected = "the buffer is not in CUDA memory, although its caps say so";
    assert_eq!(other, expected);
    let frames = uploaded(&info, noise(&info), 0);
    gpu(0).fail_allocation(1);
    let full = problem(cuda_caps(&info), frames);
    let expected =
        "there is no memory left for frames in CUDA memory (cuMemAlloc); lower vram-budget";
    assert_eq!(full, expected);
    let frames = uploaded(&info, noise(&info), 0);
    gpu(0).fail_launch(1);
    let lost = problem(cuda_caps(&info), frames);
    let expected = "the CUDA context of the frames has failed (CUDA_ERROR_ILLEGAL_ADDRESS at \
        cuStreamSynchronize); restart the program";
    assert_eq!(lost, expected);
}

/// Plays frames that go to CUDA memory and back, with the element of these properties in between, and
/// returns the number of CUDA contexts that GStreamer's elements made.
fn contexts(properties: &str) -> usize {
    let description = format!(
        "videotestsrc num-buffers=4 ! video/x-raw,format=NV12,width=64,height=48 ! cudaupload \
        ! propainter mask-regions=<<8,8,16,16>> {properties} \
        ! video/x-raw(memory:CUDAMemory) ! cudadownload ! video/x-raw ! fakesink"
    );
    let pipeline = gst::parse::launch(&description).expect("a valid pipeline");
    let bus = pipeline.bus().expect("a pipeline has a bus");
    pipeline.set_state(gst::State::Playing).expect("it plays");
    let mut contexts = 0;
    loop {
        let message = bus.timed_pop(gst::ClockTime::from_seconds(300));
        match message.expect("an end").view() {
            gst::MessageView::HaveContext(_) => contexts += 1,
            gst::MessageView::Eos(_) => break,
            gst::MessageView::Error(error) => panic!("{error:?}"),
            _ => {}
        }
    }
    pipeline.set_state(gst::State::Null).expect("it stops");
    contexts
}

#[test]
fn the_elements_of_a_pipeline_share_one_context() {
    if on_gpu("the_elements_of_a_pipeline_share_one_context", &[]) {
        assert_eq!(contexts("model=propagation device=cuda:0"), 1);
        assert_eq!(gpu(0).counts().kernels, 8);
    }
}

#[test]
fn the_elements_of_a_pipeline_share_the_context_of_the_networks() {
    let test = "the_elements_of_a_pipeline_share_the_context_of_the_networks";
    let Some(weights) = weights_folder() else {
        return;
    };
    if on_gpu(test, &COUNTED) {
        let weights = weights.display();
        let own = format!("model=propainter device=cuda:0 raft-iterations=2 weights={weights}");
        assert_eq!(contexts(&own), 0);
        let elsewhere = format!("model=propainter device=cpu raft-iterations=2 weights={weights}");
        assert_eq!(contexts(&elsewhere), 1);
    }
}
