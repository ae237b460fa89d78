//! Comparison and choice.

use super::{
    super::syntax::{Instruction, Operand, Type},
    arithmetic::{unsigned_type, widen},
    classes::Class,
    entry::Translation,
    typed, unknown,
};

impl Translation<'_> {
    pub(super) fn compare(&mut self, i: &Instruction<'_>) -> Result<(), String> {
        let types = i.types();
        let kind = typed(types.last().copied())?;
        let parts: Vec<&str> = i
            .modifiers()
            .filter(|part| Type::parse(part).is_none() && *part != "ftz")
            .collect();
        let [destination, a, b, rest @ ..] = i.operands.as_slice() else {
            return unknown();
        };
        let with = match (parts.get(1), rest) {
            (None, []) => None,
            (Some(&"and"), [c]) => Some(("&&", self.value(c, Type::Pred)?)),
            (Some(&"or"), [c]) => Some(("||", self.value(c, Type::Pred)?)),
            (Some(&"xor"), [c]) => Some(("^", self.value(c, Type::Pred)?)),
            _ => return unknown(),
        };
        let name = parts.first().copied().unwrap_or("");
        let holds = if kind.is_float() {
            let wide = |value| widen(value, kind, i.has("ftz"));
            float_holds(
                name,
                &wide(self.value(a, kind)?),
                &wide(self.value(b, kind)?),
            )?
        } else {
            let (name, kind) = match name {
                "lo" => ("lt", unsigned_type(kind)),
                "ls" => ("le", unsigned_type(kind)),
                "hi" => ("gt", unsigned_type(kind)),
                "hs" => ("ge", unsigned_type(kind)),
                name => (name, kind),
            };
            let sign = operator(name)?;
            format!("{} {sign} {}", self.value(a, kind)?, self.value(b, kind)?)
        };
        let joined = |holds: &str| match &with {
            None => holds.to_owned(),
            Some((sign, other)) => format!("({holds}) {sign} !!({other})"),
        };
        if i.opcode() == "set" {
            let result = typed(types.first().copied())?;
            let (yes, no) = match result {
                Type::F32 => ("1.0f", "0.0f"),
                Type::U32 | Type::S32 | Type::B32 => ("~0u", "0"),
                _ => return unknown(),
            };
            let expression = format!("({}) ? {yes} : {no}", joined(&holds));
            return self.assign(destination, result, &expression);
        }
        match destination {
            Operand::Pair(one, two) => {
                self.line(&format!("{{ u8 holds = {holds};"));
                let [yes, no] = [joined("holds"), joined("!holds")];
                self.line(&format!("u8 yes = {yes}, no = {no};"));
                self.assign(one, Type::Pred, "yes")?;
                self.assign(two, Type::Pred, "no")?;
                self.line("}");
                Ok(())
            }
            one => self.assign(one, Type::Pred, &joined(&holds)),
        }
    }

    pub(super) fn select(&mut self, i: &Instruction<'_>) -> Result<(), String> {
        let mut kind = typed(i.r#type())?;
        let [destination, a, b, choice] = i.operands.as_slice() else {
            return unknown();
        };
        if i.modifiers().count() != 1 {
            return unknown();
        }
        // A number stays one, whatever the instruction calls it.
        if kind == Type::B32
            && let Operand::Register(register) = destination
            && self.classes[*register] == Class::F32
        {
            kind = Type::F32;
        }
        let (a, b) = (self.value(a, kind)?, self.value(b, kind)?);
        let choice = self.value(choice, Type::Pred)?;
        self.assign(destination, kind, &format!("{choice} ? {a} : {b}"))
    }

    pub(super) fn test(&mut self, i: &Instruction<'_>) -> Result<(), String> {
        let kind = typed(i.r#type())?;
        let [destination, a] = i.operands.as_slice() else {
            return unknown();
        };
        let value = self.value(a, kind)?;
        let largest = match kind {
            Type::F32 => "0x1.fffffep127f",
            Type::F64 => "0x1.fffffffffffffp1023",
            _ => return unknown(),
        };
        let size = format!("({value} < 0 ? -{value} : {value})");
        let expression = match i.modifiers().next() {
            Some("finite") => format!("{size} <= {largest}"),
            Some("infinite") => format!("{size} > {largest}"),
            Some("number") => format!("{value} == {value}"),
            Some("notanumber") => format!("{value} != {value}"),
            _ => return unknown(),
        };
        self.assign(destination, Type::Pred, &expression)
    }
}

fn operator(name: &str) -> Result<&'static str, String> {
    Ok(match name {
        "eq" => "==",
        "ne" => "!=",
        "lt" => "<",
        "le" => "<=",
        "gt" => ">",
        "ge" => ">=",
        _ => return unknown(),
    })
}

/// Returns a comparison of numbers; those that end in `u` hold if one of them is a NaN.
fn float_holds(name: &str, a: &str, b: &str) -> Result<String, String> {
    Ok(match name {
        "ne" => format!("({a} < {b} || {a} > {b})"),
        "num" => format!("({a} == {a} && {b} == {b})"),
        "nan" => format!("({a} != {a} || {b} != {b})"),
        "equ" => format!("!({a} < {b} || {a} > {b})"),
        "neu" => format!("!({a} == {b})"),
        "ltu" => format!("!({a} >= {b})"),
        "leu" => format!("!({a} > {b})"),
        "gtu" => format!("!({a} <= {b})"),
        "geu" => format!("!({a} < {b})"),
        name => format!("{a} {} {b}", operator(name)?),
    })
}
