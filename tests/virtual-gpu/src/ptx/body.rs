//! The body of an entry: declarations, labels, instructions.

use std::collections::HashMap;

use super::{
    cursor::Cursor,
    lexer::Kind,
    syntax::{Declared, Entry, Instruction, Operand, Register, Statement, Type},
};

/// Reads a body into `entry`; its opening brace is next.
pub fn read<'a>(parser: &mut Cursor<'a>, entry: &mut Entry<'a>) -> Result<(), String> {
    parser.expect('{')?;
    let mut body = Body {
        parser,
        entry,
        scopes: vec![Scope::default()],
    };
    while !body.scopes.is_empty() {
        body.statement()?;
    }
    Ok(())
}

/// What one pair of braces declares.
#[derive(Default)]
struct Scope<'a> {
    /// `.reg .b32 %r<10>`: the stem `%r` with its type, its size, and what has been used of it.
    families: HashMap<&'a str, (Type, u64)>,
    names: HashMap<&'a str, Register>,
}

struct Body<'p, 'e, 'a> {
    parser: &'p mut Cursor<'a>,
    entry: &'e mut Entry<'a>,
    scopes: Vec<Scope<'a>>,
}

impl<'a> Body<'_, '_, 'a> {
    fn statement(&mut self) -> Result<(), String> {
        if self.parser.take('{') {
            self.scopes.push(Scope::default());
            return Ok(());
        }
        if self.parser.take('}') {
            self.scopes.pop();
            return Ok(());
        }
        if self.parser.take(';') {
            return Ok(());
        }
        let line = self.parser.line();
        let guard = if self.parser.take('@') {
            let negated = self.parser.take('!');
            let name = self.parser.word()?;
            let register = self.register(name)?;
            Some((register, negated))
        } else {
            None
        };
        let name = self.parser.word()?;
        if guard.is_none() && self.parser.take(':') {
            if self.parser.peek() == Some(Kind::Word(".branchtargets")) {
                self.parser.word()?;
                let mut targets = Vec::new();
                while !self.parser.take(';') {
                    targets.push(self.parser.word()?);
                    self.parser.take(',');
                }
                self.entry.branch_targets.push((name, targets));
                return Ok(());
            }
            self.entry.body.push(Statement::Label(name));
            return Ok(());
        }
        match name {
            ".reg" => return self.registers(),
            ".local" | ".shared" => {
                let variables = self.parser.variable(name)?;
                self.entry.variables.extend(variables);
                return Ok(());
            }
            ".pragma" => return self.parser.skip_statement(),
            ".loc" => {
                while self.parser.line() == line {
                    self.parser.next()?;
                }
                return Ok(());
            }
            _ if name.starts_with('.') => {
                return Err(format!("line {line}: unknown directive {name}"));
            }
            _ => {}
        }
        let mut operands = Vec::new();
        while !self.parser.take(';') {
            operands.push(self.operand()?);
            if !self.parser.take(',') {
                self.parser.expect(';')?;
                break;
            }
        }
        self.entry.body.push(Statement::Instruction(Instruction {
            guard,
            name,
            operands,
            line,
        }));
        Ok(())
    }

    /// Reads a declaration of registers after `.reg`.
    fn registers(&mut self) -> Result<(), String> {
        let name = self.parser.word()?;
        let kind = Type::parse(name.trim_start_matches('.'));
        let kind = kind.ok_or_else(|| self.parser.unexpected("a type of registers"))?;
        loop {
            let name = self.parser.word()?;
            if self.parser.take('<') {
                let count = self.parser.integer()?;
                self.parser.expect('>')?;
                let scope = self.scopes.last_mut().expect("a body is a scope");
                scope.families.insert(name, (kind, count));
            } else {
                self.declare(self.scopes.len() - 1, name, kind);
            }
            if !self.parser.take(',') {
                break;
            }
        }
        self.parser.expect(';')
    }

    fn declare(&mut self, scope: usize, name: &'a str, r#type: Type) -> Register {
        let register = self.entry.registers.len();
        let name_of = name.to_owned();
        self.entry.registers.push(Declared {
            name: name_of,
            r#type,
        });
        self.scopes[scope].names.insert(name, register);
        register
    }

    fn register(&mut self, name: &'a str) -> Result<Register, String> {
        self.find(name)
            .ok_or_else(|| format!("line {}: unknown register {name}", self.parser.line()))
    }

    /// Returns the register of this name in the innermost scope that declares it.
    fn find(&mut self, name: &'a str) -> Option<Register> {
        let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
        let number: Option<u64> = name[stem.len()..].parse().ok();
        for scope in (0..self.scopes.len()).rev() {
            if let Some(&register) = self.scopes[scope].names.get(name) {
                return Some(register);
            }
            let family = self.scopes[scope].families.get(stem).copied();
            if let (Some((kind, count)), Some(number)) = (family, number)
                && number < count
            {
                return Some(self.declare(scope, name, kind));
            }
        }
        None
    }

    fn operand(&mut self) -> Result<Operand<'a>, String> {
        let first = self.simple()?;
        if self.parser.take('|') {
            let second = self.simple()?;
            return Ok(Operand::Pair(Box::new(first), Box::new(second)));
        }
        Ok(first)
    }

    fn simple(&mut self) -> Result<Operand<'a>, String> {
        if self.parser.take('!') {
            return Ok(Operand::Not(Box::new(self.simple()?)));
        }
        if self.parser.take('{') {
            let mut parts = Vec::new();
            while !self.parser.take('}') {
                parts.push(self.simple()?);
                self.parser.take(',');
            }
            return Ok(Operand::Vector(parts));
        }
        if self.parser.take('[') {
            let base = self.simple()?;
            let (base, offset) = match base {
                Operand::Symbol(name, offset) => (Operand::Symbol(name, 0), offset),
                base => (base, self.offset()?),
            };
            self.parser.expect(']')?;
            return Ok(Operand::Address(Box::new(base), offset));
        }
        let Some(Kind::Word(name)) = self.parser.peek() else {
            return self.parser.constant();
        };
        self.parser.word()?;
        Ok(match name {
            "_" => Operand::Sink,
            "WARP_SZ" => Operand::Integer(32),
            "true" => Operand::Integer(1),
            "false" => Operand::Integer(0),
            _ => match self.find(name) {
                Some(register) => Operand::Register(register),
                None if name.starts_with('%') => Operand::Special(name),
                None => Operand::Symbol(name, self.offset()?),
            },
        })
    }

    /// Reads `+8` or `+-8` or `-8`, if it is there.
    fn offset(&mut self) -> Result<i64, String> {
        let plus = self.parser.take('+');
        let minus = self.parser.take('-');
        if !plus && !minus {
            return Ok(0);
        }
        let size = self.parser.integer()? as i64;
        Ok(if minus { -size } else { size })
    }
}
