//! Everything that the element posts on the bus: errors, warnings and element messages.
//!
//! Each message has one function in here, so that its domain, its text and its fields are in one
//! place. The functions know nothing of the stream; they are called without the lock.

pub mod failures;
pub mod masks;
pub mod memory;
pub mod overload;
pub mod progress;
pub mod stall;

use gst::prelude::*;

/// Posts an element message.
fn post_element(element: &gst::Element, structure: gst::Structure) {
    let message = gst::message::Element::builder(structure)
        .src(element)
        .build();
    // Without a bus nobody listens.
    let _ = element.post_message(message);
}
