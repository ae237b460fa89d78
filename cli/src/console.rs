//! The streams that a subcommand reads from and writes to.

use std::io::{self, BufRead, Write};

/// Input, output and errors: the terminal, or the buffers of a test.
pub struct Console<'a> {
    pub input: &'a mut dyn BufRead,
    pub out: &'a mut dyn Write,
    pub errors: &'a mut dyn Write,
    /// Whether `out` is a terminal, where text can be redrawn in place.
    pub is_terminal: bool,
}

impl Console<'_> {
    /// Writes a line.
    ///
    /// # Errors
    /// The output cannot be written.
    pub fn say(&mut self, line: &str) -> io::Result<()> {
        writeln!(self.out, "{line}")
    }

    /// Writes a line to the errors: a remark of the subcommand `name`.
    ///
    /// # Errors
    /// The stream of errors cannot be written.
    pub fn note(&mut self, name: &str, text: &str) -> io::Result<()> {
        writeln!(self.errors, "propainter {name}: {text}")
    }

    /// Asks a question and returns whether the answer is yes. Anything else counts as no, and so
    /// does the end of the input.
    ///
    /// # Errors
    /// The input cannot be read, or the output cannot be written.
    pub fn confirm(&mut self, question: &str) -> io::Result<bool> {
        write!(self.out, "{question} [y/N] ")?;
        self.out.flush()?;
        let mut answer = String::new();
        if self.input.read_line(&mut answer)? == 0 {
            writeln!(self.out)?;
        }
        let answer = answer.trim().to_lowercase();
        Ok(answer == "y" || answer == "yes")
    }
}
