//! What a pipeline reads and writes, so that it does not empty what it reads.

use std::path::PathBuf;

use gst::prelude::*;

use crate::output::{self, Existing, OutputError, sequence};

/// Fails where a pipeline of the user's own writes to a file that it reads.
///
/// What it may replace besides is for its own elements to say, as with gst-launch-1.0.
pub fn check(pipeline: &gst::Pipeline) -> Result<(), OutputError> {
    let all = || pipeline.iterate_recurse().into_iter().flatten();
    let inputs: Vec<PathBuf> = all().flat_map(|element| read_by(&element)).collect();
    let outputs = all().filter_map(|element| written_by(&element));
    for file in outputs.flat_map(|file| sequence(&file)) {
        // The rest is for the sink to say: it may write to a device, or make its folder.
        if let Err(error @ OutputError::Input { .. }) =
            output::check(&file, &inputs, Existing::Replace)
        {
            return Err(error);
        }
    }
    Ok(())
}

/// The files that an element reads: what a source is told, and masks.
pub fn read_by(element: &gst::Element) -> Vec<PathBuf> {
    let masks = text(element, "mask-location");
    let source = element.element_flags().contains(gst::ElementFlags::SOURCE);
    let location = text(element, "location").filter(|_| source);
    let uri = text(element, "uri").and_then(|uri| gst::glib::filename_from_uri(&uri).ok());
    let named = masks.into_iter().chain(location).map(PathBuf::from);
    let all = named.chain(uri.map(|(file, _)| file));
    all.flat_map(|file| sequence(&file)).collect()
}

fn written_by(element: &gst::Element) -> Option<PathBuf> {
    let sink = element.element_flags().contains(gst::ElementFlags::SINK);
    let location = text(element, "location").filter(|_| sink)?;
    // As an address it names no file here.
    (!location.contains("://")).then(|| PathBuf::from(location))
}

fn text(element: &gst::Element, property: &str) -> Option<String> {
    let known = element.find_property(property)?;
    let is_text = known.value_type() == gst::glib::Type::STRING;
    let readable = known.flags().contains(gst::glib::ParamFlags::READABLE);
    if !is_text || !readable {
        return None;
    }
    element.property::<Option<String>>(property)
}
