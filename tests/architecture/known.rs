//! What is still to be mended. These lists only get shorter.

/// Circles: a folder, and its entries that use one another.
pub const CIRCLES: &[&str] = &[
    "elements/src/propainter/: alarm.rs imp.rs latency.rs lateness.rs mask_pad.rs messages.rs own_masks.rs stall.rs stand_in.rs state.rs warm_up.rs worker.rs",
    "elements/src/propainter/: cuda.rs device_memory.rs",
    "propainter/src/: cancel.rs device.rs engine.rs error.rs isa.rs kernels memory networks precision.rs propagation weights windows",
    "propainter/src/kernels/: conv2d.rs conv_direct.rs conv_short.rs grid.rs patch.rs tile.rs toom_cook.rs",
    "propainter/src/kernels/: correlation.rs cube deform_conv.rs fold.rs instance_norm.rs warp.rs",
    "propainter/src/propagation/: fill.rs walk.rs",
    "propainter/src/propagation/: kernel.rs patch.rs plane.rs",
    "propainter/src/session/: config.rs weights_free.rs",
    "propainter/src/weights/file/: pickle.rs torch.rs",
    "propainter/src/windows/: state.rs work.rs",
    "cli/src/recode/: streams.rs subtitles.rs",
];

/// Folders with more than twelve source files side by side, and how many there are.
pub const CROWDED: &[&str] = &[
    "elements/src/propainter: 46",
    "propainter/src/kernels: 26",
    "propainter/src/propagation: 24",
    "tests/element: 31",
];

/// Files of more than 500 lines.
pub const LONG: &[&str] = &["elements/src/propainter/worker.rs"];
