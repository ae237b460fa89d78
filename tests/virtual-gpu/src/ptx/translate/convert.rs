//! `mov` and `cvt`.

use super::{
    super::syntax::{Instruction, Operand, Type},
    arithmetic::widen,
    classes::Class,
    entry::Translation,
    operands::c_type,
    typed, unknown,
};

impl Translation<'_> {
    pub(super) fn convert(&mut self, i: &Instruction<'_>) -> Result<(), String> {
        match (i.opcode(), i.operands.as_slice()) {
            ("mov", [Operand::Vector(parts), source]) => self.unpack(i, parts, source),
            ("mov", [destination, Operand::Vector(parts)]) => self.pack(i, destination, parts),
            ("mov", [destination, source]) => {
                let kind = self.kept(typed(i.r#type())?, destination);
                let value = self.value(source, kind)?;
                self.assign(destination, kind, &value)
            }
            ("cvt", [destination, high, low]) => self.convert_pair(i, destination, high, low),
            ("cvt", [destination, source]) => self.convert_one(i, destination, source),
            _ => unknown(),
        }
    }

    /// Returns an untyped type as that of the destination, so that a number is moved as one.
    pub(super) fn kept(&self, kind: Type, destination: &Operand<'_>) -> Type {
        match (kind, destination) {
            (Type::B32 | Type::U32, Operand::Register(register))
                if self.classes[*register] == Class::F32 =>
            {
                Type::F32
            }
            (Type::B64 | Type::U64, Operand::Register(register))
                if self.classes[*register] == Class::F64 =>
            {
                Type::F64
            }
            _ => kind,
        }
    }

    fn unpack(
        &mut self,
        i: &Instruction<'_>,
        parts: &[Operand<'_>],
        source: &Operand<'_>,
    ) -> Result<(), String> {
        let kind = typed(i.r#type())?;
        let bits = 8 * kind.size() as usize / parts.len();
        let part = typed(Type::parse(&format!("b{bits}")))?;
        let value = self.value(source, kind.bits())?;
        self.line(&format!("{{ u64 whole = {value};"));
        for (at, destination) in parts.iter().enumerate() {
            let expression = format!("({})(whole >> {})", c_type(part), at * bits);
            self.assign(destination, part, &expression)?;
        }
        self.line("}");
        Ok(())
    }

    fn pack(
        &mut self,
        i: &Instruction<'_>,
        destination: &Operand<'_>,
        parts: &[Operand<'_>],
    ) -> Result<(), String> {
        let kind = typed(i.r#type())?.bits();
        let bits = 8 * kind.size() as usize / parts.len();
        let part = typed(Type::parse(&format!("b{bits}")))?;
        let mut whole = Vec::new();
        for (at, source) in parts.iter().enumerate() {
            let value = self.value(source, part)?;
            whole.push(format!("({}){value} << {}", c_type(kind), at * bits));
        }
        self.assign(destination, kind, &whole.join(" | "))
    }

    /// Writes a conversion of two numbers of single precision to a pair of halves.
    fn convert_pair(
        &mut self,
        i: &Instruction<'_>,
        destination: &Operand<'_>,
        high: &Operand<'_>,
        low: &Operand<'_>,
    ) -> Result<(), String> {
        let [kind, Type::F32] = i.types()[..] else {
            return unknown();
        };
        let half = match kind {
            Type::F16x2 => "f16",
            Type::Bf16x2 => "bf16",
            _ => return unknown(),
        };
        let known =
            |part: &str| matches!(part, "rn" | "rz" | "relu") || Type::parse(part).is_some();
        if !i.modifiers().all(known) {
            return unknown();
        }
        let mode = if i.has("rz") { "_rz" } else { "" };
        let one = |value: String| {
            let value = if i.has("relu") {
                format!("relu_f32({value})")
            } else {
                value
            };
            format!("f32_to_{half}{mode}({value})")
        };
        let low = one(self.value(low, Type::F32)?);
        let high = one(self.value(high, Type::F32)?);
        self.assign(destination, kind, &format!("join({low}, {high})"))
    }

    fn convert_one(
        &mut self,
        i: &Instruction<'_>,
        destination: &Operand<'_>,
        source: &Operand<'_>,
    ) -> Result<(), String> {
        let [to, from] = i.types()[..] else {
            return unknown();
        };
        let known = |part: &str| {
            Type::parse(part).is_some()
                || matches!(
                    part,
                    "rn" | "rz"
                        | "rm"
                        | "rp"
                        | "rna"
                        | "rni"
                        | "rzi"
                        | "rmi"
                        | "rpi"
                        | "ftz"
                        | "sat"
                        | "relu"
                )
        };
        if !i.modifiers().all(known) {
            return unknown();
        }
        let value = self.value(source, from)?;
        if to == Type::Tf32 {
            if from != Type::F32 || !i.has("rna") && !i.has("rn") || i.has("relu") {
                return unknown();
            }
            if i.has("rn") {
                return unknown();
            }
            return self.assign(destination, Type::U32, &format!("f32_to_tf32({value})"));
        }
        let whole = [
            ("rni", "rint"),
            ("rzi", "trunc"),
            ("rmi", "floor"),
            ("rpi", "ceil"),
        ];
        let whole = whole
            .iter()
            .find(|(mode, _)| i.has(mode))
            .map(|(_, name)| *name);
        let mode = ["rz", "rm", "rp"].into_iter().find(|mode| i.has(mode));
        let expression = match (to.is_float(), from.is_float()) {
            (true, true) => {
                let value = widen(value, from, i.has("ftz") && from == Type::F32);
                let value = match whole {
                    Some(name) if from == Type::F64 => format!("__builtin_{name}({value})"),
                    Some(name) => format!("__builtin_{name}f({value})"),
                    None => value,
                };
                float_to_float(i, to, from, &value, mode)?
            }
            (false, true) => {
                let name = whole.ok_or("unknown instruction")?;
                let value = widen(value, from, i.has("ftz"));
                let c = c_type(to);
                let value = if from == Type::F64 {
                    format!("__builtin_{name}({value})")
                } else {
                    format!("__builtin_{name}f({value})")
                };
                format!("f64_to_{c}({value})")
            }
            (true, false) => match (to, mode) {
                (Type::F64, None) => format!("(f64){value}"),
                (Type::F32, None) => format!("(f32){value}"),
                (Type::F32, Some(mode)) if from != Type::U64 => {
                    format!("s64_to_f32_{mode}({value})")
                }
                // Up to 2^53 the value is exact in double precision; larger ones are infinite.
                (Type::F16, None) => format!("f64_to_f16((f64){value})"),
                (Type::Bf16, None) if from.size() < 8 => format!("f64_to_bf16((f64){value})"),
                _ => return unknown(),
            },
            (false, false) if i.has("sat") => saturate(&value, to, from)?,
            (false, false) => format!("({}){value}", c_type(to)),
        };
        self.assign(destination, to, &expression)
    }
}

fn float_to_float(
    i: &Instruction<'_>,
    to: Type,
    from: Type,
    value: &str,
    mode: Option<&str>,
) -> Result<String, String> {
    let double = from == Type::F64;
    let mut value = value.to_owned();
    if i.has("sat") {
        let suffix = if double { "f64" } else { "f32" };
        value = format!("saturate_{suffix}({value})");
    }
    if i.has("relu") && !double {
        value = format!("relu_f32({value})");
    }
    Ok(match (to, mode) {
        (Type::F64, _) => format!("(f64){value}"),
        (Type::F32, Some(mode)) if double => format!("odd_to_f32_{mode}({value})"),
        (Type::F32, _) if i.has("ftz") => format!("flush((f32){value})"),
        (Type::F32, _) => format!("(f32){value}"),
        (Type::F16, None) if double => format!("f64_to_f16({value})"),
        (Type::Bf16, None) if double => format!("f64_to_bf16({value})"),
        (Type::F16, None) => format!("f32_to_f16({value})"),
        (Type::Bf16, None) => format!("f32_to_bf16({value})"),
        (Type::F16, Some("rz")) if !double => format!("f32_to_f16_rz({value})"),
        (Type::Bf16, Some("rz")) if !double => format!("f32_to_bf16_rz({value})"),
        _ => return unknown(),
    })
}

/// Returns an integer held within the limits of another type.
fn saturate(value: &str, to: Type, from: Type) -> Result<String, String> {
    let bits = 8 * to.size();
    let wide = if from.is_signed() { "s128" } else { "u128" };
    let (least, most) = if to.is_signed() {
        (
            format!("-((s128)1 << {})", bits - 1),
            format!("((s128)1 << {}) - 1", bits - 1),
        )
    } else {
        (String::from("(s128)0"), format!("((s128)1 << {bits}) - 1"))
    };
    Ok(format!(
        "({})CLAMP((s128)({wide}){value}, {least}, {most})",
        c_type(to)
    ))
}
