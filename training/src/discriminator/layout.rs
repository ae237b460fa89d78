//! The layers of the discriminator and the tensors of its state dict.

/// A convolution of the kernel (3, 5, 5) and the stride (1, 2, 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layer {
    /// The number in the key, `conv.N`.
    pub number: usize,
    /// The channels of the input.
    pub inputs: usize,
    /// The channels of the output.
    pub outputs: usize,
    /// The padding of rows and of columns; that of frames is 1.
    pub padding: [usize; 2],
    /// Whether it has a spectral norm and no bias, or a bias and no norm.
    pub normalised: bool,
}

impl Layer {
    const fn new(number: usize, inputs: usize, outputs: usize) -> Self {
        let side = if number == 0 { 1 } else { 2 };
        Self {
            number,
            inputs,
            outputs,
            padding: [side; 2],
            normalised: number < 10,
        }
    }

    /// Returns the key of one of its tensors.
    pub fn key(&self, name: &str) -> String {
        format!("conv.{}.{name}", self.number)
    }

    /// Returns the shape of the weight.
    pub fn shape(&self) -> [usize; 5] {
        [self.outputs, self.inputs, 3, 5, 5]
    }
}

/// The layers; between them are leaky rectifiers.
pub const LAYERS: [Layer; 6] = [
    Layer::new(0, 3, 32),
    Layer::new(2, 32, 64),
    Layer::new(4, 64, 128),
    Layer::new(6, 128, 128),
    Layer::new(8, 128, 128),
    Layer::new(10, 128, 128),
];

/// Returns the keys and shapes of the state dict, in its order.
pub fn slots() -> impl Iterator<Item = (String, Vec<usize>)> {
    LAYERS.iter().flat_map(|layer| {
        let shape = layer.shape();
        let outputs = vec![shape[0]];
        match layer.normalised {
            true => vec![
                (layer.key("weight_orig"), shape.to_vec()),
                (layer.key("weight_u"), outputs),
                (layer.key("weight_v"), vec![shape[1..].iter().product()]),
            ],
            false => vec![
                (layer.key("weight"), shape.to_vec()),
                (layer.key("bias"), outputs),
            ],
        }
    })
}

/// Returns whether the tensor is u or v of a spectral norm, and no parameter.
pub fn is_buffer(key: &str) -> bool {
    key.ends_with("weight_u") || key.ends_with("weight_v")
}
