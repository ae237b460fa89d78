//! A network of one convolution, for the tests of runs.

use std::{fs, io, path::Path, thread, time::Duration};

use propainter_training::{
    checkpoint,
    data::{Sample, Size},
    run::{
        Evaluation, Step, Trainer,
        trainer::{TrainError, not_finite},
    },
};
use serde_json::{Value, json};

/// The size of its frames.
pub const SIZE: Size = Size {
    width: 32,
    height: 24,
};

/// A convolution of 3×3 that predicts the middle pixel from those around it, trained by plain gradient
/// descent: small, and as sensitive to every bit as a network.
pub struct Convolution {
    pub weights: Vec<f32>,
    pub steps: u64,
    /// Time that a step takes.
    pub pause: Duration,
    /// A loss of the step with this number is not a number, as often as is told.
    pub broken: Option<(u64, u32)>,
    /// The step at which the disk is full.
    pub full: Option<u64>,
}

impl Convolution {
    pub fn new() -> Self {
        Self {
            weights: vec![0.1; 8],
            steps: 0,
            pause: Duration::ZERO,
            broken: None,
            full: None,
        }
    }

    fn around(sample: &Sample, frame: usize, x: usize, y: usize) -> [f32; 8] {
        let rgb = sample.frames[frame].rgb();
        let places = (0..9).filter(|&place| place != 4);
        let mut values = [0.0; 8];
        for (value, place) in values.iter_mut().zip(places) {
            let (dx, dy) = (place % 3, place / 3);
            *value = f32::from(rgb[3 * ((y + dy - 1) * SIZE.width + x + dx - 1)]) / 255.0;
        }
        values
    }

    fn fill(&self, sample: &Sample, frame: usize, x: usize, y: usize) -> f32 {
        let around = Self::around(sample, frame, x, y);
        around.iter().zip(&self.weights).map(|(a, w)| a * w).sum()
    }
}

impl Trainer for Convolution {
    fn name(&self) -> &'static str {
        "convolution"
    }

    fn step(&mut self, samples: &[Sample]) -> Result<Step, TrainError> {
        thread::sleep(self.pause);
        let (mut loss, mut gradients, mut count) = (0.0_f32, [0.0_f32; 8], 0.0_f32);
        for sample in samples {
            for frame in 0..sample.local {
                let hole = sample.holes[frame].hole();
                for (x, y) in
                    (1..SIZE.height - 1).flat_map(|y| (1..SIZE.width - 1).map(move |x| (x, y)))
                {
                    if hole[y * SIZE.width + x] == 0 {
                        continue;
                    }
                    let truth =
                        f32::from(sample.frames[frame].rgb()[3 * (y * SIZE.width + x)]) / 255.0;
                    let error = self.fill(sample, frame, x, y) - truth;
                    let around = Self::around(sample, frame, x, y);
                    gradients
                        .iter_mut()
                        .zip(around)
                        .for_each(|(g, a)| *g += error * a);
                    loss += error * error;
                    count += 1.0;
                }
            }
        }
        let mut losses = vec![("total", f64::from(loss / count))];
        if let Some((step, times)) = &mut self.broken
            && *step == self.steps
            && *times > 0
        {
            *times -= 1;
            losses[0].1 = f64::NAN;
        }
        if let Some(reason) = not_finite(&losses) {
            return Ok(Step::Skipped(reason));
        }
        self.weights
            .iter_mut()
            .zip(gradients)
            .for_each(|(w, g)| *w -= 0.1 * g / count);
        self.steps += 1;
        Ok(Step::Done(losses))
    }

    fn evaluate(&self, sample: &Sample) -> Result<Evaluation, TrainError> {
        let mut filled = sample.frames[..sample.local].to_vec();
        for (frame, filled) in filled.iter_mut().enumerate() {
            for (x, y) in
                (1..SIZE.height - 1).flat_map(|y| (1..SIZE.width - 1).map(move |x| (x, y)))
            {
                if sample.holes[frame].hole()[y * SIZE.width + x] == 1 {
                    let value = (255.0 * self.fill(sample, frame, x, y)).round() as u8;
                    filled.rgb_mut()[3 * (y * SIZE.width + x)..][..3].fill(value);
                }
            }
        }
        let measures = vec![("weights", f64::from(self.weights.iter().sum::<f32>()))];
        Ok(Evaluation { filled, measures })
    }

    fn save(&self, folder: &Path, step: u64) -> Result<(), TrainError> {
        if self.full.is_some_and(|full| step >= full) {
            fs::write(folder.join(format!("gen_{step:06}.json.part")), "half of")?;
            return Err(Box::new(io::Error::from(io::ErrorKind::StorageFull)));
        }
        let bits: Vec<u32> = self.weights.iter().map(|weight| weight.to_bits()).collect();
        let part = folder.join(format!("gen_{step:06}.json.part"));
        fs::write(
            &part,
            json!({ "bits": bits, "steps": self.steps }).to_string(),
        )?;
        fs::rename(part, folder.join(format!("gen_{step:06}.json")))?;
        Ok(checkpoint::set_latest(folder, step)?)
    }

    fn load(&mut self, folder: &Path, step: u64) -> Result<(), TrainError> {
        let text = fs::read(folder.join(format!("gen_{step:06}.json")))?;
        let saved: Value = serde_json::from_slice(&text)?;
        let bits: Vec<u32> = serde_json::from_value(saved["bits"].clone())?;
        self.weights = bits.into_iter().map(f32::from_bits).collect();
        self.steps = saved["steps"].as_u64().ok_or("no steps")?;
        Ok(())
    }
}
