//! Shell completions and man pages.

use std::fs;

use clap::{Command, CommandFactory};
use propainter_cli::Cli;

use super::run;

/// Returns the long options of a subcommand.
fn options(subcommand: &Command) -> Vec<String> {
    let arguments = subcommand.get_arguments().filter_map(|a| a.get_long());
    arguments.map(str::to_owned).collect()
}

/// Returns the program's subcommands, theirs too, with their names from the program's on.
fn all_subcommands() -> Vec<(String, Command)> {
    fn add(name: &str, command: &Command, all: &mut Vec<(String, Command)>) {
        for subcommand in command.get_subcommands() {
            let name = format!("{name}-{}", subcommand.get_name());
            add(&name, subcommand, all);
            all.push((name, subcommand.clone()));
        }
    }
    let mut all = Vec::new();
    add("propainter", &Cli::command(), &mut all);
    all
}

#[test]
fn completions_know_every_subcommand_and_option() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let outcome = run(&["propainter", "completions", shell]);
        assert_eq!(outcome.status, 0, "{}", outcome.errors);
        let script = outcome.out;
        for (name, subcommand) in all_subcommands() {
            let word = name.rsplit('-').next().unwrap_or_default();
            assert!(script.contains(word), "{shell}: {name}");
            for option in options(&subcommand) {
                let found = match shell {
                    "fish" => script.contains(&format!("-l {option}")),
                    _ => script.contains(&format!("--{option}")),
                };
                assert!(found, "{shell}: {name} --{option}");
            }
        }
    }
    let unknown = run(&["propainter", "completions", "cmd"]);
    assert_eq!(unknown.status, 2);
}

#[cfg(feature = "networks")]
#[test]
fn bash_accepts_its_completions_and_completes_with_them() {
    let script = run(&["propainter", "completions", "bash"]).out;
    let completed = |words: &[&str]| {
        let ask = format!(
            "{script}\nCOMP_WORDS=({} '')\nCOMP_CWORD={}\n_propainter propainter '' ''\n\
             echo \"${{COMPREPLY[@]}}\"",
            words.join(" "),
            words.len()
        );
        let output = std::process::Command::new("bash")
            .args(["-c", &ask])
            .output()
            .expect("bash runs");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    for name in [
        "run", "plan", "join", "demo", "monitor", "weights", "bench", "check", "advise",
    ] {
        assert!(completed(&["propainter"]).contains(name));
    }
    assert!(completed(&["propainter", "monitor"]).contains("--interval"));
    assert!(completed(&["propainter", "weights"]).contains("fetch"));
}

#[test]
fn man_prints_the_page_of_the_program() {
    let page = run(&["propainter", "man"]);
    assert_eq!(page.status, 0, "{}", page.errors);
    assert!(page.out.contains(".TH propainter 1"), "{}", page.out);
    for subcommand in Cli::command().get_subcommands() {
        let reference = format!("propainter\\-{}(1)", subcommand.get_name());
        assert!(page.out.contains(&reference), "{reference} in {}", page.out);
    }
}

#[test]
fn man_writes_a_page_for_every_subcommand_with_every_option() {
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("man1");
    let to = pages.to_str().expect("UTF-8");
    let written = run(&["propainter", "man", "--output", to]);
    assert_eq!(written.status, 0, "{}", written.errors);
    let read = |name: &str| {
        let page = fs::read_to_string(pages.join(format!("{name}.1")));
        page.unwrap_or_else(|error| panic!("{name}: {error}"))
    };
    read("propainter");
    let subcommands = all_subcommands();
    let count = fs::read_dir(&pages).unwrap().count();
    assert_eq!(count, subcommands.len() + 1);
    for (name, subcommand) in &subcommands {
        let page = read(name).replace("\\-", "-");
        let about = subcommand.get_about().map(ToString::to_string);
        assert!(page.contains(&about.expect("a sentence")), "{page}");
        for option in options(subcommand) {
            assert!(page.contains(&format!("--{option}")), "{option} in {page}");
        }
    }

    let refused = run(&["propainter", "man", "--output", to]);
    assert_eq!(refused.status, 1);
    assert!(refused.errors.contains("--force"), "{}", refused.errors);
    let replaced = run(&["propainter", "man", "--output", to, "--force"]);
    assert_eq!(replaced.status, 0, "{}", replaced.errors);
}

#[test]
fn meson_installs_every_page() {
    let build = include_str!("../../meson.build");
    let names = all_subcommands().into_iter().map(|(name, _)| name);
    for name in names.chain(["propainter".to_owned()]) {
        assert!(build.contains(&format!("'{name}.1'")), "{name}.1");
    }
}
