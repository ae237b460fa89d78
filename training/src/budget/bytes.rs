//! The byte model: the most memory that a step takes, as a function of sizes and the plan.
//!
//! What each segment keeps for one clip is proportional to pixels, tokens and frames. The factors were
//! counted on the CPU at several sizes; tests compare the sums with counted peaks. A GPU has not been
//! counted. `n` are the bytes of a number of the trained network.

use propainter::weights::Network;

use super::Plan;

/// The sizes of a training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// The network that is trained.
    pub network: Network,
    /// Width and height of frames.
    pub size: (usize, usize),
    /// Number of consecutive frames of a clip.
    pub local: usize,
    /// Number of reference frames of a clip.
    pub references: usize,
    /// Number of clips of a step.
    pub batch: usize,
}

/// The bytes that a step takes, by what they hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bytes {
    /// The networks that are trained, and those that are not, in 32 bits.
    pub parameters: u64,
    /// The means of squared gradients.
    pub squares: u64,
    /// The sum of gradients that waits while the next clips are computed.
    pub sum: u64,
    /// The forward and the backward pass of the clips at once, with their gradients.
    pub pass: u64,
    /// The clips at once: frames, holes, flows, and what was made of them.
    pub clips: u64,
    /// The samples of this step and those that are loaded ahead; always on the host.
    pub samples: u64,
}

impl Bytes {
    /// Returns the bytes on the device; on the CPU that is the host.
    pub fn device(&self, on_gpu: bool) -> u64 {
        let samples = if on_gpu { 0 } else { self.samples };
        self.parameters + self.squares + self.sum + self.pass + self.clips + samples
    }
}

/// Parameters of the networks.
const GENERATOR: u64 = 39_430_000;
const DISCRIMINATOR: u64 = 4_460_000;
const COMPLETION: u64 = 5_080_000;
const RAFT: u64 = 5_260_000;
/// Bytes of a soft split's or a soft composition's weights, which are copied for every frame that is kept.
const EMBEDDING: u64 = 13_120_000;
/// Bytes of the gradients of all blocks of the transformer.
const BLOCKS: u64 = 98_000_000;

/// Bytes of a convolution's unfolded input, at most, while the gradient of its weights is computed.
const UNFOLDED: u64 = 16 << 20;

impl Sizes {
    /// Returns what a step takes by `plan`.
    pub fn bytes(&self, plan: &Plan) -> Bytes {
        let is_generator = self.network == Network::Generator;
        let (trained, frozen) = match is_generator {
            true => (GENERATOR + DISCRIMINATOR, RAFT + COMPLETION),
            false => (COMPLETION, RAFT),
        };
        let (px, frames) = (self.px(), (self.local + self.references) as u64);
        let at_once = plan.at_once as u64;
        let turns = (self.batch / plan.at_once.max(1)) as u64;
        // Frames, holes, both flows; for the generator also what the frozen networks make of them.
        let clip = px * frames * if is_generator { 80 } else { 40 };
        Bytes {
            parameters: 4 * (trained + frozen),
            squares: 4 * trained,
            sum: if turns > 1 { 4 * trained } else { 0 },
            pass: self.pass(plan) + self.judging(at_once),
            clips: at_once * clip,
            samples: 3 * self.batch as u64 * frames * 4 * px,
        }
    }

    /// Returns the bytes of one forward and backward pass of the trained network over the clips at once,
    /// with the gradients of its parameters.
    pub fn pass(&self, plan: &Plan) -> u64 {
        match self.network {
            Network::Generator => self.generator(plan),
            _ => self.completion(plan),
        }
    }

    fn px(&self) -> u64 {
        (self.size.0 * self.size.1) as u64
    }

    /// Returns the bytes of the losses of so many clips, and for the generator of the discriminator's
    /// pass. They are a sum of layers, not counted.
    fn judging(&self, clips: u64) -> u64 {
        let frames = (self.local + self.references) as u64;
        match self.network {
            // Two outputs of each layer and their gradients; the frames and the terms of the losses.
            Network::Generator => clips * frames * self.px() * (2 * 117 + 150),
            // Terms of eight neighbours, in both directions.
            _ => clips * frames * self.px() * 2 * 400,
        }
    }

    fn generator(&self, plan: &Plan) -> u64 {
        let (n, segments) = (
            plan.computing.numbers.bytes() as u64,
            plan.computing.segments,
        );
        let (px, clips) = (self.px(), plan.at_once as u64);
        let (local, frames) = (self.local as u64, (self.local + self.references) as u64);
        let [rows, columns] =
            [self.size.1, self.size.0].map(|side| ((side / 4 - 1) / 3 + 1) as u64);
        let tokens = rows * columns;
        let gradients = 4 * GENERATOR;
        // What is kept of one clip: the inputs of segments, and what is between.
        let inputs =
            frames * (4608 * n * tokens + px * n * 43 / 2) + local * 27 * n * px + 1_900_000;
        let encoder = frames * 320 * n * px + 2_300_000;
        let propagation = n * px * (265 * local + 550 * (local - 1)) / 4 + 2_300_000;
        // Weights that are copied for every frame; their gradients wait as long.
        let (split, composition) = (frames * EMBEDDING, frames * EMBEDDING * n / 4 + 300_000);
        let transformer = split + frames * 8 * 7425 * n * tokens + 3_400_000;
        let decoder = composition + frames * 214 * n * px;
        let kept = |again: bool, bytes: u64| if again { 0 } else { clips * bytes };
        let below = clips * inputs
            + kept(segments.encoder, encoder)
            + kept(segments.propagation, propagation);
        // The first moment: the decoder of a frame goes back while all is kept.
        let unit = if segments.decoder {
            855 * px + EMBEDDING
        } else {
            0
        };
        let first = below
            + kept(segments.transformer, transformer)
            + kept(segments.decoder, decoder)
            + unit
            + 2000 * px
            + 10_600_000;
        // The second: a block of the transformer.
        let block = match segments.transformer {
            true => frames * 7425 * n * tokens + BLOCKS,
            false => clips * transformer,
        };
        let second = below
            + kept(segments.decoder, composition)
            + block
            + frames * tokens * 20_000
            + 18_000_000;
        // The last: the encoder of a frame, when all other gradients are there.
        let unit = if segments.encoder {
            1280 * px
        } else {
            1300 * px
        };
        let last = gradients
            + kept(segments.decoder, composition)
            + kept(segments.transformer, split * n / 4)
            + kept(segments.encoder, encoder)
            + unit
            + 1300 * px
            + clips * frames * 80 * px
            + 14_400_000;
        // The other clips wait with what they keep.
        first.max(second).max(last) + UNFOLDED
    }

    fn completion(&self, plan: &Plan) -> u64 {
        let (n, segments) = (
            plan.computing.numbers.bytes() as u64,
            plan.computing.segments,
        );
        let clips = plan.at_once as u64;
        // Flows of both directions.
        let flows = clips * 2 * (self.local as u64 - 1);
        let each = n * self.px() / 4;
        let gradients = 4 * COMPLETION;
        let kept = |again: bool, factor: u64| if again { 0 } else { flows * factor * each };
        let first = flows * 124 * each
            + kept(segments.encoder, 405)
            + kept(segments.propagation, 195)
            + kept(segments.decoder, 545)
            + if segments.decoder {
                1900 * self.px()
            } else {
                1300 * self.px()
            };
        // At the end an encoder: of one direction of a clip if it is computed again.
        let encoder = match segments.encoder {
            true => flows / clips / 2 * 405 * each + 300 * self.px(),
            false => flows * 405 * each + 1700 * self.px(),
        };
        let last = gradients + encoder;
        first.max(last) + 4_000_000
    }
}
