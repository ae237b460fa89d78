//! Help, version, exit statuses, and the links that stand for subcommands.

use clap::CommandFactory;
use propainter_cli::Cli;

use super::run;

#[test]
fn help_describes_every_subcommand_in_a_sentence() {
    let help = run(&["propainter", "--help"]);
    assert_eq!(help.status, 0, "{}", help.errors);
    assert!(help.out.contains("Exit status"), "{}", help.out);
    for subcommand in Cli::command().get_subcommands() {
        let about = subcommand.get_about().map(ToString::to_string);
        let about = about.unwrap_or_default();
        assert!(
            about.contains(' '),
            "{} has no sentence",
            subcommand.get_name()
        );
        let line = help.out.lines().find(|line| {
            let mut words = line.split_whitespace();
            words.next() == Some(subcommand.get_name())
        });
        let line = line.unwrap_or_else(|| panic!("{}", help.out));
        assert!(line.ends_with(&about), "{line}");
    }
}

#[test]
fn version_is_that_of_the_workspace() {
    let version = run(&["propainter", "--version"]);
    let expected = format!("propainter {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!((version.status, version.out), (0, expected));
}

#[cfg(feature = "networks")]
#[test]
fn a_link_that_names_a_subcommand_acts_as_it() {
    for name in [
        "run", "plan", "join", "demo", "monitor", "weights", "bench", "check", "advise",
    ] {
        let link = format!("/usr/local/bin/propainter-{name}");
        let (by_link, by_word) = (
            run(&[&link, "--help"]),
            run(&["propainter", name, "--help"]),
        );
        assert_eq!((by_link.status, &by_link.out), (0, &by_word.out));
        assert!(by_link.out.contains(&format!("Usage: propainter {name}")));
        assert_eq!(run(&[&link, "--version"]).status, 0);
        assert_eq!(run(&[&link, "--nonsense"]).status, 2);
    }
    // A renamed program is still the whole program.
    for name in ["propainter-0.1", "other", "propainter-"] {
        let help = run(&[name, "--help"]);
        assert_eq!(help.out, run(&["propainter", "--help"]).out, "{name}");
    }
}

#[cfg(feature = "networks")]
#[test]
fn errors_name_the_subcommand_and_wrong_usage_has_its_own_status() {
    let failed = run(&["propainter", "monitor", "videotestsrc ! fakesink"]);
    assert_eq!(failed.status, 1);
    assert!(
        failed.errors.starts_with("propainter monitor: "),
        "{}",
        failed.errors
    );
    for wrong in [
        &["propainter"][..],
        &["propainter", "steal"],
        &["propainter", "demo", "--frames", "0"],
        &["propainter", "demo", "--width", "15"],
        &["propainter", "demo", "--device", "gpu"],
        &["propainter", "bench", "--size", "432"],
        &["propainter", "check", "--time-limit", "0"],
        &["propainter", "check", "--device", "gpu"],
        &["propainter", "check", "--only", "steps"],
        &["propainter", "completions"],
        &["propainter", "man", "--force"],
    ] {
        let outcome = run(wrong);
        assert_eq!(outcome.status, 2, "{wrong:?}");
        assert!(!outcome.errors.is_empty() && outcome.out.is_empty());
    }
}
