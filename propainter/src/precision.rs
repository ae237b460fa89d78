//! The numbers that flow completion and the generator compute with.

/// Precision as a user names it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// 16 bit on cards, 32 bit on the CPU.
    #[default]
    Auto,
    Fp32,
    Fp16,
    Bf16,
}
