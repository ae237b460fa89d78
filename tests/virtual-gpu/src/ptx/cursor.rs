//! A place among the tokens, and what is read alike everywhere: names, numbers, variables.

use super::{
    lexer::{Kind, Token, tokens},
    syntax::{Operand, Space, Type, Variable},
};

/// The tokens and the place reached.
pub struct Cursor<'a> {
    tokens: Vec<Token<'a>>,
    pub at: usize,
}

impl<'a> Cursor<'a> {
    /// Returns the beginning of a text.
    ///
    /// # Errors
    ///
    /// Returns the line that is not of tokens.
    pub fn new(text: &'a str) -> Result<Self, String> {
        let tokens = tokens(text)?;
        Ok(Self { tokens, at: 0 })
    }

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
    pub fn skip_block(&mut self) -> Result<(), String> {
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
            out.push(self.constant()?);
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

    /// Reads a value of a variable's initial content.
    pub fn constant(&mut self) -> Result<Operand<'a>, String> {
        let negative = self.take('-');
        let sign = if negative { -1 } else { 1 };
        Ok(match self.next()? {
            Kind::Integer(value) => Operand::Integer(i128::from(value) * sign),
            Kind::Single(bits) => Operand::Single(bits),
            Kind::Double(bits) => Operand::Double(bits),
            // The address of a variable in its space, or as a generic one: the same here.
            Kind::Word("generic") => {
                self.expect('(')?;
                let symbol = Operand::Symbol(self.word()?, 0);
                self.expect(')')?;
                symbol
            }
            Kind::Word(name) => Operand::Symbol(name, 0),
            _ => return Err(self.unexpected("a constant")),
        })
    }
}
