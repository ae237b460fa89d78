//! PTX text to tokens.

/// A token and the line that it stands on, from 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Token<'a> {
    pub kind: Kind<'a>,
    pub line: u32,
}

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind<'a> {
    /// A name, an opcode with its modifiers, a register or a directive: `add.s32`, `%r1`, `.reg`.
    Word(&'a str),
    Integer(u64),
    Single(u32),
    Double(u64),
    Text,
    Mark(char),
}

/// Cuts a text into tokens; comments are left out.
pub fn tokens(text: &str) -> Result<Vec<Token<'_>>, String> {
    let bytes = text.as_bytes();
    let (mut at, mut line) = (0, 1);
    let mut out = Vec::with_capacity(text.len() / 4);
    while let Some(&byte) = bytes.get(at) {
        let start = at;
        let kind = match byte {
            b'\n' => {
                line += 1;
                at += 1;
                continue;
            }
            0 => break,
            _ if byte.is_ascii_whitespace() => {
                at += 1;
                continue;
            }
            b'/' if bytes.get(at + 1) == Some(&b'/') => {
                at += length(&bytes[at..], |byte| byte != b'\n');
                continue;
            }
            b'/' if bytes.get(at + 1) == Some(&b'*') => {
                let end = text[at..].find("*/").ok_or("a comment does not end")? + at + 2;
                line += bytes[at..end].iter().filter(|&&b| b == b'\n').count() as u32;
                at = end;
                continue;
            }
            b'"' => {
                let end = text[at + 1..].find('"').ok_or("a string does not end")?;
                at += end + 2;
                Kind::Text
            }
            b'0'..=b'9' => {
                at += length(&bytes[at..], |byte| byte.is_ascii_alphanumeric());
                let word = &text[start..at];
                number(word).ok_or_else(|| format!("line {line}: not a number: {word}"))?
            }
            _ if is_word(byte) => {
                at += word(&bytes[at..]);
                Kind::Word(&text[start..at])
            }
            _ if byte.is_ascii() => {
                at += 1;
                Kind::Mark(byte as char)
            }
            _ => return Err(format!("line {line}: not ASCII")),
        };
        out.push(Token { kind, line });
    }
    Ok(out)
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | b'%' | b'.')
}

/// Returns the length of a word; a double colon is part of it, as in `L2::128B`.
fn word(bytes: &[u8]) -> usize {
    let mut at = length(bytes, is_word);
    while bytes[at..].starts_with(b"::") {
        at += 2 + length(&bytes[at + 2..], is_word);
    }
    at
}

fn length(bytes: &[u8], belongs: impl Fn(u8) -> bool) -> usize {
    let end = bytes.iter().position(|&byte| !belongs(byte));
    end.unwrap_or(bytes.len())
}

fn number(word: &str) -> Option<Kind<'static>> {
    let digits = word.strip_suffix('U').unwrap_or(word);
    let hexadecimal = |digits| u64::from_str_radix(digits, 16).ok();
    let prefix = digits.get(..2).unwrap_or("");
    let integer = match prefix {
        "0f" | "0F" => return Some(Kind::Single(hexadecimal(&digits[2..])? as u32)),
        "0d" | "0D" => return Some(Kind::Double(hexadecimal(&digits[2..])?)),
        "0x" | "0X" => hexadecimal(&digits[2..])?,
        "0b" | "0B" => u64::from_str_radix(&digits[2..], 2).ok()?,
        _ if digits.len() > 1 && digits.starts_with('0') => {
            u64::from_str_radix(&digits[1..], 8).ok()?
        }
        _ => digits.parse().ok()?,
    };
    Some(Kind::Integer(integer))
}
