//! Runs the subset of Python's pickle instructions that state dicts, also those of optimisers and
//! schedules, need: protocols 2 to 5.
//!
//! Values are in one list and refer to each other by index, so nothing here recurses, however
//! values are nested. One limit on the number of instructions bounds values, stack, marks and memo
//! at once, because no instruction adds more than one of each.

use std::collections::HashMap;

use super::{
    Parsed,
    cursor::Cursor,
    problem, torch_globals,
    value::{Id, Value, value},
};

/// Largest number of instructions; the largest network's state dict takes 7,000, its optimiser's state
/// 20,000.
const MAX_STEPS: usize = 1 << 16;

/// The values of a pickle after its last instruction.
pub(super) struct Pickle<'a> {
    values: Vec<Value<'a>>,
    top: Id,
}

impl<'a> Pickle<'a> {
    /// Runs the pickle at the start of `bytes`, and returns its length too.
    pub fn load(bytes: &'a [u8]) -> Parsed<(Self, usize)> {
        let mut machine = Unpickler {
            at: Cursor::new(bytes, 0),
            values: Vec::new(),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
        };
        for _ in 0..MAX_STEPS {
            if let Some(top) = machine.step()? {
                let length = machine.at.at();
                let values = machine.values;
                return Ok((Self { values, top }, length));
            }
        }
        problem("its pickle is far longer than a state dict's")
    }

    /// Returns the pickled object.
    pub fn top(&self) -> &Value<'a> {
        self.value(self.top)
    }

    pub fn value(&self, id: Id) -> &Value<'a> {
        value(&self.values, id)
    }

    /// Returns the last value under `name`, if `dict` is a dict that has it.
    pub fn item(&self, dict: &Value<'a>, name: &str) -> Option<&Value<'a>> {
        let Value::Dict(items) = dict else {
            return None;
        };
        let named = |(key, _): &&(Id, Id)| matches!(self.value(*key), Value::Text(t) if *t == name);
        items.iter().rfind(named).map(|&(_, id)| self.value(id))
    }

    pub fn values(&self) -> &[Value<'a>] {
        &self.values
    }
}

struct Unpickler<'a> {
    at: Cursor<'a>,
    values: Vec<Value<'a>>,
    stack: Vec<Id>,
    /// Heights of the stack at each mark.
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
}

impl<'a> Unpickler<'a> {
    /// Runs one instruction; returns the result at the last one.
    fn step(&mut self) -> Parsed<Option<Id>> {
        let place = self.at.at();
        match self.at.u8()? {
            0x80 => self.protocol()?,
            0x95 => {
                let _frame = self.at.u64()?;
            }
            b'.' => return self.pop().map(Some),
            b'(' => self.marks.push(self.stack.len()),

            b'N' => self.push(Value::None),
            0x88 => self.push(Value::Bool(true)),
            0x89 => self.push(Value::Bool(false)),
            b'J' => self.int(|at| at.i32().map(i128::from))?,
            b'K' => self.int(|at| at.u8().map(i128::from))?,
            b'M' => self.int(|at| at.u16().map(i128::from))?,
            0x8a => self.int(long)?,
            b'G' => {
                let float = f64::from_bits(self.at.u64()?.swap_bytes());
                self.push(Value::Float(float));
            }
            b'X' => self.text(|at| at.u32().map(|length| length as usize))?,
            0x8c => self.text(|at| at.u8().map(usize::from))?,
            0x8d => self.text(Cursor::size)?,

            b')' => self.push(Value::Tuple(Vec::new())),
            0x85 => self.tuple(1)?,
            0x86 => self.tuple(2)?,
            0x87 => self.tuple(3)?,
            b't' => {
                let items = self.since_mark()?;
                self.push(Value::Tuple(items));
            }
            b']' => self.push(Value::List(Vec::new())),
            b'a' => {
                let item = self.pop()?;
                self.append(vec![item])?;
            }
            b'e' => {
                let items = self.since_mark()?;
                self.append(items)?;
            }
            b'}' => self.push(Value::Dict(Vec::new())),
            b's' => {
                let (item, key) = (self.pop()?, self.pop()?);
                self.set(vec![key, item])?;
            }
            b'u' => {
                let items = self.since_mark()?;
                self.set(items)?;
            }

            b'q' => {
                let index = self.at.u8()?.into();
                self.remember(index)?;
            }
            b'r' => {
                let index = self.at.u32()?;
                self.remember(index)?;
            }
            0x94 => self.remember(self.memo.len() as u32)?,
            b'h' => {
                let index = self.at.u8()?.into();
                self.recall(index)?;
            }
            b'j' => {
                let index = self.at.u32()?;
                self.recall(index)?;
            }

            b'c' => {
                let (module, name) = (text(self.at.line()?)?, text(self.at.line()?)?);
                self.push(Value::Global(torch_globals::global(module, name)?));
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let (Value::Text(module), Value::Text(name)) =
                    (self.value(module), self.value(name))
                else {
                    return problem("its pickle names a function without text");
                };
                self.push(Value::Global(torch_globals::global(module, name)?));
            }
            b'R' => self.reduce()?,
            b'Q' => {
                let id = self.pop()?;
                let Value::Tuple(parts) = self.value(id) else {
                    return problem("its pickle names a storage without a tuple");
                };
                let storage = torch_globals::storage(&self.values, parts)?;
                self.push(Value::Storage(storage));
            }
            b'b' => self.build()?,

            other => {
                return problem(format!(
                    "its pickle has the instruction {other:#04x} at {place}, which no state \
                     dict needs"
                ));
            }
        }
        Ok(None)
    }

    fn protocol(&mut self) -> Parsed<()> {
        match self.at.u8()? {
            2..=5 => Ok(()),
            other => problem(format!("its pickle has protocol {other}")),
        }
    }

    fn value(&self, id: Id) -> &Value<'a> {
        value(&self.values, id)
    }

    fn push(&mut self, value: Value<'a>) {
        self.stack.push(Id(self.values.len() as u32));
        self.values.push(value);
    }

    fn pop(&mut self) -> Parsed<Id> {
        let bottom = self.marks.last().copied().unwrap_or(0);
        match self.stack.pop() {
            Some(id) if self.stack.len() >= bottom => Ok(id),
            _ => problem("its pickle takes more from its stack than is there"),
        }
    }

    /// Returns the value on top of the stack, which stays there.
    fn peek(&self) -> Parsed<Id> {
        match self.stack.last() {
            Some(&id) => Ok(id),
            None => problem("its pickle changes a value that is not there"),
        }
    }

    fn since_mark(&mut self) -> Parsed<Vec<Id>> {
        match self.marks.pop() {
            Some(height) if height <= self.stack.len() => Ok(self.stack.split_off(height)),
            _ => problem("its pickle lacks a mark"),
        }
    }

    fn int(&mut self, read: impl Fn(&mut Cursor<'a>) -> Parsed<i128>) -> Parsed<()> {
        let int = read(&mut self.at)?;
        self.push(Value::Int(int));
        Ok(())
    }

    fn text(&mut self, length: impl Fn(&mut Cursor<'a>) -> Parsed<usize>) -> Parsed<()> {
        let length = length(&mut self.at)?;
        let text = text(self.at.take(length)?)?;
        self.push(Value::Text(text));
        Ok(())
    }

    fn tuple(&mut self, count: usize) -> Parsed<()> {
        let mut items = Vec::with_capacity(count);
        for _ in 0..count {
            items.push(self.pop()?);
        }
        items.reverse();
        self.push(Value::Tuple(items));
        Ok(())
    }

    fn append(&mut self, mut new: Vec<Id>) -> Parsed<()> {
        let list = self.peek()?;
        match &mut self.values[list.0 as usize] {
            Value::List(items) => items.append(&mut new),
            _ => return problem("its pickle appends to something that is no list"),
        }
        Ok(())
    }

    fn set(&mut self, new: Vec<Id>) -> Parsed<()> {
        let dict = self.peek()?;
        let (pairs, rest) = new.as_chunks::<2>();
        match &mut self.values[dict.0 as usize] {
            Value::Dict(items) if rest.is_empty() => {
                items.extend(pairs.iter().map(|&[key, item]| (key, item)));
            }
            _ => return problem("its pickle sets items of something that is no dict"),
        }
        Ok(())
    }

    fn remember(&mut self, index: u32) -> Parsed<()> {
        let id = self.peek()?;
        self.memo.insert(index, id);
        Ok(())
    }

    fn recall(&mut self, index: u32) -> Parsed<()> {
        match self.memo.get(&index) {
            Some(&id) => {
                self.stack.push(id);
                Ok(())
            }
            None => problem(format!(
                "its pickle recalls value {index}, which is not there"
            )),
        }
    }

    fn reduce(&mut self) -> Parsed<()> {
        let (arguments, function) = (self.pop()?, self.pop()?);
        let (Value::Global(function), Value::Tuple(arguments)) =
            (self.value(function), self.value(arguments))
        else {
            return problem("its pickle calls something that is no function");
        };
        let result = torch_globals::call(*function, &self.values, arguments)?;
        self.push(result);
        Ok(())
    }

    /// Accepts only state dicts, whose state (the versions of their modules) is not needed.
    fn build(&mut self) -> Parsed<()> {
        self.pop()?;
        let built = self.peek()?;
        match self.value(built) {
            Value::Dict(_) => Ok(()),
            _ => problem("its pickle sets the state of something that is no dict"),
        }
    }
}

fn text(bytes: &[u8]) -> Parsed<&str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text),
        Err(_) => problem("its pickle has text that is not UTF-8"),
    }
}

/// Reads a little-endian two's complement number of up to 16 bytes.
fn long(at: &mut Cursor<'_>) -> Parsed<i128> {
    let length = usize::from(at.u8()?);
    let bytes = at.take(length)?;
    if length > 16 {
        return problem(format!("its pickle has a number of {length} bytes"));
    }
    let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
    let mut sixteen = [if negative { 0xff } else { 0 }; 16];
    sixteen[..length].copy_from_slice(bytes);
    Ok(i128::from_le_bytes(sixteen))
}
