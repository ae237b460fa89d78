//! Frames come out as on the host, what that asks of the driver, and what goes wrong.

use gst::prelude::*;
use gst_check::Harness;
use gst_video::VideoFormat;
use propainter_tests::skip;
use virtual_gpu::{
    assemble::{Assembler, INSTALL},
    counters::Counts,
};

use super::{
    FORMATS, FRAMES, bytes, cuda_caps, downloaded, gpu, host_caps, info, inpainted, noise, on_gpu,
    propainter, uploaded,
};

/// The bytes of all samples that belong to pixels of [`HOLE`](super::HOLE) or share a chroma sample with one.
const HOLE_BYTES: [u64; 4] = [22 * 14 * 3 / 2, 22 * 14 * 3, 20 * 13 * 4, 20 * 13 * 4];

#[test]
fn a_frame_is_filled_as_on_the_host_and_the_host_waits_once() {
    if !on_gpu(
        module_path!(),
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
    if !on_gpu(
        module_path!(),
        "memory_that_others_have_too_is_copied_on_the_device",
        &[],
    ) {
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
fn frames_of_any_device_are_filled_there_and_may_change_it() {
    let test = "frames_of_any_device_are_filled_there_and_may_change_it";
    if !on_gpu(module_path!(), test, &[("VIRTUAL_GPU_DEVICES", "2")]) {
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
    let ptx = include_str!("../../../elements/src/propainter/video/device/merge.ptx");
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
        module_path!(),
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
