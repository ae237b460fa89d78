//! In which kind of C variable each register lies.

use super::super::{
    liveness,
    syntax::{Entry, Instruction, Statement, Type},
};

/// A kind of C variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    Predicate,
    U16,
    U32,
    U64,
    F32,
    F64,
}

impl Class {
    /// Returns the C type.
    pub fn c_type(self) -> &'static str {
        match self {
            Self::Predicate => "u8",
            Self::U16 => "u16",
            Self::U32 => "u32",
            Self::U64 => "u64",
            Self::F32 => "f32",
            Self::F64 => "f64",
        }
    }
}

/// Chooses a class for each register. LLVM declares registers for single precision as `.b32`; one
/// that is mostly used as a number lies in a `float`, because moving a value between the two kinds
/// of the CPU's registers takes longer than adding to it.
pub fn choose(entry: &Entry<'_>) -> Vec<Class> {
    let mut votes = vec![0i32; entry.registers.len()];
    for statement in &entry.body {
        let Statement::Instruction(instruction) = statement else {
            continue;
        };
        let (written, read) = votes_of(instruction);
        if written != 0 {
            liveness::written(instruction, |register| votes[register] += written);
        }
        if read != 0 {
            liveness::read(instruction, |register| votes[register] += read);
        }
    }
    let registers = entry.registers.iter().zip(votes);
    registers
        .map(|(register, votes)| match (register.r#type, votes > 0) {
            (Type::Pred, _) => Class::Predicate,
            (Type::F32, _) | (Type::B32, true) => Class::F32,
            (Type::F64, _) | (Type::B64, true) => Class::F64,
            (other, _) => match other.size() {
                1 | 2 => Class::U16,
                4 => Class::U32,
                _ => Class::U64,
            },
        })
        .collect()
}

/// Returns how much speaks for numbers in what the instruction writes and reads.
fn votes_of(instruction: &Instruction<'_>) -> (i32, i32) {
    let vote = |kind: Option<Type>| match kind {
        Some(Type::F32 | Type::F64) => 2,
        Some(Type::B16 | Type::B32 | Type::B64) | None => 0,
        Some(_) => -2,
    };
    let types = instruction.types();
    match instruction.opcode() {
        "cvt" => (vote(types.first().copied()), vote(types.last().copied())),
        "setp" => (0, vote(types.last().copied())),
        "and" | "or" | "xor" | "not" | "shl" | "shr" | "shf" | "prmt" | "lop3" | "bfe" | "bfi" => {
            (-2, -2)
        }
        // Addresses and untyped values say nothing.
        "ld" | "st" | "mov" | "selp" | "cvta" | "atom" | "red" | "shfl" => {
            let kind = types.last().copied();
            let read = if matches!(kind, Some(Type::F32 | Type::F64)) {
                1
            } else {
                0
            };
            match instruction.opcode() {
                "ld" | "atom" => (vote(kind), 0),
                "st" | "red" => (0, 0),
                _ => (vote(kind), read),
            }
        }
        "mma" | "wmma" | "ldmatrix" | "stmatrix" => (0, 0),
        _ => {
            let vote = vote(types.last().copied());
            (vote, vote)
        }
    }
}
