//! Quality levels: from the settings of a user down, one downgrade at a time.

use std::fmt;

use crate::{
    DType,
    memory::{Degradation, Step},
    resize::smaller,
    schedule::WindowParams,
};

/// The limits that downgrades stop at.
const LARGEST_STRIDE: usize = 40;
const SMALLEST_NEIGHBORS: usize = 6;
const SMALLEST_SUBVIDEO: usize = 20;

/// The settings that decide the quality of frames: those that the user asks for, or lower ones.
#[derive(Clone, Debug, PartialEq)]
pub struct QualityLevel {
    /// How the stream is divided into windows.
    pub windows: WindowParams,
    /// Processing size in pixels, (width, height), multiples of 8.
    pub size: (usize, usize),
    /// Number type of flow completion and the generator.
    pub numbers: DType,
    /// The downgrades from the user's settings, in order.
    pub downgrades: Vec<Downgrade>,
}

/// One reduction of quality.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Downgrade {
    pub step: Step,
    /// The setting before, as `name=value` or a size.
    pub from: String,
    pub to: String,
}

impl fmt::Display for QualityLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (width, height) = self.size;
        let WindowParams {
            subvideo_length,
            neighbor_length,
            ref_stride,
            ..
        } = self.windows;
        let numbers = match self.numbers {
            DType::F32 => "fp32",
            DType::Tf32 => "tf32",
            DType::F16 => "fp16",
            DType::Bf16 => "bf16",
        };
        write!(
            f,
            "{width}x{height} {numbers} subvideo-length={subvideo_length} \
             neighbor-length={neighbor_length} ref-stride={ref_stride}"
        )?;
        match self.windows.effective_lookahead() {
            Some(ahead) => write!(f, " lookahead={ahead}"),
            None => Ok(()),
        }
    }
}

/// Returns `wanted`, then each level with one more of the `allowed` downgrades.
pub(super) fn levels(wanted: QualityLevel, allowed: Degradation) -> Vec<QualityLevel> {
    let mut levels = vec![wanted];
    let steps = Step::ALL.into_iter().filter(|step| allowed.contains(*step));
    for step in steps {
        while let Some(next) = levels.last().and_then(|level| next_lower(level, step)) {
            levels.push(next);
        }
    }
    levels
}

/// Returns the level with one more downgrade of this kind; `None` at the kind's limit.
fn next_lower(level: &QualityLevel, step: Step) -> Option<QualityLevel> {
    let mut next = level.clone();
    let windows = &mut next.windows;
    let downgrade = |name: &str, from: usize, to: usize| Downgrade {
        step,
        from: format!("{name}={from}"),
        to: format!("{name}={to}"),
    };
    let downgrade = match step {
        Step::Precision => {
            let from = match level.numbers {
                DType::F32 => "precision=fp32",
                DType::Tf32 => "precision=tf32",
                DType::F16 | DType::Bf16 => return None,
            };
            next.numbers = DType::F16;
            Downgrade {
                step,
                from: from.to_owned(),
                to: "precision=fp16".to_owned(),
            }
        }
        Step::References => {
            let from = windows.ref_stride;
            windows.ref_stride = (2 * from).min(LARGEST_STRIDE);
            if windows.ref_stride <= from {
                return None;
            }
            downgrade("ref-stride", from, windows.ref_stride)
        }
        Step::Window if windows.neighbor_length > SMALLEST_NEIGHBORS => {
            let from = windows.neighbor_length;
            windows.neighbor_length = (from - 2).max(SMALLEST_NEIGHBORS);
            downgrade("neighbor-length", from, windows.neighbor_length)
        }
        Step::Window => {
            let from = windows.subvideo_length;
            if from <= SMALLEST_SUBVIDEO {
                return None;
            }
            windows.subvideo_length = (from * 3 / 4).max(SMALLEST_SUBVIDEO);
            downgrade("subvideo-length", from, windows.subvideo_length)
        }
        Step::Resolution => {
            let (width, height) = level.size;
            next.size = smaller(level.size)?;
            Downgrade {
                step,
                from: format!("{width}x{height}"),
                to: format!("{}x{}", next.size.0, next.size.1),
            }
        }
    };
    next.downgrades.push(downgrade);
    Some(next)
}
