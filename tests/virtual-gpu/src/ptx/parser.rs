//! Tokens to a module: its variables and entries.

use super::{
    body,
    cursor::Cursor,
    lexer::Kind,
    syntax::{Entry, Source},
};

/// Reads a module.
///
/// # Errors
///
/// Returns the line and what stands there if it is not PTX, or not yet known here.
pub fn parse(text: &str) -> Result<Source<'_>, String> {
    let mut cursor = Cursor::new(text)?;
    let mut source = Source::default();
    while cursor.peek().is_some() {
        cursor.directive(&mut source)?;
    }
    Ok(source)
}

impl<'a> Cursor<'a> {
    fn directive(&mut self, source: &mut Source<'a>) -> Result<(), String> {
        let line = self.line();
        match self.word()? {
            // `8.0` is two tokens.
            ".version" => self.at += 2,
            ".address_size" => self.at += 1,
            ".target" => {
                self.word()?;
                while self.take(',') {
                    self.word()?;
                }
            }
            // Debug information: a file's number and name, a section's content.
            ".file" => {
                while self.line() == line && self.peek().is_some() {
                    self.at += 1;
                }
            }
            ".section" => {
                self.word()?;
                self.skip_block()?;
            }
            ".visible" | ".extern" | ".weak" | ".common" => {}
            ".entry" => source.entries.push(self.entry()?),
            // A function is known when something calls it, which is an error until then.
            ".func" => loop {
                match self.peek() {
                    Some(Kind::Mark('{')) => return self.skip_block(),
                    Some(Kind::Mark(';')) => {
                        self.at += 1;
                        return Ok(());
                    }
                    Some(_) => self.at += 1,
                    None => return Err(self.unexpected("a function")),
                }
            },
            space @ (".global" | ".const" | ".shared") => {
                let variable = self.variable(space)?;
                source.variables.extend(variable);
            }
            other => return Err(format!("line {line}: unknown directive {other}")),
        }
        Ok(())
    }

    fn entry(&mut self) -> Result<Entry<'a>, String> {
        let mut entry = Entry {
            name: self.word()?,
            ..Entry::default()
        };
        if self.take('(') {
            while !self.take(')') {
                entry.parameters.push(self.parameter()?);
                self.take(',');
            }
        }
        while self.peek() != Some(Kind::Mark('{')) {
            match self.next()? {
                Kind::Word(".reqntid") => {
                    let mut block = [1; 3];
                    for (axis, size) in block.iter_mut().enumerate() {
                        if axis == 0 || self.take(',') {
                            *size = self.integer()? as u32;
                        }
                    }
                    entry.required_block = block;
                }
                Kind::Mark(';') => return Err(self.unexpected("a body")),
                _ => {}
            }
        }
        body::read(self, &mut entry)?;
        Ok(entry)
    }

    /// Reads one parameter and returns its name, the last word before its size.
    fn parameter(&mut self) -> Result<&'a str, String> {
        let mut name = "";
        loop {
            match self.peek() {
                Some(Kind::Word(word)) => name = word,
                Some(Kind::Mark(',' | ')')) => return Ok(name),
                None => return Err(self.unexpected("a parameter")),
                _ => {}
            }
            self.at += 1;
        }
    }
}
