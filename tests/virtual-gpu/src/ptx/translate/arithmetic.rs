//! Arithmetic and logic.

use super::{
    super::syntax::{Instruction, Operand, Type},
    entry::Translation,
    operands::c_type,
    typed, unknown,
};

impl Translation<'_> {
    pub(super) fn arithmetic(&mut self, i: &Instruction<'_>) -> Result<(), String> {
        match i.opcode() {
            "setp" | "set" => return self.compare(i),
            "selp" => return self.select(i),
            "testp" => return self.test(i),
            _ => {}
        }
        let kind = typed(i.r#type())?;
        if kind.is_packed() {
            return self.packed(i, kind);
        }
        let [destination, sources @ ..] = i.operands.as_slice() else {
            return unknown();
        };
        if kind.is_float() {
            let values = self.values(sources, kind)?;
            let expression = float(i, kind, &values)?;
            return self.assign(destination, kind, &expression);
        }
        let (result, expression) = self.integer(i, kind, sources)?;
        self.assign(destination, result, &expression)
    }

    fn values(&self, sources: &[Operand<'_>], kind: Type) -> Result<Vec<String>, String> {
        sources.iter().map(|s| self.value(s, kind)).collect()
    }

    /// Writes an operation on two halves of 16 bits.
    fn packed(&mut self, i: &Instruction<'_>, kind: Type) -> Result<(), String> {
        let half = if kind == Type::F16x2 {
            Type::F16
        } else {
            Type::Bf16
        };
        let [destination, sources @ ..] = i.operands.as_slice() else {
            return unknown();
        };
        let values = self.values(sources, kind)?;
        let of =
            |part: &str| -> Vec<String> { values.iter().map(|v| format!("{part}({v})")).collect() };
        let [low, high] = [float(i, half, &of("low"))?, float(i, half, &of("high"))?];
        self.assign(destination, kind, &format!("join({low}, {high})"))
    }

    /// Returns the type and the expression of an operation on integers.
    fn integer(
        &self,
        i: &Instruction<'_>,
        kind: Type,
        sources: &[Operand<'_>],
    ) -> Result<(Type, String), String> {
        let c = c_type(kind);
        let bits = 8 * kind.size();
        let opcode = i.opcode();
        // Shifts and fields take their numbers as 32 bits; the others take the type itself.
        let by = |at: usize| -> Result<String, String> {
            let source = sources.get(at).ok_or("an operand is missing")?;
            self.value(source, Type::U32)
        };
        let extra: Vec<&str> = i
            .modifiers()
            .filter(|part| Type::parse(part).is_none())
            .collect();
        let v = |at: usize| -> Result<String, String> {
            let source = sources.get(at).ok_or("an operand is missing")?;
            Ok(format!("({})", self.value(source, kind)?))
        };
        let wide = if kind.is_signed() { "s" } else { "u" };
        let wide = format!("{wide}{}", 2 * bits);
        let wide_type = Type::parse(&wide);
        let expression = match (opcode, extra.as_slice()) {
            ("add", []) => format!("({c}){} + ({c}){}", unsigned(&v(0)?, kind), v(1)?),
            ("sub", []) => format!("({c}){} - ({c}){}", unsigned(&v(0)?, kind), v(1)?),
            ("mul", ["lo"]) => product(&v(0)?, &v(1)?, kind),
            ("mad", ["lo"]) => format!("{} + {}", product(&v(0)?, &v(1)?, kind), v(2)?),
            ("mul", ["hi"]) => format!("({wide}){} * ({wide}){} >> {bits}", v(0)?, v(1)?),
            ("mad", ["hi"]) => {
                format!(
                    "({c})(({wide}){} * ({wide}){} >> {bits}) + {}",
                    v(0)?,
                    v(1)?,
                    v(2)?
                )
            }
            ("mul", ["wide"]) => {
                let expression = format!("({wide}){} * ({wide}){}", v(0)?, v(1)?);
                return Ok((typed(wide_type)?, expression));
            }
            ("mad", ["wide"]) => {
                let result = typed(wide_type)?;
                let added = sources.get(2).ok_or("an operand is missing")?;
                let added = self.value(added, result)?;
                let product = format!("(u64)(({wide}){} * ({wide}){})", v(0)?, v(1)?);
                return Ok((result, format!("{product} + {added}")));
            }
            // A GPU answers a division by zero with all ones.
            ("div", []) if kind.is_signed() => {
                let (a, d) = (v(0)?, v(1)?);
                format!("{d} == 0 ? ({c})-1 : {d} == -1 ? ({c})(0 - (u64){a}) : {a} / {d}")
            }
            ("rem", []) if kind.is_signed() => {
                let (a, d) = (v(0)?, v(1)?);
                format!("{d} == 0 ? {a} : {d} == -1 ? 0 : {a} % {d}")
            }
            ("div", []) => format!("{1} == 0 ? ({c})-1 : {0} / {1}", v(0)?, v(1)?),
            ("rem", []) => format!("{1} == 0 ? {0} : {0} % {1}", v(0)?, v(1)?),
            ("min", []) => format!("{0} < {1} ? {0} : {1}", v(0)?, v(1)?),
            ("max", []) => format!("{0} > {1} ? {0} : {1}", v(0)?, v(1)?),
            ("neg", []) => format!("({c})(0 - (u64){})", v(0)?),
            ("abs", []) => format!("{0} < 0 ? ({c})(0 - (u64){0}) : {0}", v(0)?),
            ("and", []) => format!("{} & {}", v(0)?, v(1)?),
            ("or", []) => format!("{} | {}", v(0)?, v(1)?),
            ("xor", []) => format!("{} ^ {}", v(0)?, v(1)?),
            ("not", []) if kind == Type::Pred => format!("!{}", v(0)?),
            ("not", []) => format!("~{}", v(0)?),
            ("cnot", []) => format!("{} == 0", v(0)?),
            ("shl", []) => format!("{0} >= {bits} ? 0 : ({c})(({c}){1} << {0})", by(1)?, v(0)?),
            ("shr", []) if kind.is_signed() => {
                format!("{1} >> ({0} >= {bits} ? {bits} - 1 : {0})", by(1)?, v(0)?)
            }
            ("shr", []) => format!("{0} >= {bits} ? 0 : {1} >> {0}", by(1)?, v(0)?),
            ("shf", [side @ ("l" | "r"), mode @ ("wrap" | "clamp")]) => {
                format!("shf_{side}_{mode}({}, {}, {})", by(0)?, by(1)?, by(2)?)
            }
            ("bfe", []) => format!("bfe_{c}({}, {}, {})", v(0)?, by(1)?, by(2)?),
            ("bfi", []) => {
                format!("bfi_b{bits}({}, {}, {}, {})", v(0)?, v(1)?, by(2)?, by(3)?)
            }
            ("prmt", []) => format!("prmt({}, {}, {})", by(0)?, by(1)?, by(2)?),
            ("lop3", []) => {
                format!("lop3({}, {}, {}, {})", by(0)?, by(1)?, by(2)?, by(3)?)
            }
            ("clz" | "popc", []) => {
                return Ok((Type::U32, format!("{opcode}_b{bits}({})", v(0)?)));
            }
            ("bfind", []) => return Ok((Type::U32, format!("bfind_{c}({})", v(0)?))),
            ("brev", []) => format!("brev_b{bits}({})", v(0)?),
            ("dp4a", []) => match i.types().as_slice() {
                [Type::S32, Type::S32] => {
                    format!("dp4a_ss({}, {}, {})", by(0)?, by(1)?, by(2)?)
                }
                [Type::U32, Type::U32] => {
                    format!("dp4a_uu({}, {}, {})", by(0)?, by(1)?, by(2)?)
                }
                _ => return unknown(),
            },
            _ => return unknown(),
        };
        Ok((kind, expression))
    }
}

/// Returns a sum's first part as unsigned, where overflow is defined.
fn unsigned(value: &str, kind: Type) -> String {
    format!("({}){value}", c_type(unsigned_type(kind)))
}

/// Returns the unsigned type of the same size.
pub fn unsigned_type(kind: Type) -> Type {
    kind.bits()
}

/// Returns the low half of a product. 16 bits would become `int` in C, and overflow.
fn product(a: &str, b: &str, kind: Type) -> String {
    let c = if kind.size() == 8 { "u64" } else { "u32" };
    format!("({c}){a} * ({c}){b}")
}

/// Returns a value as single or double precision.
pub fn widen(value: String, kind: Type, flush: bool) -> String {
    let wide = match kind {
        Type::F16 => format!("f16_to_f32({value})"),
        Type::Bf16 => format!("bf16_to_f32({value})"),
        _ => {
            return if flush {
                format!("flush({value})")
            } else {
                value
            };
        }
    };
    if flush {
        format!("flush({wide})")
    } else {
        wide
    }
}

/// Returns the expression of an operation on numbers.
fn float(i: &Instruction<'_>, kind: Type, values: &[String]) -> Result<String, String> {
    let known = |part: &str| {
        Type::parse(part).is_some()
            || matches!(
                part,
                "rn" | "rz"
                    | "rm"
                    | "rp"
                    | "ftz"
                    | "sat"
                    | "approx"
                    | "full"
                    | "NaN"
                    | "relu"
                    | "lo"
            )
    };
    if !i.modifiers().all(known) {
        return unknown();
    }
    let half = matches!(kind, Type::F16 | Type::Bf16);
    let flushed = i.has("ftz");
    if flushed && kind != Type::F32 {
        // Subnormal halves are kept: no kernel here depends on it.
        if !matches!(i.opcode(), "ex2" | "tanh") {
            return unknown();
        }
    }
    let round = ["rz", "rm", "rp"].into_iter().find(|mode| i.has(mode));
    let v: Vec<String> = values
        .iter()
        .map(|value| widen(value.clone(), kind, flushed && kind == Type::F32))
        .collect();
    let suffix = if kind == Type::F64 { "f64" } else { "f32" };
    let builtin = if kind == Type::F64 { "" } else { "f" };
    let nan = if i.has("NaN") { "nan_" } else { "" };
    let expression = match (i.opcode(), v.as_slice(), round) {
        ("add", [a, b], None) => format!("({a} + {b})"),
        ("sub", [a, b], None) => format!("({a} - {b})"),
        ("mul", [a, b], None) => format!("({a} * {b})"),
        ("div", [a, b], None) => format!("({a} / {b})"),
        // The exact sum or product in double precision, rounded once as asked.
        ("add", [a, b], Some(mode)) if kind == Type::F32 => {
            format!("odd_to_f32_{mode}(add_odd({a}, {b}))")
        }
        ("sub", [a, b], Some(mode)) if kind == Type::F32 => {
            format!("odd_to_f32_{mode}(add_odd({a}, -(f64){b}))")
        }
        ("mul", [a, b], Some(mode)) if kind == Type::F32 => {
            format!("odd_to_f32_{mode}((f64){a} * {b})")
        }
        ("fma" | "mad", [a, b, c], Some(mode)) if kind == Type::F32 => {
            format!("odd_to_f32_{mode}(add_odd((f64){a} * {b}, {c}))")
        }
        ("fma", [_, _, _], None) if half => {
            let name = if kind == Type::F16 {
                "fma_f16"
            } else {
                "fma_bf16"
            };
            let bits = format!("{name}({}, {}, {})", values[0], values[1], values[2]);
            widen(bits, kind, false)
        }
        ("fma" | "mad", [a, b, c], None) => format!("__builtin_fma{builtin}({a}, {b}, {c})"),
        ("min" | "max", [a, b], None) => format!("{}_{nan}{suffix}({a}, {b})", i.opcode()),
        ("neg", [a], None) => format!("-{a}"),
        ("abs", [a], None) => format!("__builtin_fabs{builtin}({a})"),
        ("copysign", [a, b], None) => format!("__builtin_copysign{builtin}({b}, {a})"),
        ("sqrt", [a], None) => format!("__builtin_sqrt{builtin}({a})"),
        ("rcp", [a], None) if kind == Type::F64 => format!("(1.0 / {a})"),
        ("rcp", [a], None) => format!("(1.0f / {a})"),
        ("rsqrt", [a], None) if kind == Type::F64 => format!("(1.0 / __builtin_sqrt({a}))"),
        ("rsqrt" | "ex2" | "lg2" | "sin" | "cos" | "tanh", [a], None) if kind != Type::F64 => {
            format!("{}_f32({a})", i.opcode())
        }
        _ => return unknown(),
    };
    let expression = match () {
        () if i.has("sat") => format!("saturate_{suffix}({expression})"),
        () if i.has("relu") => format!("relu_f32({expression})"),
        () if flushed => format!("flush({expression})"),
        () => expression,
    };
    Ok(match kind {
        Type::F16 => format!("f32_to_f16({expression})"),
        Type::Bf16 => format!("f32_to_bf16({expression})"),
        _ => expression,
    })
}
