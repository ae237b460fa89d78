//! The files that a pipeline reads and writes. They are compared so that it does not overwrite its
//! own input.

use std::path::PathBuf;

use gst::prelude::*;

use crate::output::{self, Existing, OutputError, input_files};

/// Checks that a pipeline of the user writes to no file that it reads.
///
/// Other files are replaced as its elements decide, as with gst-launch-1.0.
///
/// # Errors
/// The pipeline would overwrite its own input.
pub fn check(pipeline: &gst::Pipeline) -> Result<(), OutputError> {
    let all = || pipeline.iterate_recurse().into_iter().flatten();
    let inputs: Vec<PathBuf> = all().flat_map(|element| read_by(&element)).collect();
    let outputs = all().filter_map(|element| written_by(&element));
    for file in outputs.flat_map(|file| input_files(&file)) {
        // The sink reports all other errors: it may write to a device, or create its folder.
        if let Err(error @ OutputError::Input { .. }) =
            output::check(&file, &inputs, Existing::Replace)
        {
            return Err(error);
        }
    }
    Ok(())
}

/// Returns the files that an element reads: the location of a source, and mask images.
pub fn read_by(element: &gst::Element) -> Vec<PathBuf> {
    let masks = text(element, "mask-location");
    let source = element.element_flags().contains(gst::ElementFlags::SOURCE);
    let location = text(element, "location").filter(|_| source);
    let uri = text(element, "uri").and_then(|uri| gst::glib::filename_from_uri(&uri).ok());
    let named = masks.into_iter().chain(location).map(PathBuf::from);
    let all = named.chain(uri.map(|(file, _)| file));
    all.flat_map(|file| input_files(&file)).collect()
}

/// Returns the file that a sink writes.
fn written_by(element: &gst::Element) -> Option<PathBuf> {
    let sink = element.element_flags().contains(gst::ElementFlags::SINK);
    let location = text(element, "location").filter(|_| sink)?;
    // A URI names no local file.
    (!location.contains("://")).then(|| PathBuf::from(location))
}

/// Returns a readable property of type string.
fn text(element: &gst::Element, property: &str) -> Option<String> {
    let known = element.find_property(property)?;
    let is_text = known.value_type() == gst::glib::Type::STRING;
    let readable = known.flags().contains(gst::glib::ParamFlags::READABLE);
    if !is_text || !readable {
        return None;
    }
    element.property::<Option<String>>(property)
}
