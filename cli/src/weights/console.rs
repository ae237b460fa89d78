//! What the command reads from and writes to.

use std::io::{self, BufRead, Write};

/// Input, output and errors; the terminal, or a test's buffers.
pub struct Console<'a> {
    pub input: &'a mut dyn BufRead,
    pub out: &'a mut dyn Write,
    pub errors: &'a mut dyn Write,
}

impl Console<'_> {
    /// Writes a line.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn say(&mut self, line: &str) -> io::Result<()> {
        writeln!(self.out, "{line}")
    }

    /// Asks for a yes; anything else, and the end of input, is a no.
    ///
    /// # Errors
    /// When the terminal cannot be written or read.
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
