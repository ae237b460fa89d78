//! Operations with a backward pass of their own, on devices that record operations.
//!
//! An operation computes its output on the device below, with its fast forms, and is recorded as one
//! step. The step keeps what the backward pass reads, and nothing between.

use std::{fmt, sync::Arc};

use burn::{
    backend::{
        Autodiff, Backend, DispatchTensor, Flex,
        autodiff::{
            NodeId,
            checkpoint::{base::Checkpointer, strategy::NoCheckpointing},
            grads::Gradients,
            ops::{Backward, Ops, OpsKind},
        },
        tensor::FloatTensor,
    },
    tensor::{DType, Tensor},
};
use burn_cubecl::Cube;

/// The gradients that a backward pass computes.
pub struct InputGradients<'a> {
    /// The data types of the inputs whose gradients are wanted.
    wanted: &'a [Option<DType>],
    add: &'a mut dyn FnMut(usize, DispatchTensor),
    add_to_leaf: &'a mut dyn FnMut(NodeId, Tensor<1>),
}

impl InputGradients<'_> {
    /// Returns whether the gradient of this input is wanted.
    pub fn wants(&self, input: usize) -> bool {
        self.wanted[input].is_some()
    }

    /// Adds to the gradient of an input, if it is wanted. It is converted to the input's data type.
    pub fn add<const D: usize>(&mut self, input: usize, gradient: impl FnOnce() -> Tensor<D>) {
        if let Some(dtype) = self.wanted[input] {
            (self.add)(input, gradient().cast(dtype).into_dispatch());
        }
    }

    /// Adds to the gradient of a leaf, which need not be an input of the operation.
    pub fn add_to_leaf(&mut self, leaf: &Leaf, gradient: Tensor<1>) {
        (self.add_to_leaf)(leaf.id, gradient);
    }
}

/// A tensor that requires gradients, outside of the record.
#[derive(Clone, Debug)]
pub struct Leaf {
    id: NodeId,
    values: Tensor<1>,
}

impl Leaf {
    /// Returns the leaf of a tensor that requires gradients.
    ///
    /// # Panics
    /// Panics if the tensor's device does not record operations.
    pub fn of(tensor: &Tensor<1>) -> Self {
        let flex = tensor.clone().try_into_primitive::<Autodiff<Flex>>();
        let id = flex.map_or_else(|_| Cube::recorded(tensor.clone()).id(), |leaf| leaf.id());
        let values = tensor.clone().inner();
        Self { id, values }
    }

    /// Returns the values, on the device below.
    pub fn values(&self) -> &Tensor<1> {
        &self.values
    }
}

/// An input of an operation.
#[derive(Debug)]
pub struct Input {
    tensor: DispatchTensor,
    dtype: DType,
}

impl<const D: usize> From<&Tensor<D>> for Input {
    /// A tensor of a device that does not record operations becomes a constant.
    fn from(tensor: &Tensor<D>) -> Self {
        Self {
            tensor: tensor.clone().autodiff().into_dispatch(),
            dtype: tensor.dtype(),
        }
    }
}

/// Records `output`, a tensor of a device that does not record operations, as computed from `inputs`.
/// `backward` computes their gradients from the output's, all on that device.
///
/// # Panics
/// Panics if the tensors are on different devices.
pub fn record<const N: usize, const D: usize>(
    inputs: [Input; N],
    output: Tensor<D>,
    backward: impl Fn(Tensor<D>, &mut InputGradients<'_>) + Send + Sync + 'static,
) -> Tensor<D> {
    let step = BackwardStep {
        inputs: inputs.iter().map(|input| input.dtype).collect(),
        backward: Arc::new(backward),
    };
    match output.clone().try_into_primitive::<Flex>() {
        Ok(primitive) => record_on::<Flex, N, D>(inputs, primitive, step),
        Err(_) => {
            let primitive = output.try_into_primitive::<Cube>();
            record_on::<Cube, N, D>(
                inputs,
                primitive.expect("a tensor that is not recorded"),
                step,
            )
        }
    }
}

/// Computes the gradients of the inputs from the output's.
type Gradient<const D: usize> = dyn Fn(Tensor<D>, &mut InputGradients<'_>) + Send + Sync;

/// A backward pass, and the data types of the inputs.
#[derive(Clone)]
struct BackwardStep<const D: usize> {
    inputs: Vec<DType>,
    backward: Arc<Gradient<D>>,
}

impl<const D: usize> fmt::Debug for BackwardStep<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BackwardStep")
    }
}

/// A device's part of the tensor library, below the recording.
trait Below: Backend {
    fn recorded<const D: usize>(tensor: Tensor<D>) -> FloatTensor<Autodiff<Self>>;
    fn plain<const D: usize>(tensor: Tensor<D>) -> FloatTensor<Self>;
    fn tensor<const D: usize>(primitive: FloatTensor<Self>) -> Tensor<D>;
    fn recorded_tensor<const D: usize>(primitive: FloatTensor<Autodiff<Self>>) -> Tensor<D>;
}

macro_rules! below {
    ($backend:ty) => {
        impl Below for $backend {
            fn recorded<const D: usize>(tensor: Tensor<D>) -> FloatTensor<Autodiff<Self>> {
                let primitive = tensor.try_into_primitive::<Autodiff<$backend>>();
                primitive.expect("an input of the output's device")
            }

            fn plain<const D: usize>(tensor: Tensor<D>) -> FloatTensor<Self> {
                let primitive = tensor.try_into_primitive::<$backend>();
                primitive.expect("a gradient of the output's device")
            }

            fn tensor<const D: usize>(primitive: FloatTensor<Self>) -> Tensor<D> {
                Tensor::from_primitive::<$backend>(primitive)
            }

            fn recorded_tensor<const D: usize>(
                primitive: FloatTensor<Autodiff<Self>>,
            ) -> Tensor<D> {
                Tensor::from_primitive::<Autodiff<$backend>>(primitive)
            }
        }
    };
}

below!(Flex);
below!(Cube);

/// The operation of the tensor library that runs a [`BackwardStep`].
#[derive(Debug)]
struct Operation<const D: usize>;

impl<B: Below, const N: usize, const D: usize> Backward<B, N> for Operation<D> {
    type State = BackwardStep<D>;

    fn backward(
        self,
        ops: Ops<Self::State, N>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let gradient = B::tensor(grads.consume::<B>(&ops.node));
        let parents: [Option<NodeId>; N] = ops.parents.map(|parent| parent.map(|node| node.id));
        let wanted = ops.state.inputs.iter().zip(&parents);
        let wanted = wanted.map(|(dtype, parent)| parent.map(|_| *dtype));
        let wanted: Vec<_> = wanted.collect();
        let mut found = Vec::new();
        let mut leaves = Vec::new();
        (ops.state.backward)(
            gradient,
            &mut InputGradients {
                wanted: &wanted,
                add: &mut |input, gradient| found.push((input, gradient)),
                add_to_leaf: &mut |leaf, gradient| leaves.push((leaf, gradient)),
            },
        );
        for (input, gradient) in found {
            if let Some(id) = parents[input] {
                // Of any rank: it is that of the input.
                grads.register::<B>(id, B::plain(Tensor::<1>::from_dispatch(gradient)));
            }
        }
        for (id, gradient) in leaves {
            grads.register::<B>(id, B::plain(gradient));
        }
    }
}

fn record_on<B: Below, const N: usize, const D: usize>(
    inputs: [Input; N],
    output: FloatTensor<B>,
    step: BackwardStep<D>,
) -> Tensor<D> {
    let inputs = inputs.map(|input| B::recorded(Tensor::<1>::from_dispatch(input.tensor)));
    let nodes = inputs.each_ref().map(|input| input.node());
    let prepared = Backward::<B, N>::prepare::<NoCheckpointing>(Operation::<D>, nodes);
    let recorded = match prepared.compute_bound().stateful() {
        OpsKind::Tracked(prepared) => prepared.finish(step, output),
        OpsKind::UnTracked(prepared) => prepared.finish(output),
    };
    B::recorded_tensor(recorded)
}
