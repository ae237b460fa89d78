//! What a stream holds for windows to come.

use std::ops::Range;

use burn::tensor::{Device, Tensor, TensorData};

use super::{
    pixels::{self, Filled, Patch},
    ring::Ring,
};
use crate::{
    Done, Error, Frame, Mask,
    memory::planning::Plan,
    networks::{
        raft::Features,
        stored::{Placement, StoredTensor},
    },
    schedule::{Schedule, WindowParams},
};

/// The stream so far; a flush starts a new one.
#[derive(Debug)]
pub struct State {
    pub schedule: Schedule,
    pub sources: Ring<Source>,
    /// RAFT's features of the frame that was seen last, and its index.
    pub known: Option<(usize, Features)>,
    pub raw_flows: Ring<Raw>,
    /// Forward flows completed in a chunk whose backward flows are not yet.
    pub half: Vec<StoredTensor>,
    /// Completed flows. Where no frame had a hole there was nothing to complete: RAFT's flow,
    /// once something needs it.
    pub flows: Ring<Option<Flow>>,
    /// Completed flows at 1/4, which guide the generator, where something needed them yet.
    pub guides: Ring<Option<Flow>>,
    pub updated: Ring<Updated>,
    /// Frames already sent.
    sent: usize,
}

#[derive(Debug)]
pub struct Source {
    pub frame: Frame,
    pub hole: Mask,
    /// Whether `hole` has a pixel.
    pub open: bool,
    /// The source with the hole as blended so far, once a window held it.
    blended: Option<Frame>,
}

/// Flows of RAFT between one frame and the next, `[1, 2, H, W]`, each from when something needs
/// it until it is completed and no later chunk needs it.
#[derive(Debug, Default)]
pub struct Raw {
    pub forward: Option<StoredTensor>,
    pub backward: Option<StoredTensor>,
}

/// Which way a flow leads.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Forward,
    Backward,
}

/// Both flows between one frame and the next, `[1, 2, h, w]`.
#[derive(Debug)]
pub struct Flow {
    pub forward: StoredTensor,
    pub backward: StoredTensor,
}

/// A frame after image propagation, and what the generator made of it.
#[derive(Debug)]
pub struct Updated {
    pub filled: Filled,
    /// `[1, 128, H/4, W/4]`, while it may be a local frame.
    pub features: Option<StoredTensor>,
    /// `[1, rows, columns, 512]`, once it is a reference.
    pub tokens: Option<StoredTensor>,
}

impl State {
    pub fn new(cut: WindowParams) -> Self {
        Self {
            schedule: Schedule::new(cut),
            sources: Ring::default(),
            known: None,
            raw_flows: Ring::default(),
            half: Vec::new(),
            flows: Ring::default(),
            guides: Ring::default(),
            updated: Ring::default(),
            sent: 0,
        }
    }

    /// A flow of RAFT that a chunk still needs.
    ///
    /// # Errors
    /// [`Error::Compute`] where it was let go, which the schedule rules out.
    pub fn raw_flow(&self, index: usize, direction: Direction) -> Result<Tensor<4>, Error> {
        let raw = self.raw_flows.get(index);
        let kept = match direction {
            Direction::Forward => &raw.forward,
            Direction::Backward => &raw.backward,
        };
        kept.as_ref()
            .map(StoredTensor::get)
            .ok_or_else(|| Error::Compute {
                stage: "flow completion",
                problem: format!("flow {index} is gone"),
            })
    }

    /// Whether one of these frames has a hole.
    pub fn has_hole(&self, mut frames: Range<usize>) -> bool {
        frames.any(|index| self.sources.get(index).open)
    }

    /// The completed flows between a frame and the next, forward and backward, if they are there.
    pub fn flow(&self, index: usize) -> Option<(&StoredTensor, &StoredTensor)> {
        if let Some(flow) = self.flows.find(index)?.as_ref() {
            return Some((&flow.forward, &flow.backward));
        }
        // There was nothing to complete.
        let raw = self.raw_flows.find(index)?;
        raw.forward.as_ref().zip(raw.backward.as_ref())
    }

    /// Lets go of one direction's flows that no chunk after the present one needs.
    pub fn release_raw(&mut self, direction: Direction) {
        let needed = self.schedule.needed().raw_flows;
        for index in self.raw_flows.indices().take_while(|&i| i < needed) {
            // Still the completed flow, too.
            if matches!(self.flows.find(index), Some(None)) {
                continue;
            }
            let raw = self.raw_flows.get_mut(index);
            match direction {
                Direction::Forward => raw.forward = None,
                Direction::Backward => raw.backward = None,
            }
        }
    }

    /// Encoded frames that are local in no later window, but may be references.
    pub fn leaving(&self) -> Vec<usize> {
        let local = self.schedule.needed().features;
        let leaving = self.updated.indices().take_while(|&i| i < local);
        let encoded = leaving.filter(|&i| self.updated.get(i).features.is_some());
        encoded.filter(|&i| self.schedule.refers_later(i)).collect()
    }

    /// Bytes of frames, masks and what else is held on the host.
    pub fn host_bytes(&self) -> u64 {
        let sources = self.sources.iter().map(Source::bytes);
        let raw = self.raw_flows.iter();
        let raw = raw.flat_map(|raw| [&raw.forward, &raw.backward]).flatten();
        let whole = self.flows.iter().chain(self.guides.iter()).flatten();
        let whole = whole.flat_map(|flow| [&flow.forward, &flow.backward]);
        let generator = self.updated.iter();
        let generator = generator.flat_map(|u| [&u.features, &u.tokens]).flatten();
        let filled = self.updated.iter().map(|updated| updated.filled.bytes());
        let kept = raw.chain(whole).chain(&self.half).chain(generator);
        sources
            .chain(filled)
            .chain(kept.map(StoredTensor::host_bytes))
            .sum()
    }

    /// Mask `[1, 1, H, W]` of a frame.
    pub fn mask(&self, index: usize, device: &Device) -> Tensor<4> {
        pixels::mask(&self.sources.get(index).hole, device)
    }

    /// Masks and what is missing of the local frames `range` at 1/4, `[L, 2, H/4, W/4]`.
    pub fn quarter_masks(&self, range: Range<usize>, device: &Device) -> Tensor<4> {
        let mut data = Vec::new();
        let mut size = [0, 0];
        for updated in self.updated.range(range.clone()) {
            size = updated.filled.quarter_size();
            data.extend(updated.filled.quarters());
        }
        let shape = [range.len(), 2, size[0], size[1]];
        Tensor::from_data(TensorData::new(data, shape), device)
    }

    /// The frames before `end` that were not sent yet.
    pub fn finish(&mut self, end: usize) -> Vec<Done> {
        let finals = self.sent..end;
        self.sent = end;
        let sources = self.sources.range(finals);
        let done = sources.map(|source| Done {
            frame: source.blended.as_ref().unwrap_or(&source.frame).clone(),
            hole: source.hole.clone(),
        });
        done.collect()
    }

    /// Lets go of what no later task asks for.
    pub fn release(&mut self) {
        let needed = self.schedule.needed();
        for index in self
            .raw_flows
            .indices()
            .take_while(|&i| i < needed.raw_flows)
        {
            // Where there was nothing to complete, it goes on as the completed flow.
            if let Some(flow @ None) = self.flows.find_mut(index) {
                *flow = self.raw_flows.get_mut(index).take();
            }
        }
        self.raw_flows.release_before(needed.raw_flows);
        self.flows.release_before(needed.flows);
        self.guides.release_before(needed.guides);
        self.updated.release_before(needed.updated);
        for index in self.updated.indices().take_while(|&i| i < needed.features) {
            self.updated.get_mut(index).features = None;
        }
        let sources = [needed.raw_flows, needed.frames, needed.guides, self.sent];
        let oldest = sources.into_iter().min().unwrap_or(0);
        self.sources.release_before(oldest);
    }

    /// Moves what is held to the host, where the plan wants it there. What it wants on the device
    /// comes there by itself, with time.
    ///
    /// # Errors
    /// [`Error::Compute`] when the device fails.
    pub fn arrange(&mut self, plan: &Plan) -> Result<(), Error> {
        let raw = self.raw_flows.iter_mut();
        let raw = raw
            .flat_map(|raw| [&mut raw.forward, &mut raw.backward])
            .flatten();
        let whole = self.flows.iter_mut().chain(self.guides.iter_mut());
        let whole = whole.flatten();
        let whole = whole.flat_map(|flow| [&mut flow.forward, &mut flow.backward]);
        if plan.flows == Placement::Host {
            for flow in raw.chain(whole).chain(&mut self.half) {
                flow.move_to(Placement::Host)?;
            }
        }
        if plan.features == Placement::Device {
            return Ok(());
        }
        for updated in self.updated.iter_mut() {
            for kept in [&mut updated.features, &mut updated.tokens]
                .into_iter()
                .flatten()
            {
                kept.move_to(Placement::Host)?;
            }
        }
        Ok(())
    }
}

impl Raw {
    fn take(&mut self) -> Option<Flow> {
        let (forward, backward) = self.forward.take().zip(self.backward.take())?;
        Some(Flow { forward, backward })
    }
}

impl Source {
    pub fn new(frame: Frame, hole: Mask) -> Self {
        Self {
            open: !hole.is_empty(),
            frame,
            hole,
            blended: None,
        }
    }

    fn bytes(&self) -> u64 {
        let rgb = self.frame.rgb().len();
        let blended = self.blended.as_ref().map_or(0, |_| rgb);
        (rgb + blended + self.hole.hole().len()) as u64
    }

    /// Blends the area of a window's picture that holds the hole into it: the first picture is
    /// taken, each later one averaged half and half, truncated to 8 bits each time.
    pub fn blend(&mut self, Patch { area, rgb, .. }: &Patch) {
        let first = self.blended.is_none();
        let width = self.hole.width();
        let blended = self.blended.get_or_insert_with(|| self.frame.clone());
        let lines = rgb.chunks_exact(3 * area.columns.len());
        for (row, line) in area.rows.clone().zip(lines) {
            let columns = row * width + area.columns.start..row * width + area.columns.end;
            let pixels = &mut blended.rgb_mut()[3 * columns.start..3 * columns.end];
            let holes = &self.hole.hole()[columns];
            let pixels = pixels.chunks_exact_mut(3).zip(line.chunks_exact(3));
            for ((pixel, new), _) in pixels.zip(holes).filter(|(_, hole)| **hole != 0) {
                for (value, &new) in pixel.iter_mut().zip(new) {
                    *value = if first {
                        new
                    } else {
                        ((u16::from(*value) + u16::from(new)) / 2) as u8
                    };
                }
            }
        }
    }
}
