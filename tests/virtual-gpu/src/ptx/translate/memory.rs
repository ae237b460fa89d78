//! Loads, stores, atomic operations, `cp.async`, and addresses from one space to another.

use super::{
    super::syntax::{Instruction, Operand, Type},
    entry::Translation,
    matrix::element,
    operands::c_type,
    typed, unknown,
};

/// Parts of a name that say which caches to use and who sees the access when: all see all here.
fn says_nothing(part: &str) -> bool {
    matches!(
        part,
        "global"
            | "shared"
            | "shared::cta"
            | "local"
            | "param"
            | "param::entry"
            | "const"
            | "nc"
            | "ca"
            | "cg"
            | "cs"
            | "lu"
            | "cv"
            | "wb"
            | "wt"
            | "weak"
            | "relaxed"
            | "acquire"
            | "release"
            | "acq_rel"
            | "volatile"
            | "mmio"
            | "gpu"
            | "cta"
            | "sys"
            | "cluster"
            | "noftz"
    ) || part.starts_with("L1::")
        || part.starts_with("L2::")
}

impl Translation<'_> {
    pub(super) fn memory(&mut self, i: &Instruction<'_>) -> Result<(), String> {
        match i.opcode() {
            "ld" | "ldu" => self.load(i),
            "st" => self.store(i),
            "atom" | "red" => self.atomic(i),
            "cp" => self.copy(i),
            "wmma" => self.wmma_memory(i),
            "cvta" => self.other_space(i),
            _ => unknown(),
        }
    }

    fn other_space(&mut self, i: &Instruction<'_>) -> Result<(), String> {
        let [destination, source] = i.operands.as_slice() else {
            return unknown();
        };
        let parts: Vec<&str> = i.modifiers().collect();
        let value = self.value(source, Type::U64)?;
        let value = match parts.as_slice() {
            ["to", "shared" | "shared::cta", "u64"] => format!("{value} - (u64)shared"),
            ["shared" | "shared::cta", "u64"] => format!("{value} + (u64)shared"),
            ["to", "global" | "local" | "const" | "param", "u64"]
            | ["global" | "local" | "const" | "param", "u64"] => value,
            _ => return unknown(),
        };
        self.assign(destination, Type::U64, &value)
    }

    /// Writes the checks of an access, and returns a pointer to it. The access must stand in the
    /// braces that this opens.
    fn access(
        &mut self,
        i: &Instruction<'_>,
        operand: &Operand<'_>,
        bytes: u32,
    ) -> Result<String, String> {
        let address = self.address(operand)?;
        self.line(&format!("{{ const u64 a = {address};"));
        if i.has("param") || i.has("param::entry") {
            return Ok("a".to_owned());
        }
        let line = i.line;
        if bytes > 1 {
            self.line(&format!("ALIGNED(a, {bytes}, {line})"));
        }
        if i.is_shared() {
            self.line(&format!("INSIDE(a, {bytes}, {line})"));
            return Ok("(shared + a)".to_owned());
        }
        Ok("a".to_owned())
    }

    /// Returns the type of an access's elements, and their count.
    fn shape(i: &Instruction<'_>) -> Result<(Type, u32), String> {
        let count = |part: &str| -> Option<u32> { part.strip_prefix('v')?.parse().ok() };
        let known =
            |part: &str| says_nothing(part) || count(part).is_some() || Type::parse(part).is_some();
        if !i.modifiers().all(known) {
            return unknown();
        }
        let count = i.modifiers().find_map(count).unwrap_or(1);
        Ok((typed(i.r#type())?, count))
    }

    fn load(&mut self, i: &Instruction<'_>) -> Result<(), String> {
        let (kind, count) = Self::shape(i)?;
        let [destination, address] = i.operands.as_slice() else {
            return unknown();
        };
        if destination.parts().len() as u32 != count {
            return unknown();
        }
        let pointer = self.access(i, address, kind.size() * count)?;
        for (at, part) in destination.parts().iter().enumerate() {
            let kind = self.kept(kind, part);
            let value = format!("(({}*){pointer})[{at}]", c_type(kind));
            self.assign(part, kind, &value)?;
        }
        self.line("}");
        Ok(())
    }

    fn store(&mut self, i: &Instruction<'_>) -> Result<(), String> {
        let (kind, count) = Self::shape(i)?;
        let [address, source] = i.operands.as_slice() else {
            return unknown();
        };
        if source.parts().len() as u32 != count {
            return unknown();
        }
        let pointer = self.access(i, address, kind.size() * count)?;
        for (at, part) in source.parts().iter().enumerate() {
            let kind = self.kept(kind, part);
            let value = self.value(part, kind)?;
            self.line(&format!("(({}*){pointer})[{at}] = {value};", c_type(kind)));
        }
        self.line("}");
        Ok(())
    }

    fn atomic(&mut self, i: &Instruction<'_>) -> Result<(), String> {
        let operation = |part: &&str| {
            matches!(
                *part,
                "add" | "min" | "max" | "and" | "or" | "xor" | "exch" | "cas" | "inc" | "dec"
            )
        };
        let known =
            |part: &str| says_nothing(part) || operation(&part) || Type::parse(part).is_some();
        if !i.modifiers().all(known) {
            return unknown();
        }
        let kind = typed(i.r#type())?;
        let name = i.modifiers().find(operation).ok_or("unknown instruction")?;
        let (destination, address, sources) = match (i.opcode(), i.operands.as_slice()) {
            ("atom", [destination, address, sources @ ..]) => (Some(destination), address, sources),
            ("red", [address, sources @ ..]) => (None, address, sources),
            _ => return unknown(),
        };
        let pointer = self.access(i, address, kind.size())?;
        let c = c_type(kind);
        let x = match sources {
            [x, ..] => self.value(x, kind)?,
            [] => return unknown(),
        };
        self.line(&format!(
            "{c} *const q = ({c}*){pointer}; const {c} old = *q, x = {x};"
        ));
        let number = |value: &str| super::arithmetic::widen(value.to_owned(), kind, false);
        let back = |value: String| match kind {
            Type::F16 => format!("f32_to_f16({value})"),
            Type::Bf16 => format!("f32_to_bf16({value})"),
            _ => value,
        };
        let (old, added) = (number("old"), number("x"));
        let suffix = if kind == Type::F64 { "f64" } else { "f32" };
        let new = match (name, sources) {
            ("exch", [_]) => "x".to_owned(),
            ("cas", [_, other]) => {
                let other = self.value(other, kind)?;
                format!("old == x ? {other} : old")
            }
            ("add", [_]) if kind.is_packed() => {
                let half = if kind == Type::F16x2 { "f16" } else { "bf16" };
                let sum = |part| {
                    format!("f32_to_{half}({half}_to_f32({part}(old)) + {half}_to_f32({part}(x)))")
                };
                format!("join({}, {})", sum("low"), sum("high"))
            }
            ("add", [_]) if kind.is_float() => back(format!("{old} + {added}")),
            ("min" | "max", [_]) if kind.is_float() => {
                back(format!("{name}_{suffix}({old}, {added})"))
            }
            ("add", [_]) => "(u64)old + (u64)x".to_owned(),
            ("min", [_]) => "old < x ? old : x".to_owned(),
            ("max", [_]) => "old > x ? old : x".to_owned(),
            ("and", [_]) => "old & x".to_owned(),
            ("or", [_]) => "old | x".to_owned(),
            ("xor", [_]) => "old ^ x".to_owned(),
            ("inc", [_]) => "old >= x ? 0 : old + 1".to_owned(),
            ("dec", [_]) => "old == 0 || old > x ? x : old - 1".to_owned(),
            _ => return unknown(),
        };
        self.line(&format!("*q = {new};"));
        if let Some(destination) = destination {
            self.assign(destination, kind, "old")?;
        }
        self.line("}");
        Ok(())
    }

    fn copy(&mut self, i: &Instruction<'_>) -> Result<(), String> {
        let parts: Vec<&str> = i.modifiers().filter(|part| !says_nothing(part)).collect();
        match (parts.as_slice(), i.operands.as_slice()) {
            (["async"], [to, from, Operand::Integer(size), rest @ ..])
                if i.is_shared() && i.has("global") =>
            {
                let wanted = match rest {
                    [] => size.to_string(),
                    [wanted] => self.value(wanted, Type::U32)?,
                    _ => return unknown(),
                };
                let (to, from, line) = (self.address(to)?, self.address(from)?, i.line);
                self.line(&format!("{{ const u64 a = {to}, g = {from};"));
                self.line(&format!(
                    "ALIGNED(a | g, {size}, {line}) INSIDE(a, {size}, {line})"
                ));
                self.line(&format!(
                    "if (!copy_begin(t->copies, shared + a, (const u8*)g, {size}, {wanted}))"
                ));
                self.line(&format!("FAULT(copies, {line}, a) }}"));
            }
            (["async", "commit_group"], []) => self.line("t->copies->group++;"),
            (["async", "wait_group"], [Operand::Integer(pending)]) => {
                self.line(&format!("copies_wait(t->copies, {pending});"));
            }
            (["async", "wait_all"], []) => self.line("copies_finish(t->copies);"),
            _ => return unknown(),
        }
        Ok(())
    }

    /// Writes `wmma.load` and `wmma.store`: each lane moves its own part of the matrix.
    fn wmma_memory(&mut self, i: &Instruction<'_>) -> Result<(), String> {
        let parts: Vec<&str> = i.modifiers().collect();
        let (load, which, rest) = match parts.as_slice() {
            [
                "load",
                which @ ("a" | "b" | "c"),
                "sync",
                "aligned",
                rest @ ..,
            ] => (true, *which, rest),
            ["store", "d", "sync", "aligned", rest @ ..] => (false, "c", rest),
            _ => return unknown(),
        };
        let [layout @ ("row" | "col"), shape, rest @ ..] = rest else {
            return unknown();
        };
        let [m, n, k] = super::matrix::sizes(shape)?;
        let (rows, columns) = match which {
            "a" => (m, k),
            "b" => (k, n),
            _ => (m, n),
        };
        if !rest
            .iter()
            .all(|part| says_nothing(part) || Type::parse(part).is_some())
        {
            return unknown();
        }
        let kind = typed(i.r#type())?;
        let (registers, address, leading) = match (load, i.operands.as_slice()) {
            (true, [registers, address, leading]) => (registers, address, leading),
            (false, [address, registers, leading]) => (registers, address, leading),
            _ => return unknown(),
        };
        let leading = self.value(leading, Type::U32)?;
        let by_rows = u32::from(*layout == "row");
        // The whole matrix must lie in shared memory; its rows begin at multiples of 16 bytes.
        let pointer = self.access(i, address, 16)?;
        let count = registers.parts().len();
        let number = if self.cooperative {
            "t->number"
        } else {
            "number"
        };
        let tail = format!(
            "{leading}, {by_rows}, {rows}, {columns}, {}, {number} & 31);",
            element(kind)?
        );
        if i.is_shared() {
            let (long, short) = if *layout == "row" {
                (rows, columns)
            } else {
                (columns, rows)
            };
            let size = kind.size();
            self.line(&format!(
                "INSIDE(a, ((u64){leading} * {} + {short}) * {size}, {})",
                long - 1,
                i.line
            ));
        }
        if load {
            self.line(&format!(
                "u32 words[{count}]; wmma_load(words, {count}, (const u8*){pointer}, {tail}"
            ));
            for (at, part) in registers.parts().iter().enumerate() {
                self.assign(part, Type::U32, &format!("words[{at}]"))?;
            }
        } else {
            let mut words = Vec::new();
            for part in registers.parts() {
                words.push(self.value(part, Type::U32)?);
            }
            self.line(&format!(
                "const u32 words[{count}] = {{{}}};",
                words.join(", ")
            ));
            self.line(&format!("wmma_store(words, (u8*){pointer}, {tail}"));
        }
        self.line("}");
        Ok(())
    }
}
