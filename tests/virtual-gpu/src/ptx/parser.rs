//! Tokens to a module: its variables and entries.

use super::{
    body,
    lexer::{Kind, Token, tokens},
    syntax::{Entry, Operand, Source, Space, Type, Variable},
};

/// Reads a module.
///
/// # Errors
///
/// Returns the line and what stands there if it is not PTX, or not yet known here.
pub fn parse(text: &str) -> Result<Source<'_>, String> {
    let mut parser = Parser {
        tokens: tokens(text)?,
        at: 0,
    };
    let mut source = Source::default();
    while parser.peek().is_some() {
        parser.directive(&mut source)?;
    }
    Ok(source)
}

/// The tokens and the place reached.
pub struct Parser<'a> {
    tokens: Vec<Token<'a>>,
    at: usize,
}

impl<'a> Parser<'a> {
    pub fn peek(&self) -> Option<Kind<'a>> {
        self.tokens.get(self.at).map(|token| token.kind)
    }

    pub fn line(&self) -> u32 {
        let token = self.tokens.get(self.at).or(self.tokens.last());
        token.map_or(0, |token| token.line)
    }

    pub fn next(&mut self) -> Result<Kind<'a>, String> {
        let kind = self.peek().ok_or("the text ends too early")?;
        self.at += 1;
        Ok(kind)
    }

    /// Passes the next token if it is this mark.
    pub fn take(&mut self, mark: char) -> bool {
        let there = self.peek() == Some(Kind::Mark(mark));
        self.at += usize::from(there);
        there
    }

    pub fn expect(&mut self, mark: char) -> Result<(), String> {
        if self.take(mark) {
            return Ok(());
        }
        Err(self.unexpected(&format!("`{mark}`")))
    }

    pub fn unexpected(&self, wanted: &str) -> String {
        let found = match self.peek() {
            Some(Kind::Word(word)) => word.to_owned(),
            Some(other) => format!("{other:?}"),
            None => "the end".to_owned(),
        };
        format!("line {}: {wanted} expected, not {found}", self.line())
    }

    pub fn word(&mut self) -> Result<&'a str, String> {
        match self.peek() {
            Some(Kind::Word(word)) => {
                self.at += 1;
                Ok(word)
            }
            _ => Err(self.unexpected("a name")),
        }
    }

    pub fn integer(&mut self) -> Result<u64, String> {
        match self.peek() {
            Some(Kind::Integer(value)) => {
                self.at += 1;
                Ok(value)
            }
            _ => Err(self.unexpected("a number")),
        }
    }

    /// Passes everything up to and including a semicolon.
    pub fn skip_statement(&mut self) -> Result<(), String> {
        while self.next()? != Kind::Mark(';') {}
        Ok(())
    }

    /// Passes a block; its opening brace is next.
    fn skip_block(&mut self) -> Result<(), String> {
        let mut depth = 0;
        loop {
            match self.next()? {
                Kind::Mark('{') => depth += 1,
                Kind::Mark('}') => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return Ok(());
            }
        }
    }

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

    /// Reads the variables of one declaration, after the name of their space.
    pub fn variable(&mut self, space: &str) -> Result<Vec<Variable<'a>>, String> {
        let space = match space {
            ".global" => Space::Global,
            ".const" => Space::Constant,
            ".shared" => Space::Shared,
            _ => Space::Local,
        };
        let (mut align, mut kind) = (None, None);
        while let Some(Kind::Word(word)) = self.peek() {
            let Some(directive) = word.strip_prefix('.') else {
                break;
            };
            self.at += 1;
            match directive {
                "align" => align = Some(self.integer()? as u32),
                "attribute" => return Err(self.unexpected("a type")),
                _ => kind = Type::parse(directive),
            }
        }
        let kind = kind.ok_or_else(|| self.unexpected("a type"))?;
        let mut out = Vec::new();
        loop {
            let name = self.word()?;
            let mut count = Some(1);
            let mut open = false;
            while self.take('[') {
                if self.take(']') {
                    open = true;
                    continue;
                }
                count = count.map(|count: u32| count);
                let size = self.integer()? as u32;
                count = count.map(|count| count * size);
                self.expect(']')?;
            }
            let mut values = Vec::new();
            if self.take('=') {
                self.values(&mut values)?;
            }
            if open {
                count = (!values.is_empty()).then_some(values.len() as u32);
            }
            out.push(Variable {
                space,
                name,
                align: align.unwrap_or(kind.size()),
                r#type: kind,
                count,
                values,
            });
            if !self.take(',') {
                break;
            }
        }
        self.expect(';')?;
        Ok(out)
    }

    fn values(&mut self, out: &mut Vec<Operand<'a>>) -> Result<(), String> {
        if !self.take('{') {
            out.push(body::constant(self)?);
            return Ok(());
        }
        while !self.take('}') {
            self.values(out)?;
            if !self.take(',') {
                self.expect('}')?;
                break;
            }
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
