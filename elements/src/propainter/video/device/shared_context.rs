//! The context that the networks compute in, for the elements of GStreamer that ask their neighbours for
//! one: with it a device has one context, and not one for the decoder and the encoder besides.

use std::collections::BTreeMap;

use gst::{glib, prelude::*};
use parking_lot::Mutex;
use propainter::internals::cuda::PrimaryContext;

use crate::propainter::video::device::gst_cuda::GstCuda;

/// The `GstCudaContext` of each device, for as long as somebody has it.
static CONTEXTS: Mutex<BTreeMap<usize, glib::WeakRef<gst::Object>>> = Mutex::new(BTreeMap::new());

/// Returns the `GstCudaContext` of device `index`; everybody gets the same.
///
/// # Errors
/// The device does not open.
pub fn shared_context(gst: &GstCuda, index: usize) -> Result<gst::Object, String> {
    let mut contexts = CONTEXTS.lock();
    let known = contexts.get(&index).and_then(glib::WeakRef::upgrade);
    if let Some(known) = known {
        return Ok(known);
    }
    let primary = PrimaryContext::open(index).map_err(|error| error.to_string())?;
    let context = gst.wrap(primary)?;
    contexts.insert(index, context.downgrade());
    Ok(context)
}
