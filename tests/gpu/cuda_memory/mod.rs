//! Frames in CUDA memory: GStreamer's own elements and memory on the virtual GPU.

mod frames;
mod networks;
mod resident;

use gst_check::Harness;
use gst_video::{VideoFormat, VideoInfo};
use propainter_tests::skip;
use virtual_gpu::{client::Gpu, harness};

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

const FRAMES: usize = 8;

/// Whether this process has the virtual GPU, which works as late as it may, and GStreamer's elements for
/// CUDA memory; see [`harness::virtual_gpu`]. `test` is in `module`, a [`module_path`].
fn on_gpu(module: &str, test: &str, settings: &[(&str, &str)]) -> bool {
    // Of its own: the user's knows that this machine has no GPU.
    let registry = harness::folder().join("gstreamer-registry.bin");
    let own = [
        ("GST_REGISTRY", registry.to_str().expect("a path in UTF-8")),
        ("VIRTUAL_GPU_MODE", "compute"),
        ("VIRTUAL_GPU_LATE", "1"),
    ];
    let module = module.split_once("::").map_or(module, |(_, module)| module);
    let test = format!("{module}::{test}");
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
        // Frames have to be the same however fast they are filled.
        .property_from_str("late-policy", "wait")
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
