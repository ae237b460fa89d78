//! Finds which file uses which: resolves the paths of a crate to the files that define them.

use std::collections::{BTreeMap, BTreeSet};

use super::source::{self, Module};

/// Returns the pairs of files of which the first uses the second, for the crate whose root is the
/// file `root` of `files` (text by path). Modules that are for tests alone are left out.
///
/// A path leads to the file that defines its name, through `use` in the modules on its way. What a
/// name that comes in by `*` refers to is not followed: the module behind the `*` counts.
pub fn uses(files: &BTreeMap<String, String>, root: &str) -> BTreeSet<(String, String)> {
    let mut tree = Tree::default();
    if let Some(text) = files.get(root) {
        tree.add(files, None, root, folder_of(root), source::parse(text));
    }
    let mut pairs = BTreeSet::new();
    for (at, node) in tree.nodes.iter().enumerate() {
        let imports = node.module.imports.iter().map(|import| &import.path);
        for path in imports.chain(&node.module.paths) {
            let target = tree.resolve(at, path, &mut BTreeSet::new());
            if let Some(target) = target.map(|target| tree.file(target))
                && target != node.file
            {
                pairs.insert((node.file.clone(), target.to_owned()));
            }
        }
    }
    pairs
}

/// Returns the folder of a file with `/` behind it, or nothing.
fn folder_of(file: &str) -> String {
    file.rfind('/')
        .map_or_else(String::new, |at| file[..=at].to_owned())
}

/// The modules of a crate; the first is its root.
#[derive(Default)]
struct Tree {
    nodes: Vec<Node>,
}

struct Node {
    file: String,
    parent: Option<usize>,
    children: BTreeMap<String, usize>,
    module: Module,
}

#[derive(Clone, Copy)]
enum Target {
    Module(usize),
    /// An item of this module.
    Item(usize),
}

impl Tree {
    /// Adds a module and those below it. `folder` is where files of its modules are.
    fn add(
        &mut self,
        files: &BTreeMap<String, String>,
        parent: Option<usize>,
        file: &str,
        folder: String,
        mut module: Module,
    ) -> usize {
        let at = self.nodes.len();
        let blocks = std::mem::take(&mut module.blocks);
        let names = module.files.clone();
        self.nodes.push(Node {
            file: file.to_owned(),
            parent,
            children: BTreeMap::new(),
            module,
        });
        for (name, block) in blocks {
            let inner = format!("{folder}{name}/");
            let child = self.add(files, Some(at), file, inner, block);
            self.nodes[at].children.insert(name, child);
        }
        for name in names {
            let places = [
                format!("{folder}{name}.rs"),
                format!("{folder}{name}/mod.rs"),
            ];
            let found = places.into_iter().find(|place| files.contains_key(place));
            if let Some(path) = found {
                let inner = format!("{folder}{name}/");
                let module = source::parse(&files[&path]);
                let child = self.add(files, Some(at), &path, inner, module);
                self.nodes[at].children.insert(name, child);
            }
        }
        at
    }

    fn file(&self, target: Target) -> &str {
        let (Target::Module(at) | Target::Item(at)) = target;
        &self.nodes[at].file
    }

    /// Returns what a path in module `from` leads to; `None` where that is another crate's.
    /// `seen` holds the names that are being looked up.
    fn resolve(
        &self,
        from: usize,
        path: &[String],
        seen: &mut BTreeSet<(usize, String)>,
    ) -> Option<Target> {
        let (first, rest) = path.split_first()?;
        let mut target = match first.as_str() {
            "crate" => Target::Module(0),
            "self" => Target::Module(from),
            "super" => Target::Module(self.nodes[from].parent?),
            name => self.look_up(from, name, seen)?,
        };
        for name in rest {
            let Target::Module(at) = target else {
                break;
            };
            target = match name.as_str() {
                "super" => Target::Module(self.nodes[at].parent?),
                name => {
                    // A macro may define what is not found.
                    let found = self.look_up(at, name, seen);
                    found.unwrap_or(Target::Item(at))
                }
            };
        }
        Some(target)
    }

    /// Returns what `name` is in a module; `None` where it is not known there.
    fn look_up(
        &self,
        at: usize,
        name: &str,
        seen: &mut BTreeSet<(usize, String)>,
    ) -> Option<Target> {
        let node = &self.nodes[at];
        if let Some(child) = node.children.get(name) {
            return Some(Target::Module(*child));
        }
        if node.module.items.contains(name) {
            return Some(Target::Item(at));
        }
        if !seen.insert((at, name.to_owned())) {
            return None;
        }
        let imports = || node.module.imports.iter();
        let named = imports().filter(|import| import.name.as_deref() == Some(name));
        let mut found = named.filter_map(|import| self.resolve(at, &import.path, seen));
        if let Some(target) = found.next() {
            return Some(target);
        }
        let globs = imports().filter(|import| import.name.is_none());
        for glob in globs {
            if let Some(Target::Module(inner)) = self.resolve(at, &glob.path, seen)
                && let Some(target) = self.look_up(inner, name, seen)
            {
                return Some(target);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(files: &[(&str, &str)]) -> Vec<String> {
        let own = |(path, text): &(&str, &str)| ((*path).to_owned(), (*text).to_owned());
        let files = files.iter().map(own).collect();
        let pairs = uses(&files, "lib.rs").into_iter();
        pairs.map(|(from, to)| format!("{from} > {to}")).collect()
    }

    #[test]
    fn names_lead_to_the_file_that_defines_them() {
        let files = [
            ("lib.rs", "mod a; mod b; pub use b::c::{D, E as F};"),
            ("a.rs", "use crate::{D, F, b::Again}; use std::fmt;"),
            ("b/mod.rs", "mod c; pub use self::c::*;"),
            (
                "b/c.rs",
                "pub struct D; pub struct E; pub struct Again; fn f() { super::super::a::g() }",
            ),
        ];
        assert_eq!(
            pairs(&files),
            [
                "a.rs > b/c.rs",
                "b/c.rs > a.rs",
                "b/mod.rs > b/c.rs",
                "lib.rs > b/c.rs",
            ]
        );
    }

    #[test]
    fn imported_modules_are_followed_in_code() {
        let files = [
            ("lib.rs", "mod a; mod b;"),
            ("a.rs", "use crate::b; fn f() { b::c::g(); std::mem::h() }"),
            ("b.rs", "pub mod c; mod inner { fn f() { super::c::g() } }"),
            ("b/c.rs", "m!(pub fn g() {});"),
        ];
        assert_eq!(
            pairs(&files),
            ["a.rs > b.rs", "a.rs > b/c.rs", "b.rs > b/c.rs"]
        );
    }

    #[test]
    fn circles_of_imports_end() {
        let files = [
            ("lib.rs", "mod a; mod b;"),
            ("a.rs", "pub use crate::b::*; pub use crate::b::x;"),
            ("b.rs", "pub use crate::a::*; pub use crate::a::x;"),
        ];
        assert_eq!(pairs(&files), ["a.rs > b.rs", "b.rs > a.rs"]);
    }
}
