//! An entry to its C functions.

use std::{collections::HashMap, fmt::Write as _};

use super::{
    super::{
        liveness::{Liveness, Set},
        syntax::{Entry, Instruction, Operand, Register, Source, Statement, Type},
    },
    classes::{self, Class},
    layout::Layout,
    unknown,
};

/// The translation of one entry.
pub struct Translation<'s> {
    pub source: &'s Source<'s>,
    pub entry: &'s Entry<'s>,
    pub layout: Layout,
    pub classes: Vec<Class>,
    pub names: Vec<String>,
    /// True if threads wait for one another.
    pub cooperative: bool,
    /// True while a warp operation is written: registers are fields of the lanes' frames.
    pub in_lanes: bool,
    text: &'s str,
    number: usize,
    code: String,
    /// The cases of the function for warp operations.
    pub warp_code: String,
    /// What is live after each instruction at which a thread may stop.
    pub live: HashMap<usize, Set>,
    /// The registers that have a place in the frame.
    pub framed: Vec<bool>,
    stops: u32,
    sequential: bool,
    copies: bool,
    start: Vec<Register>,
}

/// Returns true if a thread stops at the instruction until others have come.
pub fn meets(instruction: &Instruction<'_>) -> bool {
    match instruction.opcode() {
        "bar" | "barrier" | "shfl" | "vote" | "activemask" | "redux" | "mma" | "ldmatrix"
        | "stmatrix" | "match" | "elect" => true,
        "wmma" => instruction.has("mma"),
        _ => false,
    }
}

/// Returns true if blocks may act on one another, so that their order must not change.
fn orders_blocks(instruction: &Instruction<'_>) -> bool {
    matches!(instruction.opcode(), "atom" | "red") && !instruction.is_shared()
}

impl<'s> Translation<'s> {
    pub fn new(
        source: &'s Source<'s>,
        entry: &'s Entry<'s>,
        text: &'s str,
        number: usize,
    ) -> Result<Self, String> {
        let fault = |error| format!("{}: {error}", entry.name);
        let liveness = Liveness::new(entry).map_err(fault)?;
        let instructions = || {
            entry.body.iter().filter_map(|statement| match statement {
                Statement::Instruction(instruction) => Some(instruction),
                Statement::Label(_) => None,
            })
        };
        let copies = instructions().any(|i| i.opcode() == "cp");
        let mut live = HashMap::new();
        liveness.after(entry, meets, |index, set| {
            live.insert(index, set.clone());
        });
        Ok(Self {
            source,
            entry,
            layout: Layout::new(source, entry),
            classes: classes::choose(entry),
            names: names(entry),
            cooperative: copies || instructions().any(meets),
            in_lanes: false,
            text,
            number,
            code: String::new(),
            warp_code: String::new(),
            live,
            framed: vec![false; entry.registers.len()],
            stops: 0,
            sequential: instructions().any(orders_blocks),
            copies,
            start: liveness.start.iter().collect(),
        })
    }

    /// Writes a line of the function.
    pub fn line(&mut self, line: &str) {
        let code = if self.in_lanes {
            &mut self.warp_code
        } else {
            &mut self.code
        };
        code.push_str(line);
        code.push('\n');
    }

    /// Writes the functions, and returns the entry's row in the table of kernels.
    pub fn write(mut self, out: &mut String) -> Result<String, String> {
        let entry = self.entry;
        let mut index = 0;
        while let Some(statement) = entry.body.get(index) {
            let mut after = index + 1;
            match statement {
                Statement::Label(name) => self.line(&format!("{}:;", label(name))),
                Statement::Instruction(i) if self.region_starts(i) => {
                    after = self.region(index)?;
                }
                Statement::Instruction(i) => {
                    self.explained(i, |this| this.instruction(index, i))?
                }
            }
            index = after;
        }
        let number = self.number;
        let locals = self.locals();
        let body = &self.code;
        let common = "u8 *const shared = b->shared; const u64 shared_size = b->shared_size;\n\
             u32 line; u64 address; u32 stop;\n";
        let end = ending("");
        let row = if self.cooperative {
            let mut fields = String::new();
            for register in (0..self.framed.len()).filter(|r| self.framed[*r]) {
                let kind = self.classes[register].c_type();
                let _ = write!(fields, "{kind} {}; ", self.names[register]);
            }
            let finish = if self.copies {
                "copies_finish(t->copies); "
            } else {
                ""
            };
            let thread_end = ending(finish);
            let warp = &self.warp_code;
            let _ = write!(
                out,
                "struct Frame{number} {{ {fields}u32 none; }};\n\
                 static u32 run{number}(struct Block *b, struct Thread *t) {{\n\
                 struct Frame{number} *const F = (void *)t->frame; u8 *const local = t->local;\n\
                 {common}{locals}\nswitch (t->at) {{ case 0:;\n{body}goto finished; }}\n{thread_end}\
                 static u32 warp{number}(struct Block *b, struct Thread *lanes, u32 active, u32 at) {{\n\
                 u8 *const frames = lanes->frame; struct Frame{number} *const f = (void *)frames;\n\
                 u8 *const shared = b->shared; const u64 shared_size = b->shared_size;\n\
                 u32 line; u64 address; u32 stop;\n\
                 switch (at) {{\n{warp}}}\n{end}",
            );
            format!("run{number}, warp{number}")
        } else {
            let local = match self.layout.local_size {
                0 => String::from("u8 *const local = 0;"),
                size => format!("u8 local[{size}] __attribute__((aligned(16)));"),
            };
            let _ = write!(
                out,
                "static inline u32 thread{number}(struct Block *b, u32 x, u32 y, u32 z, u32 number) {{\n\
                 {local}\n{common}{locals}\n{body}{end}\
                 static u32 run{number}(struct Block *b, struct Thread *t) {{\n\
                 u32 number = 0;\n\
                 for (u32 z = 0; z < b->threads[2]; z++) for (u32 y = 0; y < b->threads[1]; y++)\n\
                 for (u32 x = 0; x < b->threads[0]; x++, number++) {{\n\
                 u32 stop = thread{number}(b, x, y, z, number); if (UNLIKELY(stop)) return stop; }}\n\
                 return FINISHED;\n}}\n"
            );
            format!("run{number}, 0")
        };
        let [x, y, z] = entry.required_block;
        Ok(format!(
            "{{\"{}\", {}, {}, {}, {}, {}, {}, {}, {}, {{{x}, {y}, {z}}}, {row}}},\n",
            entry.name,
            u32::from(self.cooperative),
            u32::from(self.sequential),
            entry.parameters.len(),
            self.layout.shared_size,
            self.layout.dynamic,
            self.layout.local_size,
            if self.cooperative {
                format!("sizeof(struct Frame{number})")
            } else {
                String::from("0")
            },
            u32::from(self.copies),
        ))
    }

    /// Returns the declarations of the registers; those that are read before they are written are 0.
    fn locals(&self) -> String {
        let mut locals = String::new();
        for (register, name) in self.names.iter().enumerate() {
            let kind = self.classes[register].c_type();
            let value = if self.start.contains(&register) {
                " = 0"
            } else {
                ""
            };
            let _ = write!(locals, "{kind} {name}{value}; ");
        }
        locals
    }

    /// Does something, and adds the kernel and the instruction to its error.
    pub fn explained(
        &mut self,
        instruction: &Instruction<'_>,
        act: impl FnOnce(&mut Self) -> Result<(), String>,
    ) -> Result<(), String> {
        act(self).map_err(|error| {
            let line = instruction.line as usize;
            let text = self.text.lines().nth(line.saturating_sub(1)).unwrap_or("");
            format!("{}: line {line}: {error}: {}", self.entry.name, text.trim())
        })
    }

    pub fn instruction(&mut self, index: usize, i: &Instruction<'_>) -> Result<(), String> {
        let guard = i.guard.map(|(register, negated)| {
            let not = if negated { "!" } else { "" };
            format!("if ({not}{}) {{", self.register(register))
        });
        if let Some(guard) = &guard {
            self.line(guard);
        }
        let names = i.operands.as_slice();
        match (i.opcode(), names) {
            ("ret" | "exit", []) => self.line("goto finished;"),
            ("trap", []) => self.line(&format!("FAULT(trap, {}, 0)", i.line)),
            ("bra", [Operand::Symbol(name, _)]) => self.line(&format!("goto {};", label(name))),
            ("brx", [at, Operand::Symbol(name, _)]) => {
                let at = self.value(at, Type::U32)?;
                let targets = self.entry.branch_targets.iter();
                let targets = targets.clone().find(|(list, _)| list == name);
                let mut cases = String::new();
                for (case, target) in targets.iter().flat_map(|list| &list.1).enumerate() {
                    let _ = write!(cases, "case {case}: goto {}; ", label(target));
                }
                self.line(&format!("switch ({at}) {{ {cases}}}"));
            }
            // Blocks run one after the other on what memory holds: nothing to wait for.
            (
                "membar" | "fence" | "prefetch" | "prefetchu" | "discard" | "griddepcontrol"
                | "nanosleep",
                _,
            ) => {}
            ("bar" | "barrier", _) if !i.has("warp") => self.barrier(index, i)?,
            _ if meets(i) => self.region_of(index..=index)?,
            ("ld" | "ldu" | "st" | "atom" | "red" | "cp" | "wmma" | "cvta" | "isspacep", _) => {
                self.memory(i)?;
            }
            ("mov" | "cvt", _) => self.convert(i)?,
            _ => self.arithmetic(i)?,
        }
        if guard.is_some() {
            self.line("}");
        }
        Ok(())
    }

    fn barrier(&mut self, index: usize, i: &Instruction<'_>) -> Result<(), String> {
        let known = |part| matches!(part, "sync" | "aligned" | "cta");
        let zero = matches!(i.operands.as_slice(), [Operand::Integer(0)]);
        if !zero || !i.modifiers().all(known) {
            return unknown();
        }
        let live: Vec<Register> = self.live[&index].iter().collect();
        self.stop(&live, &live, "BARRIER", "0");
        Ok(())
    }

    /// Writes a stop: registers go to the frame, and some come back from it. Returns the number of
    /// the stop.
    pub fn stop(&mut self, saved: &[Register], loaded: &[Register], why: &str, mask: &str) -> u32 {
        self.stops += 1;
        let at = self.stops;
        let mut code = String::new();
        for &register in saved {
            let name = &self.names[register];
            let _ = write!(code, "F->{name} = {name}; ");
        }
        let _ = write!(
            code,
            "t->at = {at}; t->mask = {mask}; return {why}; case {at}:;"
        );
        for &register in loaded {
            let name = &self.names[register];
            let _ = write!(code, " {name} = F->{name};");
        }
        for &register in saved.iter().chain(loaded) {
            self.framed[register] = true;
        }
        self.line(&code);
        at
    }
}

/// Returns the end of a function: what it does when all went well, and how it tells a fault.
fn ending(finish: &str) -> String {
    format!(
        "finished: {finish}return FINISHED;\n\
         misaligned: stop = MISALIGNED; goto fault;\n\
         outside: stop = OUTSIDE; goto fault;\n\
         trap: stop = TRAP; goto fault;\n\
         copies: stop = COPIES;\n\
         fault: b->line = line; b->address = address; return stop;\n}}\n"
    )
}

/// Returns the C label for one of PTX.
fn label(name: &str) -> String {
    format!(
        "L{}",
        name.replace(|c: char| !c.is_ascii_alphanumeric(), "_")
    )
}

/// Returns a C name for each register.
fn names(entry: &Entry<'_>) -> Vec<String> {
    let mut seen = HashMap::new();
    let registers = entry.registers.iter().enumerate();
    registers
        .map(|(index, register)| {
            let name = register
                .name
                .replace(|c: char| !c.is_ascii_alphanumeric(), "");
            match seen.insert(name.clone(), index) {
                None => format!("{name}_"),
                Some(_) => format!("{name}_{index}"),
            }
        })
        .collect()
}
