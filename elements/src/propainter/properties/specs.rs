//! The specifications of the element's properties: names, ranges, what `gst-inspect-1.0` says.

use gst::{glib, prelude::*};

use crate::propainter::properties::settings::Settings;

/// The specifications, in the order `gst-inspect-1.0` shows them.
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
            .blurb("The engine that fills the hole")
            .mutable_ready()
            .build(),
        glib::ParamSpecString::builder("weights")
            .nick("Weights")
            .blurb(
                "Folder that holds the checkpoints of the networks; unset: $PROPAINTER_WEIGHTS, \
                 then the user's data folder",
            )
            .mutable_ready()
            .build(),
        glib::ParamSpecString::builder("device")
            .nick("Device")
            .blurb("Where to compute: auto (a CUDA card where there is one), cpu, cuda, cuda:N")
            .default_value(Some(default.device.as_str()))
            .mutable_ready()
            .build(),
        glib::ParamSpecEnum::builder_with_default("mode", default.mode)
            .nick("Mode")
            .blurb("How the stream is cut into windows")
            .mutable_ready()
            .build(),
        count(
            "subvideo-length",
            "Sub-video length",
            "Frames over which flow is completed and pictures are propagated at once; more \
             frames see farther and take more memory and latency",
            2,
            default.subvideo_length,
        ),
        count(
            "neighbor-length",
            "Neighbor length",
            "Neighbouring frames in a window of the generator",
            2,
            default.neighbor_length,
        ),
        count(
            "ref-stride",
            "Reference stride",
            "Distance between the reference frames of a window",
            1,
            default.ref_stride,
        ),
        count(
            "raft-iterations",
            "RAFT iterations",
            "Refinement steps of the optical flow",
            1,
            default.raft_iterations,
        ),
        count(
            "lookahead",
            "Look-ahead",
            "Frames of future that a window of mode=sliding waits for",
            1,
            default.lookahead,
        ),
        count(
            "max-held-frames",
            "Maximum held frames",
            "Most frames that are held back for their future (0 = as many as the windows need); \
             where mode=auto would hold more, windows slide",
            0,
            default.max_held_frames,
        ),
        glib::ParamSpecBoolean::builder("scene-cuts")
            .nick("Scene cuts")
            .blurb("Whether a scene cut ends the windows of mode=sliding")
            .default_value(default.scene_cuts)
            .mutable_ready()
            .build(),
        glib::ParamSpecDouble::builder("scene-threshold")
            .nick("Scene threshold")
            .blurb("How different two frames must be to be of two scenes")
            .minimum(0.01)
            .maximum(1.0)
            .default_value(default.scene_threshold)
            .mutable_ready()
            .build(),
        count(
            "mask-dilation",
            "Mask dilation",
            "Pixels by which the hole is widened, at processing size",
            0,
            default.mask_dilation,
        ),
        glib::ParamSpecString::builder("mask-location")
            .nick("Mask location")
            .blurb(
                "Mask image for all frames, or numbered images such as mask%05d.png, one for \
                 each frame: BMP, GIF, JPEG, PNG, PNM, TIFF or WebP; alpha is the mask where it \
                 varies, else luma; what is above mask-threshold is hole",
            )
            .mutable_playing()
            .build(),
        gst::ParamSpecArray::builder("mask-regions")
            .nick("Mask regions")
            .blurb(
                "Rectangles of the hole in pixels of the frame: <<x, y, width, height>, ...>; \
                 each is a child region0, region1, ... with properties of its own",
            )
            .element_spec(&region)
            .controllable()
            .mutable_playing()
            .build(),
        glib::ParamSpecUInt::builder("mask-threshold")
            .nick("Mask threshold")
            .blurb(
                "Luma above it is hole, in the images of mask-location and the pictures of \
                 mask_sink, in full range of 8 bits; 0: all but black, and but the noise that \
                 JPEG, WebP and video leave around it; with mask-from-alpha what lets more \
                 through is hole",
            )
            .maximum(255)
            .default_value(default.mask_threshold)
            .mutable_playing()
            .build(),
        glib::ParamSpecBoolean::builder("mask-invert")
            .nick("Mask invert")
            .blurb(
                "Luma not above mask-threshold is hole, in place of what is above; for \
                 mask-location and mask_sink",
            )
            .default_value(default.mask_invert)
            .mutable_playing()
            .build(),
        glib::ParamSpecBoolean::builder("mask-from-alpha")
            .nick("Mask from alpha")
            .blurb(
                "Where 255 less alpha is above mask-threshold is hole, and becomes opaque; for \
                 formats with alpha",
            )
            .default_value(default.mask_from_alpha)
            .mutable_playing()
            .build(),
        glib::ParamSpecString::builder("mask-roi-type")
            .nick("Mask ROI type")
            .blurb(
                "Types of the regions of interest on the frames that are hole, separated by \
                 commas; * for any, unset for none",
            )
            .mutable_playing()
            .build(),
        glib::ParamSpecUInt::builder("mask-feather")
            .nick("Mask feather")
            .blurb(
                "Pixels around the dilated hole over which the fill fades into the picture, at \
                 processing size",
            )
            .maximum(100)
            .default_value(default.mask_feather)
            .mutable_ready()
            .build(),
        side(
            "width",
            "Width",
            "Width to process at, rounded down to a multiple of 8 (0 = the frames' own)",
        ),
        side(
            "height",
            "Height",
            "Height to process at, rounded down to a multiple of 8 (0 = the frames' own)",
        ),
        glib::ParamSpecDouble::builder("resize-ratio")
            .nick("Resize ratio")
            .blurb("Factor from the frames' size to the processing size where none is given")
            .minimum(0.01)
            .maximum(4.0)
            .default_value(default.resize_ratio)
            .mutable_ready()
            .build(),
        glib::ParamSpecEnum::builder_with_default("roi", default.roi)
            .nick("Region of interest")
            .blurb(
                "What of a frame the engine sees; in crops width and height are the most that \
                 one is processed at, and one of more than 864x480 pixels is processed smaller",
            )
            .mutable_ready()
            .build(),
        bytes(
            "vram-budget",
            "Device memory budget",
            "Bytes of the device's memory to stay within, the driver's context included, or of \
             the host's where device=cpu (0 = by budget-policy or, where that is custom, what is \
             free at the start less vram-reserve)",
            default.vram_budget,
        ),
        glib::ParamSpecEnum::builder_with_default("budget-policy", default.budget_policy)
            .nick("Budget policy")
            .blurb(
                "A card's size to stay within: sets vram-budget to it less vram-reserve, unless \
                 vram-budget is set itself",
            )
            .mutable_ready()
            .build(),
        bytes(
            "vram-reserve",
            "Device memory reserve",
            "Bytes of the device's memory left to others where the budget is what is free or a \
             card's size",
            default.vram_reserve,
        ),
        bytes(
            "host-budget",
            "Host memory budget",
            "Bytes of the host's memory for held frames, flows and features (0 = what is free)",
            default.host_budget,
        ),
        glib::ParamSpecEnum::builder_with_default("precision", default.precision)
            .nick("Precision")
            .blurb("The numbers that flow completion and the generator compute with")
            .mutable_ready()
            .build(),
        glib::ParamSpecString::builder("allow-degradation")
            .nick("Allowed degradation")
            .blurb(
                "What may be given up, in this order, where nothing exact fits the budget: \
                 names out of precision,references,window,resolution; empty forbids all",
            )
            .default_value(Some(default.allow_degradation.to_string().as_str()))
            .mutable_ready()
            .build(),
        glib::ParamSpecEnum::builder_with_default("late-policy", default.late_policy)
            .nick("Late policy")
            .blurb("What becomes of a frame that is not done when it has to go")
            .mutable_playing()
            .build(),
        glib::ParamSpecUInt64::builder("processing-latency")
            .nick("Processing latency")
            .blurb(
                "Time for computing on top of the look-ahead, in ns; a frame that takes longer \
                 is late (18446744073709551615 = the frames that become final at once, or 0 \
                 where late frames wait)",
            )
            .default_value(u64::MAX)
            .mutable_playing()
            .build(),
        glib::ParamSpecBoolean::builder("qos")
            .nick("Quality of service")
            .blurb("Whether frames that downstream calls late count as late")
            .default_value(default.qos)
            .mutable_playing()
            .build(),
        glib::ParamSpecString::builder("plan")
            .nick("Memory plan")
            .blurb("How the work is cut to fit the budget, in one line; unset until it is known")
            .read_only()
            .build(),
        glib::ParamSpecBoxed::builder::<gst::Structure>("stats")
            .nick("Statistics")
            .blurb("Frames, time, memory and the engine at work")
            .read_only()
            .build(),
        glib::ParamSpecUInt64::builder("latency")
            .nick("Latency")
            .blurb("Time between a frame's coming and its going, in ns; 0 until it is known")
            .read_only()
            .build(),
    ]
}
