//! Caps with and without the border.

use gst::glib::{self, prelude::*};
use propainter::Border;

/// The direction of a change of caps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// From the frames that come in to those that go out.
    Expand,
    /// The other way.
    Shrink,
}

/// Returns caps with the border added or taken away. Width and height may be ranges or lists;
/// caps that allow no size are left out, and those in the memory of a device, too.
pub fn changed(caps: &gst::CapsRef, change: Change, border: Border) -> gst::Caps {
    if caps.is_any() {
        return gst::Caps::new_any();
    }
    let (width, height) = border.around((0, 0));
    let mut out = gst::Caps::new_empty();
    let caps_out = out.make_mut();
    for (structure, features) in caps.iter_with_features() {
        let mut structure = structure.to_owned();
        let mut possible =
            features.is_any() || features.is_equal(&gst::CAPS_FEATURES_MEMORY_SYSTEM_MEMORY);
        for (side, by) in [("width", width), ("height", height)] {
            let by = i32::try_from(by).unwrap_or(i32::MAX);
            let Ok(value) = structure.value(side) else {
                continue;
            };
            match changed_value(value, change, by) {
                Some(value) => structure.set_value(side, value),
                None => possible = false,
            }
        }
        if possible {
            caps_out.append_structure_full(structure, Some(features.to_owned()));
        }
    }
    out
}

/// Changes a number of pixels, a range or a list of them; `None` if nothing is left.
fn changed_value(value: &glib::Value, change: Change, by: i32) -> Option<glib::SendValue> {
    let moved = |side: i32| match change {
        // The largest number stands for no limit.
        _ if side == i32::MAX => side,
        Change::Expand => side.saturating_add(by),
        Change::Shrink => side.saturating_sub(by),
    };
    if let Ok(side) = value.get::<i32>() {
        let side = moved(side);
        return (side > 0 && side < i32::MAX).then(|| side.to_send_value());
    }
    if let Ok(range) = value.get::<gst::IntRange<i32>>() {
        let (least, most) = (moved(range.min()).max(1), moved(range.max()));
        return match most - least {
            ..0 => None,
            0 => Some(least.to_send_value()),
            _ => Some(gst::IntRange::new(least, most).to_send_value()),
        };
    }
    let list = value.get::<gst::List>().ok()?;
    let values = list
        .iter()
        .filter_map(|value| changed_value(value, change, by));
    let values: Vec<_> = values.collect();
    (!values.is_empty()).then(|| gst::List::new(values).to_send_value())
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use super::*;

    fn check(caps: &str, change: Change, expected: &str) {
        let border = Border {
            left: 10,
            right: 6,
            top: 0,
            bottom: 4,
        };
        let caps = gst::Caps::from_str(caps).unwrap();
        let expected = match expected {
            "" => gst::Caps::new_empty(),
            caps => gst::Caps::from_str(caps).unwrap(),
        };
        let changed = changed(&caps, change, border);
        assert!(
            changed.is_strictly_equal(&expected),
            "{changed} is not {expected}"
        );
    }

    #[test]
    fn sizes_ranges_and_lists_grow_and_shrink() {
        gst::init().unwrap();
        for (source, canvas) in [
            ("width=64,height=48", "width=80,height=52"),
            (
                "width=[8,64],height={16,48}",
                "width=[24,80],height={20,52}",
            ),
            ("width=[8,2147483647]", "width=[24,2147483647]"),
            ("format=RGB,framerate=25/1", "format=RGB,framerate=25/1"),
        ] {
            let [source, canvas] = [source, canvas].map(|fields| format!("video/x-raw,{fields}"));
            check(&source, Change::Expand, &canvas);
            check(&canvas, Change::Shrink, &source);
        }
    }

    #[test]
    fn a_pad_that_takes_anything_still_does() {
        gst::init().unwrap();
        check("ANY", Change::Expand, "ANY");
        check("ANY", Change::Shrink, "ANY");
    }

    #[test]
    fn caps_that_are_too_small_or_in_other_memory_are_left_out() {
        gst::init().unwrap();
        check("video/x-raw,width=16", Change::Shrink, "");
        check(
            "video/x-raw,width=[1,17]",
            Change::Shrink,
            "video/x-raw,width=1",
        );
        check(
            "video/x-raw,height={3,4,5}",
            Change::Shrink,
            "video/x-raw,height={1}",
        );
        check(
            "video/x-raw(memory:CUDAMemory),width=64",
            Change::Expand,
            "",
        );
    }
}
