//! What the lanes of a warp do together: shuffles, votes, reductions.

use std::ops::RangeInclusive;

use super::{
    super::{
        liveness,
        syntax::{Instruction, Operand, Register, Statement, Type},
    },
    entry::{self, Translation},
    typed, unknown,
};

/// The most instructions between two warp operations that are done for all lanes in one stop: it
/// costs as much to store and load the registers of a thread.
const GAP: usize = 24;

impl Translation<'_> {
    /// Returns true if a warp operation begins here that may be followed by others in the same stop.
    pub(super) fn region_starts(&self, i: &Instruction<'_>) -> bool {
        is_warp_operation(i) && i.guard.is_none()
    }

    /// Writes a stop at `first`, and the warp operations that follow closely and wait for the same
    /// lanes, with all that lies between them. Returns the first statement after them.
    pub(super) fn region(&mut self, first: usize) -> Result<usize, String> {
        let body = &self.entry.body;
        let Statement::Instruction(i) = &body[first] else {
            return unknown();
        };
        // A register may hold another mask by the next operation.
        let wanted = mask(i).filter(|mask| !matches!(mask, Operand::Register(_)));
        let (mut last, mut at) = (first, first + 1);
        while let Some(Statement::Instruction(i)) = body.get(at)
            && at - last <= GAP
        {
            match i.opcode() {
                "bra" | "brx" | "ret" | "exit" | "trap" | "cp" => break,
                "bar" | "barrier" if !i.has("warp") => break,
                _ if !is_warp_operation(i) => {}
                _ if i.guard.is_none() && wanted.is_some() && mask(i) == wanted => last = at,
                _ => break,
            }
            at += 1;
        }
        self.region_of(first..=last)?;
        Ok(last + 1)
    }

    /// Writes a stop and what is done for all lanes once they have come.
    pub(super) fn region_of(&mut self, region: RangeInclusive<usize>) -> Result<(), String> {
        let entry = self.entry;
        let instructions = entry.body[region.clone()].iter().filter_map(|s| match s {
            Statement::Instruction(instruction) => Some(instruction),
            Statement::Label(_) => None,
        });
        let after: Vec<Register> = self.live[region.end()].iter().collect();
        // What is read before it is written, and what is still wanted and perhaps not written.
        let (mut read, mut written) = (Vec::new(), vec![false; entry.registers.len()]);
        for i in instructions.clone() {
            liveness::read(i, |register| {
                self.framed[register] = true;
                if !written[register] {
                    read.push(register);
                }
            });
            liveness::written(i, |register| {
                self.framed[register] = true;
                if i.guard.is_none() {
                    written[register] = true;
                }
            });
        }
        read.extend(after.iter().filter(|register| !written[**register]));
        read.sort_unstable();
        read.dedup();
        let Statement::Instruction(first) = &entry.body[*region.start()] else {
            return unknown();
        };
        let mask = match mask(first) {
            Some(Operand::Integer(-1)) => String::from("~0u"),
            Some(Operand::Sink) => String::from("0"),
            Some(mask) => self.value(mask, Type::U32)?,
            None => return unknown(),
        };
        let at = self.stop(&read, &after, "WARP", &mask);
        self.in_lanes = true;
        self.line(&format!("case {at}: {{"));
        let mut each = false;
        for (offset, i) in instructions.enumerate() {
            let together = is_warp_operation(i);
            if each == together {
                let line =
                    "EACH(i) { struct Thread *const t = lanes + i; u8 *const local = t->local;";
                self.line(if together { "}" } else { line });
                each = !each;
            }
            self.explained(i, |this| match together {
                true => this.warp_operation(i),
                false => this.instruction(region.start() + offset, i),
            })?;
        }
        self.line("return 0; }");
        self.in_lanes = false;
        Ok(())
    }

    fn warp_operation(&mut self, i: &Instruction<'_>) -> Result<(), String> {
        match i.opcode() {
            "shfl" => self.shuffle(i)?,
            "vote" => self.vote(i)?,
            "redux" => self.reduce(i)?,
            "activemask" => {
                self.line("EACH(i) {");
                self.assign(&i.operands[0], Type::U32, "active")?;
                self.line("}");
            }
            // The lanes have met: that is all.
            "bar" if i.name == "bar.warp.sync" => {}
            "mma" | "wmma" | "ldmatrix" | "stmatrix" => {
                self.line("{");
                self.matrix_operation(i)?;
                self.line("}");
            }
            _ => return unknown(),
        }
        Ok(())
    }

    fn shuffle(&mut self, i: &Instruction<'_>) -> Result<(), String> {
        let parts: Vec<&str> = i.modifiers().collect();
        let (["sync", mode, "b32"], [destination, source, by, limit, _]) =
            (parts.as_slice(), i.operands.as_slice())
        else {
            return unknown();
        };
        if !matches!(*mode, "up" | "down" | "bfly" | "idx") {
            return unknown();
        }
        let source = self.value(source, Type::U32)?;
        let by = self.value(by, Type::U32)?;
        let limit = self.value(limit, Type::U32)?;
        self.line("{ u32 values[32], from[32];");
        self.line(&format!("EACH(i) {{ values[i] = {source};"));
        self.line(&format!("from[i] = shuffle_{mode}(i, {by}, {limit}); }}"));
        self.line("EACH(i) {");
        // A lane that isn't there gives a value that nothing may depend on.
        self.line("u32 lane = from[i] > 31 ? i : from[i];");
        self.line("u32 value = active >> lane & 1 ? values[lane] : ~0u;");
        match destination {
            Operand::Pair(value, inside) => {
                self.assign(value, Type::U32, "value")?;
                self.assign(inside, Type::Pred, "from[i] < 32")?;
            }
            value => self.assign(value, Type::U32, "value")?,
        }
        self.line("} }");
        Ok(())
    }

    fn vote(&mut self, i: &Instruction<'_>) -> Result<(), String> {
        let parts: Vec<&str> = i.modifiers().collect();
        let (["sync", mode, kind @ ("b32" | "pred")], [destination, source, _]) =
            (parts.as_slice(), i.operands.as_slice())
        else {
            return unknown();
        };
        let source = self.value(source, Type::Pred)?;
        let (kind, result) = match (*mode, *kind) {
            ("ballot", "b32") => (Type::U32, "votes"),
            ("all", "pred") => (Type::Pred, "votes == active"),
            ("any", "pred") => (Type::Pred, "votes != 0"),
            ("uni", "pred") => (Type::Pred, "votes == 0 || votes == active"),
            _ => return unknown(),
        };
        self.line("{ u32 votes = 0;");
        self.line(&format!("EACH(i) votes |= (u32)!!({source}) << i;"));
        self.line("EACH(i) {");
        self.assign(destination, kind, result)?;
        self.line("} }");
        Ok(())
    }

    fn reduce(&mut self, i: &Instruction<'_>) -> Result<(), String> {
        let parts: Vec<&str> = i.modifiers().collect();
        let (["sync", mode, _], [destination, source, _]) =
            (parts.as_slice(), i.operands.as_slice())
        else {
            return unknown();
        };
        let kind = typed(i.r#type())?;
        let source = self.value(source, kind)?;
        let c = super::operands::c_type(kind);
        let joined = match *mode {
            "add" => "(u32)sum + (u32)x",
            "min" => "x < sum ? x : sum",
            "max" => "x > sum ? x : sum",
            "and" => "sum & x",
            "or" => "sum | x",
            "xor" => "sum ^ x",
            _ => return unknown(),
        };
        if !matches!(kind, Type::U32 | Type::S32 | Type::B32) {
            return unknown();
        }
        self.line(&format!("{{ {c} sum = 0; u32 first = 1;"));
        self.line(&format!(
            "EACH(i) {{ {c} x = {source}; sum = first ? x : {joined}; first = 0; }}"
        ));
        self.line("EACH(i) {");
        self.assign(destination, kind, "sum")?;
        self.line("} }");
        Ok(())
    }

    /// Returns a register's place in the frame, in bytes.
    pub(super) fn slot(&self, register: Register) -> String {
        format!(
            "__builtin_offsetof(__typeof__(*f), {})",
            self.names[register]
        )
    }
}

/// Returns true if the lanes of a warp do this together.
fn is_warp_operation(i: &Instruction<'_>) -> bool {
    entry::meets(i) && (i.has("warp") || !matches!(i.opcode(), "bar" | "barrier"))
}

/// Returns the mask of the lanes that must come: a number stands for all of them, a sink for those that
/// are there.
fn mask<'i, 'a>(i: &'i Instruction<'a>) -> Option<&'i Operand<'a>> {
    const ALL: &Operand<'static> = &Operand::Integer(-1);
    const THERE: &Operand<'static> = &Operand::Sink;
    match (i.opcode(), i.operands.as_slice()) {
        ("activemask", [_]) => Some(THERE),
        ("mma" | "wmma" | "ldmatrix" | "stmatrix", _) => Some(ALL),
        (_, [.., Operand::Integer(-1 | 0xffff_ffff)]) => Some(ALL),
        (_, [.., mask @ (Operand::Integer(_) | Operand::Register(_))]) => Some(mask),
        _ => None,
    }
}
