//! Properties as text, the way `gst-launch-1.0` sets them.

use std::sync::LazyLock;

use gst::{glib, prelude::*};
use gst_video::VideoRegionOfInterestMeta;
use propainter_elements::{Propainter, fuzz};

/// Starts GStreamer once, with the element in it.
pub(super) fn init() {
    static ONCE: LazyLock<()> = LazyLock::new(|| {
        gst::init().expect("GStreamer starts");
        propainter_elements::plugin_register_static().expect("the element registers");
        // Text that is no value is warned of, thousands of times a second.
        gst::log::set_active(false);
    });
    LazyLock::force(&ONCE);
}

/// A line is `name=value`, or `child::name=value`. The values that are read later, as a frame
/// comes or a session opens, are read here.
pub fn properties(bytes: &[u8]) {
    init();
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let element: Propainter = glib::Object::new();
    for line in text.lines().filter(|line| !line.contains('\0')) {
        let Some((name, value)) = line.split_once('=') else {
            continue;
        };
        match name.split_once("::") {
            None => set(element.upcast_ref(), name, value),
            Some((child, name)) => {
                if let Some(child) = element.child_by_name(child) {
                    set(&child, name, value);
                }
            }
        }
    }
    use_up(&element);
}

fn set(object: &glib::Object, name: &str, text: &str) {
    let Some(specification) = object.find_property(name) else {
        return;
    };
    if !specification.flags().contains(glib::ParamFlags::WRITABLE)
        // Its name, parent and control rate are GStreamer's.
        || specification.owner_type() == gst::Object::static_type()
    {
        return;
    }
    // GStreamer 1.22 crashes by itself on arrays that are deeper than the specification's.
    if specification.value_type() == gst::Array::static_type() && too_deep(text) {
        return;
    }
    if let Ok(value) = glib::Value::deserialize_with_pspec(text, &specification) {
        // SAFETY: object, name and value live and are of the types that the call takes. The
        // binding's own setter panics where a value is out of range, which GObject clamps.
        unsafe {
            glib::gobject_ffi::g_object_set_property(
                object.as_ptr(),
                specification.name().as_ptr().cast(),
                value.as_ptr(),
            );
        }
    }
}

/// Whether arrays in arrays have arrays in them, or there is a list, which is no array.
fn too_deep(text: &str) -> bool {
    let mut depth = 0i32;
    text.bytes().any(|byte| {
        depth += i32::from(byte == b'<') - i32::from(byte == b'>');
        depth > 2 || byte == b'{'
    })
}

/// Reads every property, sets it to what was read, and does with the texts what the element
/// would.
fn use_up(element: &Propainter) {
    for specification in element.list_properties() {
        let name = specification.name();
        let value = element.property_value(name);
        if specification.flags().contains(glib::ParamFlags::WRITABLE)
            && specification.owner_type() == Propainter::static_type()
            && !(value.get::<f64>().is_ok_and(f64::is_nan))
        {
            element.set_property_from_value(name, &value);
            let again = element.property_value(name);
            let same = match value.compare(&again) {
                Some(order) => order.is_eq(),
                None => format!("{value:?}") == format!("{again:?}"),
            };
            assert!(same, "{name}: {value:?} came back as {again:?}");
        }
    }
    if let Some(location) = element.property::<Option<String>>("mask-location") {
        for number in [0, 1, 99_999, u64::MAX] {
            let file = fuzz::mask_file(&location, number);
            assert!(file.as_os_str().len() <= location.len() + 64);
        }
    }
    if let Some(types) = element.property::<Option<String>>("mask-roi-type") {
        let mut buffer = gst::Buffer::new();
        if let Some(buffer) = buffer.get_mut() {
            VideoRegionOfInterestMeta::add(buffer, "face", (0, 0, 8, 8));
            VideoRegionOfInterestMeta::add(buffer, "*", (u32::MAX, u32::MAX, u32::MAX, u32::MAX));
        }
        assert!(fuzz::mask_rois(&buffer, &types) <= 2);
    }
    for live in [false, true] {
        if let Ok(config) = fuzz::config(element, live) {
            assert!(config.hop() > 0 && config.latency_frames() >= config.hop().min(1));
        }
    }
}
