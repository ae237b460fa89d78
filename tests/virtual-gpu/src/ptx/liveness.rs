//! Which registers hold a value that is still wanted, before and after each instruction.

use std::collections::HashMap;

use super::syntax::{Entry, Instruction, Operand, Register, Statement};

/// A set of registers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Set(Vec<u64>);

impl Set {
    fn new(registers: usize) -> Self {
        Self(vec![0; registers.div_ceil(64)])
    }

    fn insert(&mut self, register: Register) {
        self.0[register / 64] |= 1 << (register % 64);
    }

    fn remove(&mut self, register: Register) {
        self.0[register / 64] &= !(1 << (register % 64));
    }

    /// Returns true if the register is in the set.
    pub fn contains(&self, register: Register) -> bool {
        self.0[register / 64] >> (register % 64) & 1 == 1
    }

    /// Adds another set; returns true if that changed anything.
    fn add(&mut self, other: &Self) -> bool {
        let mut changed = false;
        for (word, more) in self.0.iter_mut().zip(&other.0) {
            changed |= *more & !*word != 0;
            *word |= more;
        }
        changed
    }

    /// Returns the registers in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = Register> + '_ {
        self.0.iter().enumerate().flat_map(|(index, &word)| {
            (0..64)
                .filter(move |bit| word >> bit & 1 == 1)
                .map(move |bit| index * 64 + bit)
        })
    }
}

/// Opcodes whose first operand is not written.
const WITHOUT_RESULT: [&str; 19] = [
    "st",
    "red",
    "bar",
    "barrier",
    "bra",
    "brx",
    "ret",
    "exit",
    "trap",
    "membar",
    "fence",
    "cp",
    "prefetch",
    "prefetchu",
    "nanosleep",
    "stmatrix",
    "call",
    "discard",
    "griddepcontrol",
];

/// Calls `visit` with each register that the instruction writes.
pub fn written(instruction: &Instruction<'_>, mut visit: impl FnMut(Register)) {
    if has_result(instruction) {
        for operand in instruction.operands.iter().take(1) {
            operand.registers(&mut visit);
        }
    }
}

/// Calls `visit` with each register that the instruction reads.
pub fn read(instruction: &Instruction<'_>, mut visit: impl FnMut(Register)) {
    if let Some((guard, _)) = instruction.guard {
        visit(guard);
    }
    let skipped = usize::from(has_result(instruction));
    for operand in &instruction.operands[skipped.min(instruction.operands.len())..] {
        operand.registers(&mut visit);
    }
}

fn has_result(instruction: &Instruction<'_>) -> bool {
    !WITHOUT_RESULT.contains(&instruction.opcode()) && !instruction.name.starts_with("wmma.store")
}

/// Instructions without a jump into their midst, and where the last leads.
struct Block {
    start: usize,
    end: usize,
    next: Vec<usize>,
}

/// What is live in an entry.
pub struct Liveness {
    blocks: Vec<Block>,
    /// The registers live at the end of each block.
    ends: Vec<Set>,
    /// The registers live before the first instruction: read before they are written.
    pub start: Set,
}

impl Liveness {
    /// Follows the values through an entry.
    ///
    /// # Errors
    ///
    /// Returns the name of a label that is not there.
    pub fn new(entry: &Entry<'_>) -> Result<Self, String> {
        let blocks = blocks(entry)?;
        let empty = Set::new(entry.registers.len());
        let (mut gen_sets, mut kills) = (Vec::new(), Vec::new());
        for block in &blocks {
            let (mut used, mut kill) = (empty.clone(), empty.clone());
            for statement in &entry.body[block.start..block.end] {
                let Statement::Instruction(instruction) = statement else {
                    continue;
                };
                read(instruction, |register| {
                    if !kill.contains(register) {
                        used.insert(register);
                    }
                });
                if instruction.guard.is_none() {
                    written(instruction, |register| kill.insert(register));
                }
            }
            gen_sets.push(used);
            kills.push(kill);
        }
        let mut starts = gen_sets.clone();
        let mut ends = vec![empty.clone(); blocks.len()];
        let mut changed = true;
        while changed {
            changed = false;
            for (index, block) in blocks.iter().enumerate().rev() {
                let mut grown = false;
                for &next in &block.next {
                    grown |= ends[index].add(&starts[next]);
                }
                if grown {
                    changed = true;
                    let mut through = ends[index].clone();
                    for (word, kill) in through.0.iter_mut().zip(&kills[index].0) {
                        *word &= !kill;
                    }
                    starts[index].add(&through);
                }
            }
        }
        let start = starts.first().cloned().unwrap_or(empty);
        Ok(Self {
            blocks,
            ends,
            start,
        })
    }

    /// Calls `visit` with the number of each statement that `wanted` accepts and with what is live
    /// after it.
    pub fn after(
        &self,
        entry: &Entry<'_>,
        wanted: impl Fn(&Instruction<'_>) -> bool,
        mut visit: impl FnMut(usize, &Set),
    ) {
        for (block, end) in self.blocks.iter().zip(&self.ends) {
            let mut live = end.clone();
            for index in (block.start..block.end).rev() {
                let Statement::Instruction(instruction) = &entry.body[index] else {
                    continue;
                };
                if wanted(instruction) {
                    visit(index, &live);
                }
                if instruction.guard.is_none() {
                    written(instruction, |register| live.remove(register));
                }
                read(instruction, |register| live.insert(register));
            }
        }
    }
}

fn blocks(entry: &Entry<'_>) -> Result<Vec<Block>, String> {
    let mut starts = vec![0];
    for (index, statement) in entry.body.iter().enumerate() {
        match statement {
            Statement::Label(_) => starts.push(index),
            Statement::Instruction(instruction) => {
                if matches!(
                    instruction.opcode(),
                    "bra" | "brx" | "ret" | "exit" | "trap"
                ) {
                    starts.push(index + 1);
                }
            }
        }
    }
    starts.sort_unstable();
    starts.dedup();
    let mut labels = HashMap::new();
    for (block, &start) in starts.iter().enumerate() {
        if let Some(Statement::Label(name)) = entry.body.get(start) {
            labels.insert(*name, block);
        }
    }
    let find = |name: &str| {
        let block = labels.get(name).copied();
        block.ok_or_else(|| format!("unknown label {name}"))
    };
    let mut out = Vec::with_capacity(starts.len());
    for (block, &start) in starts.iter().enumerate() {
        let end = starts.get(block + 1).copied().unwrap_or(entry.body.len());
        let mut next = Vec::new();
        let mut falls = block + 1 < starts.len();
        if let Some(Statement::Instruction(last)) = entry.body[start..end].last() {
            let leaves = last.guard.is_none();
            match (last.opcode(), last.operands.as_slice()) {
                ("bra", [Operand::Symbol(name, _)]) => {
                    next.push(find(name)?);
                    falls &= !leaves;
                }
                ("brx", [_, Operand::Symbol(name, _)]) => {
                    let targets = entry.branch_targets.iter().find(|(list, _)| list == name);
                    let targets = targets.ok_or_else(|| format!("unknown targets {name}"))?;
                    for target in &targets.1 {
                        next.push(find(target)?);
                    }
                    falls &= !leaves;
                }
                ("ret" | "exit" | "trap", _) => falls &= !leaves,
                _ => {}
            }
        }
        if falls {
            next.push(block + 1);
        }
        out.push(Block { start, end, next });
    }
    Ok(out)
}
