//! Operands as C expressions.

use super::{
    super::syntax::{Operand, Register, Space, Type},
    classes::Class,
    entry::Translation,
    global_name, unknown,
};

/// Returns the C type in which a value of this type is computed. Halves are kept as their bits.
pub fn c_type(kind: Type) -> &'static str {
    match kind {
        Type::B8 | Type::U8 => "u8",
        Type::B16 | Type::U16 | Type::F16 | Type::Bf16 => "u16",
        Type::B32 | Type::U32 | Type::F16x2 | Type::Bf16x2 => "u32",
        Type::B64 | Type::U64 => "u64",
        Type::S8 => "s8",
        Type::S16 => "s16",
        Type::S32 => "s32",
        Type::S64 => "s64",
        Type::F32 | Type::Tf32 => "f32",
        Type::F64 => "f64",
        Type::Pred => "u8",
    }
}

impl Translation<'_> {
    /// Returns the name of a register: a local variable, or a lane's field in a warp operation.
    pub fn register(&self, register: Register) -> String {
        let name = &self.names[register];
        if self.in_lanes {
            format!("f[i].{name}")
        } else {
            name.clone()
        }
    }

    /// Returns the operand as an expression of [`c_type`].
    pub fn value(&self, operand: &Operand<'_>, kind: Type) -> Result<String, String> {
        let c = c_type(kind);
        Ok(match operand {
            Operand::Register(register) => {
                let name = self.register(*register);
                convert(&name, self.classes[*register], kind)
            }
            // An address or a number of a thread in a register that otherwise holds numbers.
            Operand::Special(_) | Operand::Symbol(..) if kind == Type::F32 => {
                format!("as_f32({})", self.value(operand, Type::U32)?)
            }
            Operand::Special(name) => format!("({c}){}", self.special(name)?),
            Operand::Integer(value) => match kind {
                Type::F32 | Type::Tf32 => format!("as_f32({:#x}u)", *value as u32),
                Type::F64 => format!("as_f64({:#x}ull)", *value as u64),
                Type::Pred => String::from(if *value == 0 { "0" } else { "1" }),
                _ if kind.size() == 8 => format!("({c}){:#x}ull", *value as u64),
                _ => format!("({c}){:#x}u", *value as u32),
            },
            Operand::Single(bits) => match kind {
                Type::F32 | Type::Tf32 => single(*bits),
                _ => format!("{bits:#x}u"),
            },
            Operand::Double(bits) => match kind {
                Type::F64 => format!("as_f64({bits:#x}ull)"),
                _ => format!("{bits:#x}ull"),
            },
            Operand::Symbol(name, offset) => format!("({c})({}+{offset})", self.symbol(name)?),
            Operand::Not(inner) => format!("!{}", self.value(inner, kind)?),
            _ => return unknown(),
        })
    }

    /// Writes an assignment of an expression of [`c_type`] to a destination.
    pub fn assign(
        &mut self,
        destination: &Operand<'_>,
        kind: Type,
        expression: &str,
    ) -> Result<(), String> {
        match destination {
            Operand::Register(register) => {
                let name = self.register(*register);
                let value = store(self.classes[*register], kind, expression);
                self.line(&format!("{name} = {value};"));
                Ok(())
            }
            Operand::Sink => Ok(()),
            _ => unknown(),
        }
    }

    /// Returns the address of a variable or parameter, in its own space, as `u64`.
    pub fn symbol(&self, name: &str) -> Result<String, String> {
        if let Some(index) = self.entry.parameters.iter().position(|p| *p == name) {
            return Ok(format!("(u64)b->parameters[{index}]"));
        }
        if let Some(&offset) = self.layout.shared.get(name) {
            return Ok(format!("{offset}ull"));
        }
        if let Some(&offset) = self.layout.local.get(name) {
            return Ok(format!("(u64)(local + {offset})"));
        }
        let global = |space| matches!(space, Space::Global | Space::Constant);
        let mut variables = self.source.variables.iter();
        if variables.any(|variable| variable.name == name && global(variable.space)) {
            return Ok(format!("(u64){}", global_name(name)));
        }
        Err(format!("unknown variable {name}"))
    }

    /// Returns an address operand as `u64` in its own space.
    pub fn address(&self, operand: &Operand<'_>) -> Result<String, String> {
        let Operand::Address(base, offset) = operand else {
            return unknown();
        };
        let base = match &**base {
            Operand::Symbol(name, _) => self.symbol(name)?,
            base => self.value(base, Type::U64)?,
        };
        Ok(match offset {
            0 => base,
            _ => format!("{base} + {offset}"),
        })
    }

    fn special(&self, name: &str) -> Result<String, String> {
        let (stem, axis) = name.rsplit_once('.').unwrap_or((name, ""));
        let axis = ["x", "y", "z"].iter().position(|known| *known == axis);
        let number = if self.cooperative {
            "t->number"
        } else {
            "number"
        };
        Ok(match (stem, axis) {
            ("%tid", Some(axis)) if self.cooperative => format!("t->place[{axis}]"),
            ("%tid", Some(axis)) => ["x", "y", "z"][axis].to_owned(),
            ("%ntid", Some(axis)) => format!("b->threads[{axis}]"),
            ("%ctaid", Some(axis)) => format!("b->at[{axis}]"),
            ("%nctaid", Some(axis)) => format!("b->grid[{axis}]"),
            ("%laneid", None) => format!("({number} & 31)"),
            ("%warpid", None) => format!("({number} >> 5)"),
            ("%lanemask_eq", None) => format!("(1u << ({number} & 31))"),
            ("%lanemask_lt", None) => format!("((1u << ({number} & 31)) - 1)"),
            ("%lanemask_le", None) => format!("((2u << ({number} & 31)) - 1)"),
            ("%lanemask_gt", None) => format!("~((2u << ({number} & 31)) - 1)"),
            ("%lanemask_ge", None) => format!("~((1u << ({number} & 31)) - 1)"),
            // Clocks stand still, and there is one multiprocessor.
            ("%clock" | "%clock64" | "%globaltimer" | "%smid", None) => "0".to_owned(),
            ("%nsmid", None) => "1".to_owned(),
            _ => return Err(format!("unknown register {name}")),
        })
    }
}

/// Returns a constant of single precision.
fn single(bits: u32) -> String {
    let value = f32::from_bits(bits);
    if value.is_finite() && value.fract() == 0.0 && value.abs() < 1e6 && bits != 0x8000_0000 {
        format!("{value:.1}f")
    } else {
        format!("as_f32({bits:#x}u)")
    }
}

/// Returns a register of this class as an expression of the type.
fn convert(name: &str, class: Class, kind: Type) -> String {
    let c = c_type(kind);
    match (class, kind) {
        (Class::Predicate, _) => name.to_owned(),
        (Class::F32, Type::F32 | Type::Tf32) | (Class::F64, Type::F64) => name.to_owned(),
        (Class::F32, Type::F64) => format!("as_f64(as_u32({name}))"),
        (Class::F64, Type::F32 | Type::Tf32) => format!("as_f32((u32)as_u64({name}))"),
        (Class::F32, _) => format!("({c})as_u32({name})"),
        (Class::F64, _) => format!("({c})as_u64({name})"),
        (_, Type::F32 | Type::Tf32) => format!("as_f32({name})"),
        (_, Type::F64) => format!("as_f64({name})"),
        (class, kind) if class.c_type() == c_type(kind) => name.to_owned(),
        _ => format!("({c}){name}"),
    }
}

/// Returns an expression of the type as one for a register of this class.
fn store(class: Class, kind: Type, expression: &str) -> String {
    match (class, kind) {
        (Class::F32, Type::F32 | Type::Tf32) | (Class::F64, Type::F64) => expression.to_owned(),
        (Class::F32, Type::F64) => format!("as_f32((u32)as_u64({expression}))"),
        (Class::F64, Type::F32 | Type::Tf32) => format!("as_f64(as_u32({expression}))"),
        (Class::F32, _) => format!("as_f32({expression})"),
        (Class::F64, _) => format!("as_f64({expression})"),
        (Class::Predicate, _) => format!("({expression}) != 0"),
        (_, Type::F32 | Type::Tf32) => format!("as_u32({expression})"),
        (_, Type::F64) => format!("as_u64({expression})"),
        _ => expression.to_owned(),
    }
}
