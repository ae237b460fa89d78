//! The parts of a PTX module: entries, variables, instructions, operands.

/// A type of PTX.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    B8,
    B16,
    B32,
    B64,
    U8,
    U16,
    U32,
    U64,
    S8,
    S16,
    S32,
    S64,
    F16,
    Bf16,
    F16x2,
    Bf16x2,
    Tf32,
    F32,
    F64,
    Pred,
}

impl Type {
    /// Returns the type of this name, without its dot.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "b8" => Self::B8,
            "b16" => Self::B16,
            "b32" => Self::B32,
            "b64" => Self::B64,
            "u8" => Self::U8,
            "u16" => Self::U16,
            "u32" => Self::U32,
            "u64" => Self::U64,
            "s8" => Self::S8,
            "s16" => Self::S16,
            "s32" => Self::S32,
            "s64" => Self::S64,
            "f16" => Self::F16,
            "bf16" => Self::Bf16,
            "f16x2" => Self::F16x2,
            "bf16x2" => Self::Bf16x2,
            "tf32" => Self::Tf32,
            "f32" => Self::F32,
            "f64" => Self::F64,
            "pred" => Self::Pred,
            _ => return None,
        })
    }

    /// Returns the size in bytes.
    pub fn size(self) -> u32 {
        match self {
            Self::B8 | Self::U8 | Self::S8 | Self::Pred => 1,
            Self::B16 | Self::U16 | Self::S16 | Self::F16 | Self::Bf16 => 2,
            Self::B64 | Self::U64 | Self::S64 | Self::F64 => 8,
            _ => 4,
        }
    }

    /// Returns true if the type is a single floating-point number.
    pub fn is_float(self) -> bool {
        matches!(self, Self::F16 | Self::Bf16 | Self::F32 | Self::F64)
    }

    /// Returns true if the type is two numbers of 16 bits.
    pub fn is_packed(self) -> bool {
        matches!(self, Self::F16x2 | Self::Bf16x2)
    }

    /// Returns true if the type is a signed integer.
    pub fn is_signed(self) -> bool {
        matches!(self, Self::S8 | Self::S16 | Self::S32 | Self::S64)
    }

    /// Returns the untyped form of the same size.
    pub fn bits(self) -> Self {
        match self.size() {
            1 => Self::U8,
            2 => Self::U16,
            4 => Self::U32,
            _ => Self::U64,
        }
    }
}

/// A register of an entry, by its number in [`Entry::registers`].
pub type Register = usize;

/// What an instruction reads or writes.
#[derive(Clone, Debug, PartialEq)]
pub enum Operand<'a> {
    Register(Register),
    /// A register that the hardware sets, such as `%tid.x`.
    Special(&'a str),
    /// An integer, or a constant such as `WARP_SZ`.
    Integer(i128),
    /// The bits of a number written as `0f...`.
    Single(u32),
    /// The bits of a number written as `0d...`.
    Double(u64),
    /// A variable, a parameter or a label, and an offset in bytes.
    Symbol(&'a str, i64),
    /// What stands in square brackets: a base and an offset in bytes.
    Address(Box<Operand<'a>>, i64),
    Vector(Vec<Operand<'a>>),
    /// Two destinations, `d|p`.
    Pair(Box<Operand<'a>>, Box<Operand<'a>>),
    /// A predicate read as its opposite.
    Not(Box<Operand<'a>>),
    /// A destination that is not wanted, `_`.
    Sink,
}

impl Operand<'_> {
    /// Calls `visit` with each register of the operand.
    pub fn registers(&self, visit: &mut impl FnMut(Register)) {
        match self {
            Self::Register(register) => visit(*register),
            Self::Address(inner, _) | Self::Not(inner) => inner.registers(visit),
            Self::Vector(parts) => parts.iter().for_each(|part| part.registers(visit)),
            Self::Pair(one, two) => {
                one.registers(visit);
                two.registers(visit);
            }
            _ => {}
        }
    }

    /// Returns the elements of a vector, or the operand alone.
    pub fn parts(&self) -> &[Self] {
        match self {
            Self::Vector(parts) => parts,
            other => std::slice::from_ref(other),
        }
    }
}

/// One instruction.
#[derive(Clone, Debug)]
pub struct Instruction<'a> {
    /// The predicate under which it is executed, and whether it is read as its opposite.
    pub guard: Option<(Register, bool)>,
    /// The whole name, `ld.global.v2.f32`.
    pub name: &'a str,
    pub operands: Vec<Operand<'a>>,
    /// Its line in the text, from 1.
    pub line: u32,
}

impl<'a> Instruction<'a> {
    /// Returns the name up to the first dot.
    pub fn opcode(&self) -> &'a str {
        self.name.split('.').next().unwrap_or(self.name)
    }

    /// Returns the parts of the name after the opcode.
    pub fn modifiers(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.name.split('.').skip(1)
    }

    /// Returns true if the name has this part.
    pub fn has(&self, modifier: &str) -> bool {
        self.modifiers().any(|part| part == modifier)
    }

    /// Returns true if the name has shared memory in it.
    pub fn is_shared(&self) -> bool {
        let mut modifiers = self.modifiers();
        modifiers.any(|part| part == "shared" || part.starts_with("shared::"))
    }

    /// Returns the types in the name, in order.
    pub fn types(&self) -> Vec<Type> {
        self.modifiers().filter_map(Type::parse).collect()
    }

    /// Returns the last type in the name.
    pub fn r#type(&self) -> Option<Type> {
        self.modifiers().filter_map(Type::parse).last()
    }
}

/// A statement of an entry's body.
#[derive(Clone, Debug)]
pub enum Statement<'a> {
    Label(&'a str),
    Instruction(Instruction<'a>),
}

/// The memory that a variable lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Space {
    Global,
    Constant,
    Shared,
    Local,
}

/// A variable.
#[derive(Clone, Debug)]
pub struct Variable<'a> {
    pub space: Space,
    pub name: &'a str,
    pub align: u32,
    pub r#type: Type,
    /// The number of elements; `None` for an array that takes what the launch gives.
    pub count: Option<u32>,
    pub values: Vec<Operand<'a>>,
}

impl Variable<'_> {
    /// Returns the size in bytes; zero for an array that takes what the launch gives.
    pub fn size(&self) -> u32 {
        self.count.unwrap_or(0) * self.r#type.size()
    }
}

/// A declared register.
#[derive(Clone, Debug)]
pub struct Declared {
    pub name: String,
    pub r#type: Type,
}

/// A kernel.
#[derive(Clone, Debug, Default)]
pub struct Entry<'a> {
    pub name: &'a str,
    pub parameters: Vec<&'a str>,
    /// The block size that every launch must have (`.reqntid`); zeros if any will do.
    pub required_block: [u32; 3],
    pub registers: Vec<Declared>,
    pub variables: Vec<Variable<'a>>,
    /// The targets of `brx.idx`, by name.
    pub branch_targets: Vec<(&'a str, Vec<&'a str>)>,
    pub body: Vec<Statement<'a>>,
}

/// A module.
#[derive(Clone, Debug, Default)]
pub struct Source<'a> {
    pub variables: Vec<Variable<'a>>,
    pub entries: Vec<Entry<'a>>,
}
