//! Clips of the official procedure, through the session.

use propainter::{Border, Config, Frame, InpaintedFrame, Limits, Mask, Mode, Model, Session};

use crate::golden::{Vectors, device_choice, settings, weights_folder};

/// A clip, frames and masks or a border, and what the official procedure made of it.
pub struct Clip {
    pub length: usize,
    pub width: usize,
    pub height: usize,
    /// Width and height of the frames that come out.
    pub out: (usize, usize),
    /// RGB bytes of all frames.
    frames: Vec<u8>,
    /// Empty where there is a border.
    masks: Vec<u8>,
    /// RGB bytes of all frames that come out.
    pub expected: Vec<u8>,
    /// The settings that the clip was made with.
    pub config: Config,
}

impl Clip {
    /// The vectors of this name and the settings they were made with; `None` where there are none.
    pub fn open(name: &str) -> Option<Self> {
        let clip = Vectors::read(&format!("e2e/{name}/clip.safetensors"))?;
        let (weights, settings) = (weights_folder()?, settings(name)?);
        let [length, height, width] = [0, 1, 2].map(|axis| clip.shape("frames")[axis]);
        let [_, out_height, out_width] = [0, 1, 2].map(|axis| clip.shape("output")[axis]);
        let (across, down) = ((out_width - width) / 2, (out_height - height) / 2);
        let border = Border {
            left: across,
            right: across,
            top: down,
            bottom: down,
        };
        let masks = border.is_empty().then(|| clip.bytes("masks").to_vec());
        let mut config = Config {
            border,
            model: Model::Propainter,
            mode: Mode::Reference,
            device: device_choice(),
            weights: Some(weights.to_owned()),
            subvideo_length: settings("subvideo_length"),
            neighbor_length: settings("neighbor_length"),
            ref_stride: settings("ref_stride"),
            raft_iterations: settings("raft_iter"),
            ..Config::new(width, height)
        };
        if masks.is_some() {
            config.mask_dilation = settings("mask_dilation");
        }
        Some(Self {
            length,
            width,
            height,
            out: (out_width, out_height),
            frames: clip.bytes("frames").to_vec(),
            masks: masks.unwrap_or_default(),
            expected: clip.bytes("output").to_vec(),
            config,
        })
    }

    /// Frame `t`.
    pub fn frame(&self, t: usize) -> Frame {
        let bytes = 3 * self.width * self.height;
        let rgb = self.frames[t * bytes..][..bytes].to_vec();
        Frame::new(self.width, self.height, rgb)
    }

    /// The RGB bytes of frame `t` in its place in a frame that comes out; black around it.
    pub fn placed(&self, t: usize) -> Vec<u8> {
        let mut placed = vec![0; 3 * self.out.0 * self.out.1];
        let Border { left, top, .. } = self.config.border;
        let frame = self.frame(t);
        for (y, row) in frame.rgb().chunks_exact(3 * self.width).enumerate() {
            placed[3 * ((top + y) * self.out.0 + left)..][..row.len()].copy_from_slice(row);
        }
        placed
    }

    /// All frames through a session with these limits: one out per one in, none held longer than
    /// promised.
    pub fn run(&self, limits: Limits) -> Vec<InpaintedFrame> {
        let config = Config {
            limits,
            ..self.config.clone()
        };
        let mut session = Session::open(config).expect("the session opens");
        let plane = self.width * self.height;
        let mut out = Vec::new();
        for t in 0..self.length {
            let mask = match self.masks.is_empty() {
                true => vec![0; plane],
                false => self.masks[t * plane..][..plane].to_vec(),
            };
            let mask = Mask::from_luma(self.width, self.height, mask);
            let done = session.push(self.frame(t), &mask);
            out.extend(done.expect("the frame is taken"));
            let held = t + 1 - out.len();
            assert!(held <= session.latency_frames(), "{held} frames are held");
        }
        out.extend(session.drain().expect("the rest comes out"));
        assert_eq!(out.len(), self.length);
        out
    }
}

/// PSNR in dB of samples inside the holes, `out` against RGB bytes of all frames.
pub fn psnr_in_holes(out: &[InpaintedFrame], reference: &[u8]) -> f64 {
    let (mut squares, mut count) = (0.0, 0u64);
    let frames = reference.chunks_exact(reference.len() / out.len().max(1));
    for (done, reference) in out.iter().zip(frames) {
        let pixels = done
            .frame
            .rgb()
            .chunks_exact(3)
            .zip(reference.chunks_exact(3));
        for ((a, b), _) in pixels.zip(done.hole.hole()).filter(|(_, hole)| **hole == 1) {
            for (a, b) in a.iter().zip(b) {
                squares += f64::from(a.abs_diff(*b)).powi(2);
                count += 1;
            }
        }
    }
    10.0 * (255.0f64.powi(2) * count as f64 / squares).log10()
}
