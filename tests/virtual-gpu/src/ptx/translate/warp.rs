//! What the lanes of a warp do together: shuffles, votes, reductions.

use super::{
    super::syntax::{Instruction, Operand, Register, Type},
    entry::Translation,
    typed, unknown,
};

impl Translation<'_> {
    /// Writes a stop and what is done once all lanes have come.
    pub(super) fn warp_operation(
        &mut self,
        index: usize,
        i: &Instruction<'_>,
    ) -> Result<(), String> {
        // The lanes that must come: those of the mask, all, or those that are there.
        let mask = match (i.opcode(), i.operands.as_slice()) {
            ("shfl" | "vote" | "redux" | "bar", [.., mask]) => self.value(mask, Type::U32)?,
            ("activemask", [_]) => String::from("0"),
            ("mma" | "wmma" | "ldmatrix" | "stmatrix", _) => String::from("~0u"),
            _ => return unknown(),
        };
        let at = self.stop(index, i, "WARP", &mask)?;
        self.in_lanes = true;
        self.line(&format!("case {at}: {{"));
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
            "mma" | "wmma" | "ldmatrix" | "stmatrix" => self.matrix_operation(i)?,
            _ => return unknown(),
        }
        self.line("return 0; }");
        self.in_lanes = false;
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
        self.line("u32 values[32], from[32];");
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
        self.line("}");
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
        self.line("u32 votes = 0;");
        self.line(&format!("EACH(i) votes |= (u32)!!({source}) << i;"));
        self.line("EACH(i) {");
        self.assign(destination, kind, result)?;
        self.line("}");
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
        self.line(&format!("{c} sum = 0; u32 first = 1;"));
        self.line(&format!(
            "EACH(i) {{ {c} x = {source}; sum = first ? x : {joined}; first = 0; }}"
        ));
        self.line("EACH(i) {");
        self.assign(destination, kind, "sum")?;
        self.line("}");
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
