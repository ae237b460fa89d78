//! The short form of `scripts/soak.sh`: what is resident does not grow with the stream.

use propainter_tests::{
    alone::alone,
    soak::{Options, growth, run},
};

#[test]
fn resident_memory_is_flat_over_a_long_stream() {
    if !alone("soak::resident_memory_is_flat_over_a_long_stream", &[]) {
        return;
    }
    gst::init().expect("GStreamer starts");
    propainter_elements::plugin_register_static().expect("the element registers");
    let samples = run(&Options::new(1500), |sample| println!("{sample}"));
    let growth = growth(&samples);
    println!("{growth:.1} bytes a frame");
    assert!(growth < 1024.0, "{growth} bytes a frame");
}
