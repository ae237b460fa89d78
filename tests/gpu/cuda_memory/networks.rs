//! The networks on the device of the frames, and whose context is used.

use gst::prelude::*;
use gst_video::VideoFormat;
use propainter_tests::golden::weights_folder;

use super::{
    FRAMES, cuda_caps, gpu, host_caps, info, inpainted_by, noise, on_gpu, propainter, uploaded,
};

/// The settings of a virtual GPU on which the networks compute nothing.
const COUNTED: [(&str, &str); 2] = [("VIRTUAL_GPU_MODE", "count"), ("VIRTUAL_GPU_LATE", "0")];

#[test]
fn the_networks_on_the_same_device_are_asked_for_nothing_more() {
    let test = "the_networks_on_the_same_device_are_asked_for_nothing_more";
    let Some(weights) = weights_folder() else {
        return;
    };
    if !on_gpu(module_path!(), test, &COUNTED) {
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
    if on_gpu(
        module_path!(),
        "the_elements_of_a_pipeline_share_one_context",
        &[],
    ) {
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
    if on_gpu(module_path!(), test, &COUNTED) {
        let weights = weights.display();
        let own = format!("model=propainter device=cuda:0 raft-iterations=2 weights={weights}");
        assert_eq!(contexts(&own), 0);
        let elsewhere = format!("model=propainter device=cpu raft-iterations=2 weights={weights}");
        assert_eq!(contexts(&elsewhere), 1);
    }
}
