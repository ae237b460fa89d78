//! Matrix instructions: `mma.sync`, `wmma.mma`, `ldmatrix`, `stmatrix`.

use super::{
    super::syntax::{Instruction, Operand, Type},
    entry::Translation,
    unknown,
};

/// Returns the sizes in a name such as `m16n8k16`.
pub fn sizes(name: &str) -> Result<[u32; 3], String> {
    let mut numbers = name.split(|c: char| !c.is_ascii_digit()).skip(1);
    let mut next = || numbers.next().and_then(|number| number.parse().ok());
    match (next(), next(), next()) {
        (Some(m), Some(n), Some(k)) => Ok([m, n, k]),
        _ => unknown(),
    }
}

/// Returns the name that `matrix.h` gives a type of elements.
pub fn element(kind: Type) -> Result<&'static str, String> {
    Ok(match kind {
        Type::F16 => "F16",
        Type::Bf16 => "BF16",
        Type::Tf32 => "TF32",
        Type::F32 => "F32",
        Type::S8 => "S8",
        Type::U8 => "U8",
        Type::S32 => "S32",
        _ => return unknown(),
    })
}

impl Translation<'_> {
    pub(super) fn matrix_operation(&mut self, i: &Instruction<'_>) -> Result<(), String> {
        match i.opcode() {
            "ldmatrix" | "stmatrix" => self.tiles(i),
            _ => self.multiply(i),
        }
    }

    /// Returns a C array of the places of a fragment's registers.
    fn slots(&self, fragment: &Operand<'_>) -> Result<String, String> {
        let mut slots = Vec::new();
        for part in fragment.parts() {
            let Operand::Register(register) = part else {
                return Err("a fragment of constants: unknown instruction".to_owned());
            };
            slots.push(self.slot(*register));
        }
        Ok(format!("(const u32[]){{{}}}", slots.join(", ")))
    }

    fn multiply(&mut self, i: &Instruction<'_>) -> Result<(), String> {
        let parts: Vec<&str> = i.modifiers().collect();
        let [d, a, b, c] = i.operands.as_slice() else {
            return unknown();
        };
        let registers = [d, a, b, c].map(|fragment| fragment.parts().len() as u32);
        let types = i.types();
        let slots = [d, a, b, c].map(|fragment| self.slots(fragment));
        let [d, a, b, c] = slots;
        let slots = format!("{}, {}, {}, {}", d?, a?, b?, c?);
        let call = match (parts.as_slice(), types.as_slice()) {
            (["sync", "aligned", shape, "row", "col", _, _, _, _], [of_d, of_a, of_b, of_c])
                if i.opcode() == "mma" =>
            {
                let [m, n, k] = sizes(shape)?;
                let in_word = 4 / of_a.size();
                let sums = 4 / (4 / of_d.size());
                let wanted = [sums, 2 * k / (4 * in_word), k / (4 * in_word), sums];
                let known = match (of_d, of_a, of_b) {
                    (Type::F32, Type::F16 | Type::Bf16 | Type::Tf32, b) => of_a == b,
                    (Type::F16, Type::F16, Type::F16) => true,
                    (Type::S32, Type::S8 | Type::U8, Type::S8 | Type::U8) => true,
                    _ => false,
                };
                if [m, n] != [16, 8] || !known || of_c != of_d || registers != wanted {
                    return unknown();
                }
                format!(
                    "mma_m16n8(frames, sizeof *f, {k}, {}, {}, {}, {slots});",
                    element(*of_a)?,
                    element(*of_b)?,
                    element(*of_d)?
                )
            }
            (
                [
                    "mma",
                    "sync",
                    "aligned",
                    "row" | "col",
                    "row" | "col",
                    shape,
                    ..,
                ],
                types,
            ) if i.opcode() == "wmma" => {
                let [m, n, k] = sizes(shape)?;
                let (of_d, of_a, of_c) = match types {
                    // Without types of A and B they are halves.
                    [of_d, of_c] => (*of_d, Type::F16, *of_c),
                    [of_d, of_a, of_b, of_c] if of_a == of_b => (*of_d, *of_a, *of_c),
                    _ => return unknown(),
                };
                let known = matches!(of_a, Type::F16 | Type::Bf16 | Type::Tf32)
                    && parts.len() == 6 + types.len();
                if !known {
                    return unknown();
                }
                format!(
                    "wmma_mma(frames, sizeof *f, {m}, {n}, {k}, {}, {}, {}, {slots});",
                    element(of_a)?,
                    element(of_c)?,
                    element(of_d)?
                )
            }
            _ => return unknown(),
        };
        self.line(&format!("if (active != ~0u) FAULT(trap, {}, 0)", i.line));
        self.line(&call);
        Ok(())
    }

    fn tiles(&mut self, i: &Instruction<'_>) -> Result<(), String> {
        let parts: Vec<&str> = i.modifiers().collect();
        let [
            "sync",
            "aligned",
            "m8n8",
            count @ ("x1" | "x2" | "x4"),
            rest @ ..,
        ] = parts.as_slice()
        else {
            return unknown();
        };
        let transposed = match rest {
            ["trans", "shared" | "shared::cta", "b16"] => 1,
            ["shared" | "shared::cta", "b16"] => 0,
            _ => return unknown(),
        };
        let (registers, address) = match (i.opcode(), i.operands.as_slice()) {
            ("ldmatrix", [registers, address]) => (registers, address),
            ("stmatrix", [address, registers]) => (registers, address),
            _ => return unknown(),
        };
        let count: usize = count[1..].parse().map_err(|_| "unknown instruction")?;
        if registers.parts().len() != count {
            return unknown();
        }
        let (address, line, slots) = (self.address(address)?, i.line, self.slots(registers)?);
        self.line(&format!("if (active != ~0u) FAULT(trap, {line}, 0)"));
        self.line("u64 rows[32];");
        self.line(&format!("for (u32 i = 0; i < 8 * {count}; i++) {{"));
        self.line(&format!("const u64 a = {address}; rows[i] = a;"));
        self.line(&format!("ALIGNED(a, 16, {line}) INSIDE(a, 16, {line}) }}"));
        let name = i.opcode();
        self.line(&format!(
            "{name}(frames, sizeof *f, {count}, {transposed}, shared, rows, {slots});"
        ));
        Ok(())
    }
}
