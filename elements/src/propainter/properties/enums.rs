//! The values of properties that are a choice among names.

use gst::glib;

/// The engine that fills the holes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[repr(i32)]
#[enum_type(name = "GstPropainterModel")]
pub enum Model {
    #[default]
    #[enum_value(
        name = "The networks where their checkpoints are found, else propagation",
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

/// How the stream is cut into windows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[repr(i32)]
#[enum_type(name = "GstPropainterMode")]
pub enum Mode {
    #[default]
    #[enum_value(name = "sliding where upstream is live, else reference", nick = "auto")]
    Auto,
    #[enum_value(
        name = "Frame by frame what the official script gives for the whole clip",
        nick = "reference"
    )]
    Reference,
    #[enum_value(
        name = "Bounded latency: lookahead frames of future and what came before",
        nick = "sliding"
    )]
    Sliding,
}

impl Mode {
    pub fn resolve(self, live: bool) -> propainter::Mode {
        match self {
            Self::Auto if live => propainter::Mode::Sliding,
            Self::Auto | Self::Reference => propainter::Mode::Reference,
            Self::Sliding => propainter::Mode::Sliding,
        }
    }
}

/// What of a frame the engine sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[repr(i32)]
#[enum_type(name = "GstPropainterRoi")]
pub enum Roi {
    #[default]
    #[enum_value(
        name = "Crops for the networks with sliding windows, else whole frames",
        nick = "auto"
    )]
    Auto,
    #[enum_value(name = "Whole frames", nick = "off")]
    Off,
    #[enum_value(name = "Crops around the holes, with context", nick = "crop")]
    Crop,
}

impl Roi {
    /// `model` and `mode` are those at work. The weights-free engine keeps to the surroundings
    /// of the holes by itself.
    pub fn resolve(self, model: propainter::Model, mode: propainter::Mode) -> propainter::Roi {
        use propainter::{Mode, Model};
        match (self, model, mode) {
            (Self::Crop, ..) | (Self::Auto, Model::Propainter, Mode::Sliding) => {
                propainter::Roi::Crops
            }
            (Self::Auto | Self::Off, ..) => propainter::Roi::Whole,
        }
    }
}

/// What becomes of a frame that is not done when it has to go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[repr(i32)]
#[enum_type(name = "GstPropainterLatePolicy")]
pub enum LatePolicy {
    #[default]
    #[enum_value(name = "fill where upstream is live, else wait", nick = "auto")]
    Auto,
    #[enum_value(name = "It goes when it is done, late or not", nick = "wait")]
    Wait,
    #[enum_value(name = "It goes as it came, hole and all", nick = "pass-through")]
    PassThrough,
    #[enum_value(name = "It is filled without the networks", nick = "fill")]
    Fill,
    #[enum_value(name = "It does not go out", nick = "drop")]
    Drop,
}

impl LatePolicy {
    /// Never [`LatePolicy::Auto`].
    pub fn resolve(self, live: bool) -> Self {
        match self {
            Self::Auto if live => Self::Fill,
            Self::Auto => Self::Wait,
            policy => policy,
        }
    }
}

/// The numbers that flow completion and the generator compute with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[repr(i32)]
#[enum_type(name = "GstPropainterPrecision")]
pub enum Precision {
    #[default]
    #[enum_value(name = "16 bit on cards, 32 bit on the CPU", nick = "auto")]
    Auto,
    #[enum_value(name = "32 bit", nick = "fp32")]
    Fp32,
    #[enum_value(name = "16 bit, IEEE half", nick = "fp16")]
    Fp16,
    #[enum_value(name = "16 bit, bfloat", nick = "bf16")]
    Bf16,
}

impl From<Precision> for propainter::Precision {
    fn from(precision: Precision) -> Self {
        match precision {
            Precision::Auto => Self::Auto,
            Precision::Fp32 => Self::Fp32,
            Precision::Fp16 => Self::Fp16,
            Precision::Bf16 => Self::Bf16,
        }
    }
}

/// The card whose size the budget is taken from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, glib::Enum)]
#[repr(i32)]
#[enum_type(name = "GstPropainterBudgetPolicy")]
pub enum BudgetPolicy {
    #[default]
    #[enum_value(name = "What vram-budget says", nick = "custom")]
    Custom,
    #[enum_value(name = "A card of 4 GiB, less vram-reserve", nick = "4gb")]
    Card4,
    #[enum_value(name = "A card of 6 GiB, less vram-reserve", nick = "6gb")]
    Card6,
    #[enum_value(name = "A card of 8 GiB, less vram-reserve", nick = "8gb")]
    Card8,
    #[enum_value(name = "A card of 12 GiB, less vram-reserve", nick = "12gb")]
    Card12,
    #[enum_value(name = "A card of 16 GiB, less vram-reserve", nick = "16gb")]
    Card16,
    #[enum_value(name = "A card of 24 GiB, less vram-reserve", nick = "24gb")]
    Card24,
}

impl BudgetPolicy {
    /// Bytes of the card.
    pub fn card(self) -> Option<u64> {
        let gibibytes = match self {
            Self::Custom => return None,
            Self::Card4 => 4,
            Self::Card6 => 6,
            Self::Card8 => 8,
            Self::Card12 => 12,
            Self::Card16 => 16,
            Self::Card24 => 24,
        };
        Some(gibibytes << 30)
    }
}
