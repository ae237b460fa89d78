//! Splits Rust source into tokens, as far as paths need them.

/// A token. Comments, lifetimes and the content of literals are left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    Word(String),
    /// `::`
    Colons,
    /// Any other character; `"` stands for a literal.
    Mark(char),
}

impl Token {
    /// Returns the word; `None` for anything else.
    pub fn word(&self) -> Option<&str> {
        match self {
            Self::Word(word) => Some(word),
            _ => None,
        }
    }
}

/// Returns the tokens of a file.
pub fn tokens(text: &str) -> Vec<Token> {
    let mut reader = Reader {
        text: text.chars().collect(),
        at: 0,
    };
    let mut tokens = Vec::new();
    while let Some(first) = reader.peek(0) {
        tokens.extend(reader.token(first));
    }
    tokens
}

struct Reader {
    text: Vec<char>,
    at: usize,
}

impl Reader {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.text.get(self.at + ahead).copied()
    }

    fn starts_with(&self, word: &str) -> bool {
        word.chars()
            .enumerate()
            .all(|(i, c)| self.peek(i) == Some(c))
    }

    /// Moves on while `wanted` holds.
    fn skip_while(&mut self, wanted: impl Fn(char) -> bool) -> String {
        let start = self.at;
        while self.peek(0).is_some_and(&wanted) {
            self.at += 1;
        }
        self.text[start..self.at].iter().collect()
    }

    fn token(&mut self, first: char) -> Option<Token> {
        if self.starts_with("//") {
            self.skip_while(|c| c != '\n');
            None
        } else if self.starts_with("/*") {
            self.block_comment();
            None
        } else if self.starts_with("::") {
            self.at += 2;
            Some(Token::Colons)
        } else if let Some(hashes) = self.raw_string() {
            self.skip_raw_string(hashes);
            Some(Token::Mark('"'))
        } else if first == '_' || first.is_alphabetic() {
            if self.starts_with("r#") {
                self.at += 2;
            }
            Some(Token::Word(
                self.skip_while(|c| c == '_' || c.is_alphanumeric()),
            ))
        } else if first.is_ascii_digit() {
            self.skip_while(|c| c == '_' || c.is_alphanumeric());
            Some(Token::Mark('"'))
        } else if first == '"' {
            self.quoted('"');
            Some(Token::Mark('"'))
        } else if first == '\'' {
            self.quote()
        } else {
            self.at += 1;
            (!first.is_whitespace()).then_some(Token::Mark(first))
        }
    }

    fn block_comment(&mut self) {
        let mut depth = 0;
        while self.at < self.text.len() {
            if self.starts_with("/*") {
                depth += 1;
                self.at += 2;
            } else if self.starts_with("*/") {
                depth -= 1;
                self.at += 2;
                if depth == 0 {
                    return;
                }
            } else {
                self.at += 1;
            }
        }
    }

    /// Returns how many `#` a raw string has that starts here; `None` where none does.
    fn raw_string(&self) -> Option<usize> {
        let prefix = ["br", "cr", "r"]
            .into_iter()
            .find(|p| self.starts_with(p))?;
        let mut at = prefix.len();
        while self.peek(at) == Some('#') {
            at += 1;
        }
        (self.peek(at) == Some('"')).then_some(at - prefix.len())
    }

    fn skip_raw_string(&mut self, hashes: usize) {
        let end = format!("\"{}", "#".repeat(hashes));
        self.skip_while(|c| c != '"');
        self.at += 1;
        while self.at < self.text.len() && !self.starts_with(&end) {
            self.at += 1;
        }
        self.at += end.len();
    }

    /// Moves past a literal in quotes, whose first quote is here.
    fn quoted(&mut self, quote: char) {
        self.at += 1;
        while let Some(c) = self.peek(0) {
            self.at += if c == '\\' { 2 } else { 1 };
            if c == quote {
                return;
            }
        }
    }

    /// Moves past a character or a lifetime.
    fn quote(&mut self) -> Option<Token> {
        if self.peek(1) == Some('\\') || self.peek(2) == Some('\'') {
            self.quoted('\'');
            return Some(Token::Mark('"'));
        }
        self.at += 1;
        self.skip_while(|c| c == '_' || c.is_alphanumeric());
        None
    }
}

#[test]
fn comments_literals_and_lifetimes_hold_no_words() {
    let text = r##"
        /* crate::a /* crate::b */ */ // crate::c
        let x: &'a str = "crate::d \" crate::e";
        let y = ['"', '\'', r#"crate::f " "#.len(), 0x1f, r#type];
    "##;
    let words: Vec<_> = tokens(text);
    let words: Vec<_> = words.iter().filter_map(Token::word).collect();
    assert_eq!(words, ["let", "x", "str", "let", "y", "len", "type"]);
}
