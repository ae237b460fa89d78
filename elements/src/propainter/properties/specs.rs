//! The specifications of the properties: names, ranges and descriptions.

use gst::{glib, prelude::*};

use crate::propainter::properties::{enums::AllowedDegradation, settings::Settings};

/// Returns the specifications in the order in which `gst-inspect-1.0` shows them.
pub fn specifications() -> Vec<glib::ParamSpec> {
    let default = Settings::default();
    let count = |name, nick, blurb, least, default| {
        glib::ParamSpecUInt::builder(name)
            .nick(nick)
            .blurb(blurb)
            .minimum(least)
            .maximum(100_000)
            .default_value(default)
            .mutable_ready()
            .build()
    };
    let side = |name, nick, blurb| {
        glib::ParamSpecUInt::builder(name)
            .nick(nick)
            .blurb(blurb)
            .maximum(32_768)
            .default_value(0)
            .mutable_ready()
            .build()
    };
    let border = |name, nick, blurb| {
        glib::ParamSpecUInt::builder(name)
            .nick(nick)
            .blurb(blurb)
            .maximum(16_384)
            .default_value(0)
            .mutable_ready()
            .build()
    };
    let bytes = |name, nick, blurb, default| {
        glib::ParamSpecUInt64::builder(name)
            .nick(nick)
            .blurb(blurb)
            .default_value(default)
            .mutable_ready()
            .build()
    };
    let number = glib::ParamSpecInt::builder("number")
        .nick("Number")
        .blurb("x, y, width or height in pixels")
        .build();
    let region = gst::ParamSpecArray::builder("region")
        .nick("Region")
        .blurb("x, y, width and height of a rectangle")
        .element_spec(&number)
        .build();
    vec![
        glib::ParamSpecEnum::builder_with_default("model", default.model)
            .nick("Model")
            .blurb("Engine that fills the masked pixels")
            .mutable_ready()
            .build(),
        glib::ParamSpecString::builder("weights")
            .nick("Weights")
            .blurb(
                "Folder with the checkpoints of the networks (unset = $PROPAINTER_WEIGHTS, then the \
                 user's data folder)",
            )
            .mutable_ready()
            .build(),
        glib::ParamSpecString::builder("device")
            .nick("Device")
            .blurb("Device to compute on: auto (a CUDA device if there is one), cpu, cuda, cuda:N")
            .default_value(Some(default.device.as_str()))
            .mutable_ready()
            .build(),
        glib::ParamSpecEnum::builder_with_default("mode", default.mode)
            .nick("Mode")
            .blurb("How the stream is divided into windows")
            .mutable_ready()
            .build(),
        count(
            "subvideo-length",
            "Sub-video length",
            "Number of frames over which flow is completed and pixels are propagated together; more \
             frames reach farther but cost memory and latency",
            2,
            default.subvideo_length,
        ),
        count(
            "neighbor-length",
            "Neighbor length",
            "Number of neighbouring frames in a window of the generator",
            2,
            default.neighbor_length,
        ),
        count(
            "ref-stride",
            "Reference stride",
            "Distance between the reference frames of a window, in frames",
            1,
            default.ref_stride,
        ),
        count(
            "raft-iterations",
            "RAFT iterations",
            "Number of refinement steps of the optical flow",
            1,
            default.raft_iterations,
        ),
        count(
            "lookahead",
            "Look-ahead",
            "Number of future frames that a sliding window waits for (0 = past frames only)",
            0,
            default.lookahead,
        ),
        count(
            "max-held-frames",
            "Maximum held frames",
            "Maximum number of frames held back while waiting for later ones (0 = as many as the \
             windows need); mode=auto switches to sliding windows to stay within it",
            0,
            default.max_held_frames,
        ),
        glib::ParamSpecBoolean::builder("scene-cuts")
            .nick("Scene cuts")
            .blurb("Whether a scene cut ends a sliding window")
            .default_value(default.scene_cuts)
            .mutable_ready()
            .build(),
        glib::ParamSpecDouble::builder("scene-threshold")
            .nick("Scene threshold")
            .blurb("Difference between consecutive frames above which a scene cut is assumed")
            .minimum(0.01)
            .maximum(1.0)
            .default_value(default.scene_threshold)
            .mutable_ready()
            .build(),
        count(
            "mask-dilation",
            "Mask dilation",
            "Number of pixels by which the mask is widened, at processing size",
            0,
            default.mask_dilation,
        ),
        glib::ParamSpecString::builder("mask-location")
            .nick("Mask location")
            .blurb(
                "Mask image for all frames, or numbered images such as mask%05d.png, one for each \
                 frame (BMP, GIF, JPEG, PNG, PNM, TIFF or WebP); the mask is alpha if it varies, \
                 otherwise luma",
            )
            .mutable_playing()
            .build(),
        gst::ParamSpecArray::builder("mask-regions")
            .nick("Mask regions")
            .blurb(
                "Rectangles to fill, in pixels of the frame: <<x, y, width, height>, ...>; each is \
                 also a child region0, region1, ... with properties of its own",
            )
            .element_spec(&region)
            .controllable()
            .mutable_playing()
            .build(),
        glib::ParamSpecUInt::builder("mask-threshold")
            .nick("Mask threshold")
            .blurb(
                "Luma of masks above which pixels are filled, in full range (0 = all but black and \
                 the noise that lossy codecs leave on it); with mask-from-alpha, transparency above \
                 which pixels are filled",
            )
            .maximum(255)
            .default_value(default.mask_threshold)
            .mutable_playing()
            .build(),
        glib::ParamSpecBoolean::builder("mask-invert")
            .nick("Mask invert")
            .blurb(
                "Whether to fill pixels at or below mask-threshold instead of above it; for \
                 mask-location and mask_sink",
            )
            .default_value(default.mask_invert)
            .mutable_playing()
            .build(),
        glib::ParamSpecBoolean::builder("mask-from-alpha")
            .nick("Mask from alpha")
            .blurb(
                "Whether to fill pixels whose transparency (255 - alpha) is above mask-threshold, \
                 and make them opaque; for formats with alpha",
            )
            .default_value(default.mask_from_alpha)
            .mutable_playing()
            .build(),
        glib::ParamSpecString::builder("mask-roi-type")
            .nick("Mask ROI type")
            .blurb(
                "Types of the regions of interest (GstVideoRegionOfInterestMeta) to fill, separated \
                 by commas (* = any, unset = none)",
            )
            .mutable_playing()
            .build(),
        glib::ParamSpecUInt::builder("mask-feather")
            .nick("Mask feather")
            .blurb(
                "Number of pixels beyond the widened mask over which the fill fades into the frame, at \
                 processing size",
            )
            .maximum(100)
            .default_value(default.mask_feather)
            .mutable_ready()
            .build(),
        side(
            "width",
            "Width",
            "Processing width, rounded down to a multiple of 8 (0 = width of the frames)",
        ),
        side(
            "height",
            "Height",
            "Processing height, rounded down to a multiple of 8 (0 = height of the frames)",
        ),
        glib::ParamSpecDouble::builder("resize-ratio")
            .nick("Resize ratio")
            .blurb("Processing size relative to the size of the frames, if no width or height is set")
            .minimum(0.01)
            .maximum(4.0)
            .default_value(default.resize_ratio)
            .mutable_ready()
            .build(),
        border(
            "expand-left",
            "Expand left",
            "Number of pixels to add to the left of the frame and to fill; the source pad's frames are \
             wider by them",
        ),
        border(
            "expand-right",
            "Expand right",
            "Number of pixels to add to the right of the frame and to fill",
        ),
        border(
            "expand-top",
            "Expand top",
            "Number of pixels to add above the frame and to fill; the source pad's frames are higher \
             by them",
        ),
        border(
            "expand-bottom",
            "Expand bottom",
            "Number of pixels to add below the frame and to fill",
        ),
        glib::ParamSpecEnum::builder_with_default("crop-mode", default.crop_mode)
            .nick("Crop mode")
            .blurb(
                "Process whole frames or crops around the masks; width and height limit the \
                 processing size of a crop, which has as many pixels as 864x480 at most; with \
                 expand-*, frames are whole",
            )
            .mutable_ready()
            .build(),
        bytes(
            "vram-budget",
            "Device memory budget",
            "Maximum bytes of device memory, including the driver's context; with device=cpu, of \
             host memory (0 = the memory that is free at the start minus vram-reserve)",
            default.vram_budget,
        ),
        bytes(
            "vram-reserve",
            "Device memory reserve",
            "Bytes of device memory to leave free if vram-budget is 0",
            default.vram_reserve,
        ),
        bytes(
            "host-budget",
            "Host memory budget",
            "Maximum bytes of host memory for held frames, flows and features (0 = the memory that is \
             free)",
            default.host_budget,
        ),
        glib::ParamSpecEnum::builder_with_default("precision", default.precision)
            .nick("Precision")
            .blurb("Number format of flow completion and the generator")
            .mutable_ready()
            .build(),
        glib::ParamSpecFlags::builder::<AllowedDegradation>("allow-degradation")
            .default_value(default.allow_degradation)
            .nick("Allowed degradation")
            .blurb(
                "Reductions of quality that are allowed if no exact plan fits the budget: precision, \
                 references, window and resolution, tried in this order; and effort, if the engine \
                 without networks would be late in a live stream",
            )
            .mutable_ready()
            .build(),
        glib::ParamSpecEnum::builder_with_default("late-policy", default.late_policy)
            .nick("Late policy")
            .blurb("What to do with a frame that is not finished by its deadline")
            .mutable_playing()
            .build(),
        glib::ParamSpecUInt64::builder("processing-latency")
            .nick("Processing latency")
            .blurb(
                "Latency for computing on top of the look-ahead, in ns; a frame that takes longer is \
                 late (18446744073709551615 = automatic: the duration of the frames that become \
                 final at once, or 0 if late frames wait)",
            )
            .default_value(u64::MAX)
            .mutable_playing()
            .build(),
        glib::ParamSpecBoolean::builder("qos")
            .nick("Quality of service")
            .blurb("Whether to treat frames as late that downstream's QoS events report as late")
            .default_value(default.qos)
            .mutable_playing()
            .build(),
        glib::ParamSpecString::builder("clip-part")
            .nick("Clip part")
            .blurb(
                "Part of a clip that the stream is, as propainter plan divides it: \
                 read=90..240,keep=100..200,total=1000, of which the frames to keep are sent (unset = \
                 a whole clip, find = send frames as they are and post where a part may begin)",
            )
            .mutable_ready()
            .build(),
        glib::ParamSpecString::builder("plan")
            .nick("Memory plan")
            .blurb("How the work is divided to fit the budget, in one line (unset until it is known)")
            .read_only()
            .build(),
        glib::ParamSpecBoxed::builder::<gst::Structure>("stats")
            .nick("Statistics")
            .blurb("Statistics: frame counts, times, memory use and the engine in use")
            .read_only()
            .build(),
        glib::ParamSpecUInt64::builder("latency")
            .nick("Latency")
            .blurb("Longest time that a frame stays in the element, in ns (0 = not known yet)")
            .read_only()
            .build(),
    ]
}
