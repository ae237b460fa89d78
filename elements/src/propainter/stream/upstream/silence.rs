//! Why upstream is silent, as far as the pipeline tells.
//!
//! From a sink pad, a slow source and a source that cannot go on look alike. The second kind also
//! delivers to another branch of a tee or a demuxer, which accepts nothing because its queue is
//! full or because it has none.

use gst::{ClockTime, prelude::*};

/// Largest number of pads that a search visits: pipelines may have loops.
const MOST: usize = 1000;

/// The worst reason why the upstream of a pad is silent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Silence {
    /// A file is read, which goes on or ends by itself.
    File,
    /// A source, or the application behind an `appsrc`, has nothing to deliver.
    Source,
    /// Another branch accepts nothing: this queue is full, or an element without a queue blocks.
    Blocked(Option<gst::Element>),
}

/// Returns why nothing comes to this sink pad. The sink pad `accepting`, if the search meets it,
/// accepts data.
pub fn silence(pad: &gst::Pad, accepting: Option<&gst::Pad>) -> Silence {
    let mut search = Search {
        seen: accepting.into_iter().cloned().collect(),
        full: None,
    };
    let mut found = Silence::File;
    let mut sinks = vec![pad.clone()];
    while let Some(sink) = sinks.pop() {
        let Some(source) = sink.peer().filter(|_| search.is_new(&sink)) else {
            continue;
        };
        let source = real(source);
        let feeding = links_of(&source, gst::PadDirection::Sink);
        let beside: Vec<_> = if feeding.is_empty() {
            pads_beside(&source)
        } else if source
            .parent()
            .is_some_and(|parent| parent.is::<gst::GhostPad>())
        {
            vec![]
        } else {
            let onward = |pad| links_of(pad, gst::PadDirection::Src);
            feeding.iter().flat_map(onward).collect()
        };
        let mut others = beside.iter().filter(|pad| **pad != source);
        if others.any(|pad| search.blocks(pad)) {
            return Silence::Blocked(search.full);
        }
        if feeding.is_empty() {
            match origin(&source) {
                Silence::File => {}
                Silence::Source => found = Silence::Source,
                blocked => return blocked,
            }
        }
        sinks.extend(feeding);
    }
    found
}

/// Returns whether the pipeline plays or changes its state.
pub fn is_moving(element: &gst::Element) -> bool {
    let (change, current, _) = top(element).state(Some(ClockTime::ZERO));
    current == gst::State::Playing || change == Ok(gst::StateChangeSuccess::Async)
}

/// Returns the kind of source that a chain begins with.
fn origin(source: &gst::Pad) -> Silence {
    let Some(element) = source.parent_element() else {
        return Silence::Source;
    };
    // An application may feed several sources in turn.
    if is_a(&element, "appsrc") && appsrcs_beside(&element).iter().any(is_full) {
        return Silence::Blocked(None);
    }
    match element.metadata("klass") {
        Some(class) if class.contains("File") => Silence::File,
        _ => Silence::Source,
    }
}

/// Returns the other `appsrc` elements of the pipeline.
fn appsrcs_beside(element: &gst::Element) -> Vec<gst::Element> {
    let Ok(pipeline) = top(element).downcast::<gst::Bin>() else {
        return vec![];
    };
    let all = pipeline.iterate_all_by_element_factory_name("appsrc");
    let others = all.into_iter().flatten();
    others.filter(|other| other != element).collect()
}

fn is_a(element: &gst::Element, name: &str) -> bool {
    let factory = element.factory();
    factory.is_some_and(|factory| factory.name() == name)
}

fn top(element: &gst::Element) -> gst::Element {
    let mut top = element.clone();
    while let Some(parent) = top.parent().and_downcast::<gst::Element>() {
        top = parent;
    }
    top
}

/// Returns the pad that a ghost pad stands for.
fn real(mut pad: gst::Pad) -> gst::Pad {
    while let Some(target) = pad
        .downcast_ref::<gst::GhostPad>()
        .and_then(|pad| pad.target())
    {
        pad = target;
    }
    pad
}

/// Returns the pads of a direction of this pad's element that it is linked to internally. At the
/// border of a bin that is the pad of the bin.
fn links_of(pad: &gst::Pad, direction: gst::PadDirection) -> Vec<gst::Pad> {
    if let Some(border) = pad.parent().and_downcast::<gst::GhostPad>() {
        return vec![border.upcast()];
    }
    let Some(element) = pad.parent_element() else {
        return vec![];
    };
    let mut pads = match direction {
        gst::PadDirection::Sink => element.sink_pads(),
        _ => element.src_pads(),
    };
    if is_a(&element, "multiqueue") {
        // Each stream has its own pair of pads.
        let number = |pad: &gst::Pad| pad.name().rsplit('_').next().map(str::to_owned);
        pads.retain(|other| number(other) == number(pad));
    }
    pads
}

/// Returns all source pads of the element that this pad belongs to.
fn pads_beside(source: &gst::Pad) -> Vec<gst::Pad> {
    let element = source.parent_element();
    element.map_or_else(Vec::new, |element| element.src_pads())
}

/// The state of a search.
struct Search {
    /// The pads that were visited.
    seen: Vec<gst::Pad>,
    /// The queue that was found to be full.
    full: Option<gst::Element>,
}

impl Search {
    fn is_new(&mut self, pad: &gst::Pad) -> bool {
        let new = self.seen.len() < MOST && !self.seen.contains(pad);
        if new {
            self.seen.push(pad.clone());
        }
        new
    }

    /// Returns whether a buffer that is pushed from this source pad may have to wait.
    fn blocks(&mut self, source: &gst::Pad) -> bool {
        let Some(sink) = source.peer().filter(|sink| self.is_new(sink)) else {
            return false;
        };
        let sink = real(sink);
        if let Some(queue) = sink.parent_element()
            && let Some(full) = is_full_queue(&queue, &sink)
        {
            self.full = full.then_some(queue);
            return full;
        }
        let onward = links_of(&sink, gst::PadDirection::Src);
        // A sink waits for the clock, a muxer or a mixer for its other pads.
        onward.is_empty() || onward.iter().any(|pad| self.blocks(pad))
    }
}

/// Returns whether a queue is full for data to this pad of it; `None` if the element is no queue.
fn is_full_queue(element: &gst::Element, sink: &gst::Pad) -> Option<bool> {
    let levels: &gst::Object = if is_a(element, "queue") || is_a(element, "queue2") {
        element.upcast_ref()
    } else if is_a(element, "multiqueue") {
        sink.upcast_ref()
    } else {
        return None;
    };
    let leaks = number(element.upcast_ref(), "leaky") != 0;
    Some(!leaks && reaches(levels, element, "max-size-"))
}

/// Returns whether an `appsrc` is full.
fn is_full(appsrc: &gst::Element) -> bool {
    reaches(appsrc.upcast_ref(), appsrc, "max-")
}

/// Returns whether one of the levels has reached its limit; a limit of 0 is none.
fn reaches(levels: &gst::Object, limits: &gst::Element, limit: &str) -> bool {
    ["buffers", "bytes", "time"].into_iter().any(|what| {
        let level = number(levels, &format!("current-level-{what}"));
        let most = number(limits.upcast_ref(), &format!("{limit}{what}"));
        most > 0 && level >= most
    })
}

/// Returns a property that is a number or an enumeration; 0 if there is none of that name.
fn number(object: &gst::Object, name: &str) -> u64 {
    let value = object
        .find_property(name)
        .map(|_| object.property_value(name));
    let value = value.and_then(|value| value.transform::<u64>().ok());
    value.and_then(|value| value.get().ok()).unwrap_or(0)
}

/// Doubles the limits of a queue. Returns false for an element without such limits.
pub fn double_limits(queue: &gst::Element) -> bool {
    if !is_a(queue, "queue") {
        return false;
    }
    for limit in ["max-size-buffers", "max-size-bytes"] {
        let size: u32 = queue.property(limit);
        queue.set_property(limit, size.saturating_mul(2));
    }
    let time: u64 = queue.property("max-size-time");
    queue.set_property("max-size-time", time.saturating_mul(2));
    true
}
