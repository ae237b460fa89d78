//! The enumerations and flags among the values of the properties.

use gst::glib;
use propainter::memory::{Degradation, Step};

/// The engine that fills the hole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[repr(i32)]
#[enum_type(name = "GstPropainterModel")]
pub enum Model {
    #[default]
    #[enum_value(
        name = "The ProPainter networks if their checkpoints are found, otherwise propagation",
        nick = "auto"
    )]
    Auto,
    #[enum_value(name = "The ProPainter networks", nick = "propainter")]
    Propainter,
    #[enum_value(
        name = "Propagation along optical flow, without checkpoints",
        nick = "propagation"
    )]
    Propagation,
}

impl From<Model> for propainter::Model {
    fn from(model: Model) -> Self {
        match model {
            Model::Auto => Self::Auto,
            Model::Propainter => Self::Propainter,
            Model::Propagation => Self::Propagation,
        }
    }
}

/// How the stream is divided into windows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[repr(i32)]
#[enum_type(name = "GstPropainterMode")]
pub enum Mode {
    #[default]
    #[enum_value(
        name = "sliding if upstream is live, otherwise reference",
        nick = "auto"
    )]
    Auto,
    #[enum_value(
        name = "The windows of the official script: the same output, frame by frame",
        nick = "reference"
    )]
    Reference,
    #[enum_value(
        name = "Bounded latency: windows with lookahead future frames and the frames before",
        nick = "sliding"
    )]
    Sliding,
}

impl Mode {
    /// Returns the mode in force for an upstream that is live or not.
    pub fn resolve(self, live: bool) -> propainter::Mode {
        match self {
            Self::Auto if live => propainter::Mode::Sliding,
            Self::Auto | Self::Reference => propainter::Mode::Reference,
            Self::Sliding => propainter::Mode::Sliding,
        }
    }
}

/// Whether the engine processes whole frames or crops.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[repr(i32)]
#[enum_type(name = "GstPropainterCropMode")]
pub enum CropMode {
    #[default]
    #[enum_value(
        name = "crop in sliding mode (propagation: only if upstream is live), otherwise off",
        nick = "auto"
    )]
    Auto,
    #[enum_value(name = "Whole frames", nick = "off")]
    Off,
    #[enum_value(name = "Crops around the masks, with context", nick = "crop")]
    Crop,
}

impl CropMode {
    /// Returns the crop mode in force for an upstream that is live or not; `model` and `mode` are
    /// those in use. In a file, the classical engine has time to look for sources all over the frame.
    pub fn resolve(
        self,
        model: propainter::Model,
        mode: propainter::Mode,
        live: bool,
    ) -> propainter::CropMode {
        use propainter::{Mode, Model};
        let auto = mode == Mode::Sliding && (live || model == Model::Propainter);
        match self {
            Self::Crop => propainter::CropMode::Crops,
            Self::Auto if auto => propainter::CropMode::Crops,
            Self::Auto | Self::Off => propainter::CropMode::Whole,
        }
    }
}

/// What to do with a frame that is not done when it is due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[repr(i32)]
#[enum_type(name = "GstPropainterLatePolicy")]
pub enum LatePolicy {
    #[default]
    #[enum_value(name = "fill if upstream is live, otherwise wait", nick = "auto")]
    Auto,
    #[enum_value(name = "Wait until the frame is done", nick = "wait")]
    Wait,
    #[enum_value(name = "Send the frame unchanged", nick = "pass-through")]
    PassThrough,
    #[enum_value(name = "Fill the frame from the pixels around the mask", nick = "fill")]
    Fill,
    #[enum_value(name = "Drop the frame", nick = "drop")]
    Drop,
}

impl LatePolicy {
    /// Returns the policy in force for an upstream that is live or not, which is never
    /// [`LatePolicy::Auto`].
    pub fn resolve(self, live: bool) -> Self {
        match self {
            Self::Auto if live => Self::Fill,
            Self::Auto => Self::Wait,
            policy => policy,
        }
    }
}

/// The number format of flow completion and the generator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[repr(i32)]
#[enum_type(name = "GstPropainterPrecision")]
pub enum Precision {
    #[default]
    #[enum_value(name = "16 bits on a GPU, 32 bits on the CPU", nick = "auto")]
    Auto,
    #[enum_value(name = "32 bits", nick = "fp32")]
    Fp32,
    #[enum_value(name = "32 bits, products rounded to TF32 on a GPU", nick = "tf32")]
    Tf32,
    #[enum_value(name = "16 bits, IEEE half precision", nick = "fp16")]
    Fp16,
    #[enum_value(name = "16 bits, bfloat16", nick = "bf16")]
    Bf16,
}

impl From<Precision> for propainter::Precision {
    fn from(precision: Precision) -> Self {
        match precision {
            Precision::Auto => Self::Auto,
            Precision::Fp32 => Self::Fp32,
            Precision::Tf32 => Self::Tf32,
            Precision::Fp16 => Self::Fp16,
            Precision::Bf16 => Self::Bf16,
        }
    }
}

/// Reductions of quality that are allowed to fit the budget and, live, the time.
#[glib::flags(name = "GstPropainterDegradation")]
pub enum AllowedDegradation {
    #[flags_value(name = "None", nick = "none")]
    NONE = 0,
    #[flags_value(name = "16-bit numbers", nick = "precision")]
    PRECISION = 1,
    #[flags_value(name = "Fewer reference frames", nick = "references")]
    REFERENCES = 2,
    #[flags_value(name = "Shorter windows", nick = "window")]
    WINDOW = 4,
    #[flags_value(name = "Smaller processing size", nick = "resolution")]
    RESOLUTION = 8,
    #[flags_value(name = "Less search where a live frame would be late", nick = "effort")]
    EFFORT = 16,
}

impl Default for AllowedDegradation {
    fn default() -> Self {
        Self::all()
    }
}

impl From<AllowedDegradation> for Degradation {
    fn from(allowed: AllowedDegradation) -> Self {
        let steps = [
            (AllowedDegradation::PRECISION, Step::Precision),
            (AllowedDegradation::REFERENCES, Step::References),
            (AllowedDegradation::WINDOW, Step::Window),
            (AllowedDegradation::RESOLUTION, Step::Resolution),
        ];
        let allowed = steps
            .into_iter()
            .filter(|(flag, _)| allowed.contains(*flag));
        allowed.fold(Self::NONE, |set, (_, step)| set.with(step))
    }
}
