//! A PTX module to C.
//!
//! A kernel whose threads never meet becomes a function that runs the threads of a block one after
//! the other. Otherwise it becomes a function that runs one thread up to its next barrier or warp
//! operation: there it stores the registers that are still wanted in the thread's frame, and goes on
//! from the frame when it is called again. A second function does the warp operations on the
//! frames of a warp.

mod arithmetic;
mod classes;
mod compare;
mod convert;
mod entry;
mod layout;
mod matrix;
mod memory;
mod operands;
mod warp;

use std::fmt::Write as _;

use super::syntax::{Operand, Source, Space, Type};
use entry::Translation;

const NUMBERS: &str = include_str!("../runtime/numbers.h");
const STATE: &str = include_str!("../runtime/state.h");
const WARP: &str = include_str!("../runtime/warp.h");
const MATRIX: &str = include_str!("../runtime/matrix.h");

/// The C that every module's translation begins with, or may.
pub const RUNTIME: [&str; 4] = [NUMBERS, STATE, WARP, MATRIX];

/// Translates a module to one C file.
///
/// # Errors
///
/// Returns the kernel, the line and the instruction that is not known here.
pub fn module(source: &Source<'_>, text: &str) -> Result<String, String> {
    let mut out = String::new();
    for part in [NUMBERS, STATE, WARP] {
        out += part;
    }
    let matrices = ["wmma.", "mma.sync", "ldmatrix", "stmatrix"];
    if matrices.iter().any(|name| text.contains(name)) {
        out += MATRIX;
    }
    variables(source, &mut out)?;
    let mut table = String::new();
    for (number, entry) in source.entries.iter().enumerate() {
        let translation = Translation::new(source, entry, text, number)?;
        let row = translation.write(&mut out)?;
        table += &row;
    }
    let _ = writeln!(out, "const struct Kernel ptx_kernels[] = {{\n{table}}};");
    let count = source.entries.len();
    let _ = writeln!(out, "const u32 ptx_kernel_count = {count};");
    Ok(out)
}

/// Returns the C name of a variable of the module.
fn global_name(name: &str) -> String {
    format!(
        "global_{}",
        name.replace(|c: char| !c.is_ascii_alphanumeric(), "_")
    )
}

/// Writes the variables in global and constant memory.
fn variables(source: &Source<'_>, out: &mut String) -> Result<(), String> {
    for variable in &source.variables {
        if !matches!(variable.space, Space::Global | Space::Constant) {
            continue;
        }
        let kind = operands::c_type(variable.r#type.bits());
        let mut values = Vec::new();
        for value in &variable.values {
            values.push(match value {
                Operand::Integer(value) => format!("({kind}){value}"),
                Operand::Single(bits) => format!("{bits:#x}u"),
                Operand::Double(bits) => format!("{bits:#x}ull"),
                Operand::Symbol(name, _) if variable.r#type.size() == 8 => {
                    format!("(u64){}", global_name(name))
                }
                other => return Err(format!("{}: unknown value {other:?}", variable.name)),
            });
        }
        if values.is_empty() {
            values.push("0".to_owned());
        }
        let _ = writeln!(
            out,
            "static {kind} {}[{}] __attribute__((aligned({}))) = {{{}}};",
            global_name(variable.name),
            variable.count.unwrap_or(1).max(1),
            variable.align.max(1),
            values.join(",")
        );
    }
    Ok(())
}

/// Returns the error for an instruction that is not known.
fn unknown<T>() -> Result<T, String> {
    Err("unknown instruction".to_owned())
}

/// Returns the type, or the error for an instruction without one.
fn typed(kind: Option<Type>) -> Result<Type, String> {
    kind.ok_or_else(|| "unknown instruction".to_owned())
}
