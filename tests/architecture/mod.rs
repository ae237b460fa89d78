//! The source's layout: no circles of imports, no crowded folder, no long file.

mod folders;
mod known;
mod source;
mod tokens;
mod uses;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use folders::{circles, reasons};
use uses::uses;

/// Most source files side by side.
const SIDE_BY_SIDE: usize = 12;
/// Most lines of a file; from `LONG` on it is told.
const LINES: usize = 500;
const LONG: usize = 400;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Reads the Rust files under a folder, by their path below it.
fn read(folder: &Path) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).expect("a folder of the repository") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(folder).expect("it is below");
                let text = fs::read_to_string(&path).expect("readable source");
                files.insert(name.display().to_string(), text);
            }
        }
    }
    files
}

/// The folders of all crates' sources, tests and benchmarks left out.
fn crates() -> Vec<String> {
    let entries = fs::read_dir(root()).expect("the repository");
    let names = entries.map(|entry| entry.expect("an entry").file_name());
    let mut names: Vec<_> = names
        .map(|name| format!("{}/src", name.display()))
        .filter(|name| root().join(name).is_dir())
        .collect();
    names.sort();
    assert!(names.len() >= 4, "{names:?}");
    names
}

/// Fails unless both are the same, and says what is new and what can be taken off the list.
fn assert_same(what: &str, found: &BTreeSet<String>, listed: &[&str], why: &str) {
    let listed: BTreeSet<String> = listed.iter().map(|&line| line.to_owned()).collect();
    let lines = |a: &BTreeSet<String>, b: &BTreeSet<String>| {
        let lines = a.difference(b).map(|line| format!("    {line:?},\n"));
        lines.collect::<String>()
    };
    assert!(
        *found == listed,
        "{what} that tests/architecture/known.rs does not list:\n{}listed there and gone:\n{}{why}",
        lines(found, &listed),
        lines(&listed, found),
    );
}

/// What [`circles`] calls a circle is in none of the crates, but for the known ones.
#[test]
fn nothing_in_a_folder_uses_its_user() {
    let mut found = BTreeSet::new();
    let mut why = String::new();
    let tests = ["tests/support", "tests/virtual-gpu/src"].map(str::to_owned);
    for name in crates().into_iter().chain(tests) {
        let files = read(&root().join(&name));
        for root in ["lib.rs", "main.rs"] {
            let uses = uses(&files, root);
            for circle in circles(&uses) {
                let folder = format!("{name}/{}", circle.folder);
                found.insert(format!("{folder}: {}", circle.entries.join(" ")));
                let lines = reasons(&circle, &uses);
                why += &format!("{folder}\n  {}\n", lines.join("\n  "));
            }
        }
    }
    assert_same("circles", &found, known::CIRCLES, &why);
}

#[test]
fn folders_and_files_are_small() {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut long = BTreeSet::new();
    let own = ["tests", "benches"].map(str::to_owned);
    for name in crates().into_iter().chain(own) {
        for (path, text) in read(&root().join(&name)) {
            let path = format!("{name}/{path}");
            let folder = &path[..path.rfind('/').unwrap_or(0)];
            *counts.entry(folder.to_owned()).or_default() += 1;
            let lines = text.lines().count();
            if lines > LONG {
                println!("{path}: {lines} lines");
            }
            if lines > LINES {
                long.insert(path);
            }
        }
    }
    let crowded = counts
        .into_iter()
        .filter(|(_, count)| *count > SIDE_BY_SIDE);
    let crowded = crowded.map(|(folder, count)| format!("{folder}: {count}"));
    assert_same("folders", &crowded.collect(), known::CROWDED, "");
    assert_same("files", &long, known::LONG, "");
}
