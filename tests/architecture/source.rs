//! Reads what a file declares, what it imports and which paths it names. Items under
//! `#[cfg(test)]` are left out.

use std::collections::{BTreeMap, BTreeSet};

use super::tokens::{Token, tokens};

/// A module, as its file or its block declares it.
#[derive(Debug, Default)]
pub struct Module {
    pub imports: Vec<Import>,
    /// Names of functions, types, traits, constants and macros.
    pub items: BTreeSet<String>,
    /// Modules in blocks, by name.
    pub blocks: BTreeMap<String, Module>,
    /// Names of modules in files of their own.
    pub files: BTreeSet<String>,
    /// Paths of two words or more outside of `use`.
    pub paths: Vec<Vec<String>>,
}

/// A name that `use` brings in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    pub path: Vec<String>,
    /// `None` where it is everything, `*`.
    pub name: Option<String>,
}

/// Reads the text of a file.
pub fn parse(text: &str) -> Module {
    let mut parser = Parser {
        tokens: tokens(text),
        at: 0,
    };
    parser.module()
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn word(&self) -> Option<&str> {
        self.peek()?.word()
    }

    /// Moves past this mark; returns whether it was there.
    fn take(&mut self, mark: char) -> bool {
        let found = self.peek() == Some(&Token::Mark(mark));
        self.at += usize::from(found);
        found
    }

    /// Reads to the end, or past the bracket that closes the module's block.
    fn module(&mut self) -> Module {
        let mut module = Module::default();
        let mut depth = 0;
        while let Some(token) = self.peek().cloned() {
            self.at += 1;
            match token {
                Token::Mark('#') if self.is_for_tests() => self.skip_item(),
                Token::Mark('{' | '(' | '[') => depth += 1,
                Token::Mark('}' | ')' | ']') if depth == 0 => break,
                Token::Mark('}' | ')' | ']') => depth -= 1,
                Token::Mark(_) | Token::Colons => {}
                Token::Word(word) => self.statement(&word, depth == 0, &mut module),
            }
        }
        module
    }

    fn statement(&mut self, word: &str, outermost: bool, module: &mut Module) {
        match word {
            "pub" => self.visibility(),
            "use" if self.peek() != Some(&Token::Mark('<')) => {
                self.import(Vec::new(), &mut module.imports);
            }
            "mod" => self.submodule(module),
            "fn" | "struct" | "enum" | "union" | "trait" | "type" | "const" | "static" => {
                let keywords = ["fn", "unsafe", "extern", "async", "mut"];
                let name = self.word().filter(|name| !keywords.contains(name));
                if outermost && let Some(name) = name {
                    module.items.insert(name.to_owned());
                }
            }
            "macro_rules" => {
                self.take('!');
                module.items.extend(self.word().map(str::to_owned));
            }
            _ => {
                let path = self.path(word);
                if path.len() > 1 {
                    module.paths.push(path);
                }
            }
        }
    }

    /// Moves past the rest of `pub(in …)`.
    fn visibility(&mut self) {
        let next = self.tokens.get(self.at + 1).and_then(Token::word);
        if self.peek() == Some(&Token::Mark('('))
            && matches!(next, Some("crate" | "super" | "self" | "in"))
        {
            while self.at < self.tokens.len() && !self.take(')') {
                self.at += 1;
            }
        }
    }

    /// Reads `name;` or `name { … }` behind `mod`.
    fn submodule(&mut self, module: &mut Module) {
        let Some(name) = self.word().map(str::to_owned) else {
            return;
        };
        self.at += 1;
        if self.take(';') {
            module.files.insert(name);
        } else if self.take('{') {
            let block = self.module();
            module.blocks.insert(name, block);
        }
    }

    /// Reads the rest of a path whose first word is behind us.
    fn path(&mut self, first: &str) -> Vec<String> {
        let mut path = vec![first.to_owned()];
        while self.peek() == Some(&Token::Colons)
            && let Some(word) = self.tokens.get(self.at + 1).and_then(Token::word)
        {
            path.push(word.to_owned());
            self.at += 2;
        }
        path
    }

    /// Reads a tree of `use`, to its end or the comma or bracket behind it.
    fn import(&mut self, mut path: Vec<String>, imports: &mut Vec<Import>) {
        loop {
            match self.peek().cloned() {
                Some(Token::Colons) => self.at += 1,
                Some(Token::Mark('{')) => {
                    self.at += 1;
                    while self.at < self.tokens.len() && !self.take('}') {
                        self.import(path.clone(), imports);
                        self.take(',');
                    }
                    return;
                }
                Some(Token::Mark('*')) => {
                    self.at += 1;
                    imports.push(Import { path, name: None });
                    return;
                }
                Some(Token::Word(word)) if word == "as" => {
                    self.at += 1;
                    let name = self.word().map(str::to_owned);
                    self.at += 1;
                    imports.push(Import { path, name });
                    return;
                }
                Some(Token::Word(word)) => {
                    self.at += 1;
                    // `self` behind a path is the path itself.
                    if word != "self" || path.is_empty() {
                        path.push(word);
                    }
                    let next = self.peek();
                    if next != Some(&Token::Colons) && self.word() != Some("as") {
                        let name = path.last().cloned();
                        imports.push(Import { path, name });
                        return;
                    }
                }
                // No `use` that compiles gets here.
                _ => {
                    self.at += 1;
                    return;
                }
            }
        }
    }

    /// Moves past an attribute; returns whether it is `#[cfg(test)]`.
    fn is_for_tests(&mut self) -> bool {
        self.take('!');
        let start = self.at;
        if self.peek() == Some(&Token::Mark('[')) {
            self.skip_group();
        }
        let words = self.tokens[start..self.at].iter().filter_map(Token::word);
        words.eq(["cfg", "test"])
    }

    /// Moves past brackets and all between them.
    fn skip_group(&mut self) {
        let mut depth = 0;
        while let Some(token) = self.peek() {
            match token {
                Token::Mark('{' | '(' | '[') => depth += 1,
                Token::Mark('}' | ')' | ']') => depth -= 1,
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                return;
            }
        }
    }

    /// Moves past an item, statement or field.
    fn skip_item(&mut self) {
        while self.take('#') {
            self.skip_group();
        }
        if self.word() == Some("pub") {
            self.at += 1;
            self.visibility();
        }
        let keywords = [
            "fn", "struct", "enum", "union", "trait", "type", "const", "static", "mod", "impl",
            "unsafe", "async", "extern",
        ];
        let imports = self.word() == Some("use");
        let item = self.word().is_some_and(|word| keywords.contains(&word));
        while let Some(token) = self.peek() {
            match token {
                Token::Mark('{') => {
                    self.skip_group();
                    if !imports {
                        return;
                    }
                }
                Token::Mark('(' | '[') => self.skip_group(),
                // The block that the item is the last of.
                Token::Mark('}' | ')' | ']') => return,
                Token::Mark(';') => {
                    self.at += 1;
                    return;
                }
                Token::Mark(',') if !item && !imports => {
                    self.at += 1;
                    return;
                }
                _ => self.at += 1,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn imports(text: &str) -> Vec<String> {
        let show = |import: Import| {
            let name = import.name.unwrap_or_else(|| "*".to_owned());
            format!("{} = {name}", import.path.join("::"))
        };
        parse(text).imports.into_iter().map(show).collect()
    }

    #[test]
    fn a_plain_use_binds_its_last_word() {
        assert_eq!(imports("use crate::a::B;"), ["crate::a::B = B"]);
        assert_eq!(imports("pub(in crate::x) use a;"), ["a = a"]);
        assert_eq!(imports("use ::a::B;"), ["a::B = B"]);
    }

    #[test]
    fn braces_nest_over_lines_and_end_with_commas() {
        let text = "use crate::{\n    a::{self, B, c::{D, E}},\n    f, // comment\n    g::*,\n};";
        assert_eq!(
            imports(text),
            [
                "crate::a = a",
                "crate::a::B = B",
                "crate::a::c::D = D",
                "crate::a::c::E = E",
                "crate::f = f",
                "crate::g = *",
            ]
        );
    }

    #[test]
    fn names_change_with_as() {
        let text = "use super::{a as b, c::{self as d, E as _}};";
        assert_eq!(
            imports(text),
            ["super::a = b", "super::c = d", "super::c::E = _"]
        );
    }

    #[test]
    fn uses_in_functions_count_and_captures_do_not() {
        let text = "fn f<'a>(x: &'a u8) -> impl Sized + use<'a> { use self::a::B; x }";
        assert_eq!(imports(text), ["self::a::B = B"]);
    }

    #[test]
    fn paths_are_found_in_code_types_and_macros() {
        let text = "pub(in crate::no) fn f(x: crate::a::B<super::c::D>) -> u8 {
            let y = crate::e::f::<u8>(x)[1]; m!($crate::g::H); z.w();
            <Y as self::T>::t() }";
        let paths: Vec<_> = parse(text).paths.iter().map(|p| p.join("::")).collect();
        assert_eq!(
            paths,
            [
                "crate::a::B",
                "super::c::D",
                "crate::e::f",
                "crate::g::H",
                "self::T"
            ]
        );
    }

    #[test]
    fn what_is_for_tests_is_left_out() {
        let text = "
            #[cfg(test)] use crate::a::{B, C};
            #[cfg(test)] mod tests { use crate::d; fn f() -> [u8; 2] { crate::e::f() } }
            #[cfg(test)] mod more;
            #[cfg(test)] #[derive(Debug)] pub(crate) struct S(crate::g::H);
            struct T { #[cfg(test)] x: crate::i::J<u8>, y: crate::k::L }
            #[cfg(not(test))] fn here() { #[cfg(test)] crate::m::n(1); crate::o::p() }
        ";
        let module = parse(text);
        assert!(module.imports.is_empty(), "{module:?}");
        assert!(module.files.is_empty() && module.blocks.is_empty());
        let items: Vec<_> = module.items.iter().collect();
        assert_eq!(items, ["T", "here"]);
        let paths: Vec<_> = module.paths.iter().map(|p| p.join("::")).collect();
        assert_eq!(paths, ["crate::k::L", "crate::o::p"]);
    }

    #[test]
    fn items_and_modules_are_found() {
        let text = "mod a; pub mod b { pub const C: u8 = 1; pub const fn d() {} }
            impl X { fn no() {} } unsafe extern \"C\" fn e() {} static mut F: u8 = 0;
            macro_rules! g { () => { struct No; } }";
        let module = parse(text);
        assert!(module.files.contains("a"));
        let names = |module: &Module| module.items.iter().cloned().collect::<Vec<_>>();
        assert_eq!(names(&module.blocks["b"]), ["C", "d"]);
        assert_eq!(names(&module), ["e", "g"]);
    }
}
