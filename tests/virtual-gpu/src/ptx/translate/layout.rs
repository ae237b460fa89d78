//! Where shared and local variables lie.

use std::collections::{HashMap, HashSet};

use super::super::syntax::{Entry, Operand, Source, Space, Statement, Variable};

/// The places of an entry's variables, in bytes from the start of their memory.
#[derive(Default)]
pub struct Layout {
    pub shared: HashMap<String, u32>,
    pub shared_size: u32,
    /// What the launch adds starts here.
    pub dynamic: u32,
    pub local: HashMap<String, u32>,
    pub local_size: u32,
}

/// Where memory that the launch adds starts: a multiple of this.
const DYNAMIC_ALIGN: u32 = 128;

impl Layout {
    /// Places the variables of the entry, and those of the module that it names.
    pub fn new(source: &Source<'_>, entry: &Entry<'_>) -> Self {
        let named = names(entry);
        let outer = source.variables.iter();
        let used = outer.filter(|v| v.space == Space::Shared && named.contains(v.name));
        let variables: Vec<&Variable<'_>> = used.chain(&entry.variables).collect();
        let mut layout = Self::default();
        for variable in &variables {
            if variable.count.is_none() {
                continue;
            }
            let (places, size) = match variable.space {
                Space::Shared => (&mut layout.shared, &mut layout.shared_size),
                _ => (&mut layout.local, &mut layout.local_size),
            };
            let place = size.next_multiple_of(variable.align.max(1));
            places.insert(variable.name.to_owned(), place);
            *size = place + variable.size();
        }
        layout.dynamic = layout.shared_size.next_multiple_of(DYNAMIC_ALIGN);
        for variable in variables.iter().filter(|v| v.count.is_none()) {
            let place = layout.dynamic;
            layout.shared.insert(variable.name.to_owned(), place);
        }
        layout
    }
}

fn names<'a>(entry: &Entry<'a>) -> HashSet<&'a str> {
    fn visit<'a>(operand: &Operand<'a>, names: &mut HashSet<&'a str>) {
        match operand {
            Operand::Symbol(name, _) => {
                names.insert(name);
            }
            Operand::Address(inner, _) | Operand::Not(inner) => visit(inner, names),
            Operand::Vector(parts) => parts.iter().for_each(|part| visit(part, names)),
            _ => {}
        }
    }
    let mut names = HashSet::new();
    for statement in &entry.body {
        if let Statement::Instruction(instruction) = statement {
            for operand in &instruction.operands {
                visit(operand, &mut names);
            }
        }
    }
    names
}
