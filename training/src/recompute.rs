//! Segments of a network that are computed again in the backward pass: of them only the inputs are kept.

use std::{cell::RefCell, collections::HashMap, fmt, str::FromStr, sync::Arc};

use burn::tensor::Tensor;
use propainter::{
    DType,
    internals::{
        kernels::recorded::{Input, InputGradients, Leaf, record},
        networks::parameters::{ParameterSource, Values},
    },
};
use thiserror::Error;

use crate::parameters::Recorded;

/// The segments that are computed again. Those of the same name follow each other in the network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Segments {
    /// The encoder: of the generator frame by frame, of flow completion direction by direction.
    pub encoder: bool,
    /// The propagation, step by step.
    pub propagation: bool,
    /// The soft split, frame by frame, and the transformer, block by block.
    pub transformer: bool,
    /// The soft composition and the decoder, frame by frame.
    pub decoder: bool,
}

impl Segments {
    /// All segments.
    pub const ALL: Self = Self {
        encoder: true,
        propagation: true,
        transformer: true,
        decoder: true,
    };

    /// No segment: all that the backward pass reads is kept.
    pub const NONE: Self = Self {
        encoder: false,
        propagation: false,
        transformer: false,
        decoder: false,
    };
}

/// One of the segments, whether it is computed again.
type Segment = fn(&mut Segments) -> &mut bool;

/// The segments by name.
const NAMES: [(&str, Segment); 4] = [
    ("encoder", |segments| &mut segments.encoder),
    ("propagation", |segments| &mut segments.propagation),
    ("transformer", |segments| &mut segments.transformer),
    ("decoder", |segments| &mut segments.decoder),
];

impl Segments {
    /// Returns every choice of segments.
    pub fn choices() -> impl Iterator<Item = Self> {
        (0..1 << NAMES.len()).map(|choice| {
            let mut segments = Self::NONE;
            for (bit, (_, segment)) in NAMES.iter().enumerate() {
                *segment(&mut segments) = choice >> bit & 1 == 1;
            }
            segments
        })
    }
}

/// Writes the names joined by +, `all` or `none`.
impl fmt::Display for Segments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut segments = *self;
        let chosen = NAMES.iter().filter(|(_, segment)| *segment(&mut segments));
        let names: Vec<_> = chosen.map(|(name, _)| *name).collect();
        match names.len() {
            0 => f.write_str("none"),
            4 => f.write_str("all"),
            _ => f.write_str(&names.join("+")),
        }
    }
}

/// A text that names no segments.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error(
    "`{0}` is no segment: they are encoder, propagation, transformer and decoder, joined by +; or all, \
     or none"
)]
pub struct UnknownSegment(String);

impl FromStr for Segments {
    type Err = UnknownSegment;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "all" => return Ok(Self::ALL),
            "none" => return Ok(Self::NONE),
            _ => {}
        }
        let mut segments = Self::NONE;
        for word in text.split('+') {
            let known = NAMES.iter().find(|(name, _)| *name == word);
            let (_, segment) = known.ok_or_else(|| UnknownSegment(word.to_owned()))?;
            *segment(&mut segments) = true;
        }
        Ok(segments)
    }
}

/// The most inputs of a segment.
const INPUTS: usize = 4;

/// The parameters that segments are computed from, now and again.
#[derive(Clone)]
pub struct Recomputation {
    parameters: Arc<HashMap<String, Parameter>>,
    /// Any parameter that is trained: a segment is recorded as made of it, because the record reaches
    /// only what needs gradients.
    anchor: Option<Tensor<1>>,
}

struct Parameter {
    shape: Vec<usize>,
    leaf: Leaf,
    trained: bool,
}

impl Recomputation {
    /// Prepares the recomputation of segments of these parameters.
    pub fn new(recorded: &Recorded) -> Self {
        let leaves = recorded.leaves();
        let parameters = leaves.map(|(key, shape, values)| {
            let (shape, trained) = (shape.to_vec(), values.is_require_grad());
            let leaf = Leaf::of(values);
            (
                key.to_owned(),
                Parameter {
                    shape,
                    leaf,
                    trained,
                },
            )
        });
        let trained = recorded
            .leaves()
            .filter(|(_, _, values)| values.is_require_grad());
        // The same in every run.
        let anchor = trained.min_by_key(|(key, ..)| *key);
        Self {
            parameters: Arc::new(parameters.collect()),
            anchor: anchor.map(|(_, _, values)| values.clone()),
        }
    }

    /// Computes a segment of a network from its inputs and from parameters of the source it is given,
    /// without recording what is in it. The backward pass computes it again, recorded, from the inputs.
    ///
    /// # Panics
    /// Panics if there are more than four inputs.
    pub fn run(
        &self,
        inputs: Vec<Tensor<4>>,
        segment: impl Fn(&dyn ParameterSource, Vec<Tensor<4>>) -> Tensor<4> + Send + Sync + 'static,
    ) -> Tensor<4> {
        assert!(
            inputs.len() <= INPUTS,
            "{} inputs of a segment",
            inputs.len()
        );
        let below: Vec<_> = inputs.iter().map(|input| input.clone().inner()).collect();
        let constants = below.iter().map(|input| input.clone().autodiff()).collect();
        let output = segment(&Again::new(self, false), constants).inner();
        let filler = Tensor::<1>::zeros([1], &output.device());
        let given = |i: usize| match (inputs.get(i), &self.anchor) {
            (Some(input), _) => Input::from(input),
            (None, Some(anchor)) if i == INPUTS => Input::from(anchor),
            _ => Input::from(&filler),
        };
        let recorded: [Input; INPUTS + 1] = std::array::from_fn(given);
        let parameters = Self {
            anchor: None,
            ..self.clone()
        };
        record(recorded, output, move |gradient, gradients| {
            parameters.backward(&below, &segment, gradient, gradients);
        })
    }

    /// Computes a segment again and passes its gradients on.
    fn backward(
        &self,
        below: &[Tensor<4>],
        segment: &dyn Fn(&dyn ParameterSource, Vec<Tensor<4>>) -> Tensor<4>,
        gradient: Tensor<4>,
        gradients: &mut InputGradients<'_>,
    ) {
        let inputs: Vec<_> = below
            .iter()
            .enumerate()
            .map(|(i, input)| {
                input
                    .clone()
                    .autodiff()
                    .set_require_grad(gradients.wants(i))
            })
            .collect();
        let again = Again::new(self, true);
        let output = segment(&again, inputs.clone());
        if !output.is_tracked() {
            return;
        }
        let mut tape = (output * gradient).sum().backward();
        for (i, input) in inputs.into_iter().enumerate() {
            if let Some(found) = input.grad_remove(&mut tape) {
                gradients.add(i, || found);
            }
        }
        for (key, values) in again.made.into_inner() {
            if let Some(found) = values.grad_remove(&mut tape) {
                gradients.add_to_leaf(&self.parameters[&key].leaf, found);
            }
        }
    }
}

/// Parameters of one computation of a segment: constants, or leaves of a record of their own.
struct Again<'a> {
    of: &'a Recomputation,
    recorded: bool,
    made: RefCell<HashMap<String, Tensor<1>>>,
}

impl<'a> Again<'a> {
    fn new(of: &'a Recomputation, recorded: bool) -> Self {
        let made = RefCell::default();
        Self { of, recorded, made }
    }

    fn parameter(&self, key: &str) -> &Parameter {
        match self.of.parameters.get(key) {
            Some(parameter) => parameter,
            None => panic!("the network has no parameter `{key}`"),
        }
    }
}

impl ParameterSource for Again<'_> {
    fn shape(&self, key: &str) -> &[usize] {
        &self.parameter(key).shape
    }

    fn values(&self, key: &str) -> Values<'_> {
        let Parameter { leaf, trained, .. } = self.parameter(key);
        let values = || leaf.values().clone().autodiff();
        if !(self.recorded && *trained) {
            return Values::Tensor(Box::new(values()));
        }
        let mut made = self.made.borrow_mut();
        let made = made
            .entry(key.to_owned())
            .or_insert_with(|| values().require_grad());
        Values::Tensor(Box::new(made.clone()))
    }

    fn numbers(&self) -> DType {
        DType::F32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_read_as_they_are_written() {
        for segments in Segments::choices() {
            assert_eq!(segments.to_string().parse(), Ok(segments));
        }
        assert_eq!(Segments::choices().count(), 16);
        let text = "decoder+encoder".parse::<Segments>().map(|s| s.to_string());
        assert_eq!(text.as_deref(), Ok("encoder+decoder"));
        let unknown = "encoder+x".parse::<Segments>().unwrap_err();
        assert!(unknown.to_string().starts_with("`x` is no segment: they"));
    }
}
