//! `propainter check`: on the CPU with small frames, without a card, and within its time.

use std::{fs, path::Path, time::Instant};

use serde_json::Value;

use super::{Outcome, run};

pub fn check(folder: &Path, more: &[&str]) -> (Outcome, Value) {
    let report = folder.to_str().expect("UTF-8");
    let outcome = run(&[&["propainter", "check", "--report", report], more].concat());
    let json = fs::read(folder.join("report.json")).expect("a report");
    let json: Value = serde_json::from_slice(&json).expect("JSON");
    let table = fs::read_to_string(folder.join("report.txt")).expect("a table");
    for step in steps(&json) {
        let name = step["name"].as_str().expect("a name");
        let line = table.lines().find(|line| line.contains(name));
        let line = line.unwrap_or_else(|| panic!("{name} in {table}"));
        assert!(line.starts_with(step["status"].as_str().expect("a status")));
        assert!(outcome.out.contains(line), "{line}");
    }
    (outcome, json)
}

pub fn steps(report: &Value) -> &[Value] {
    report["steps"].as_array().expect("steps")
}

#[test]
fn the_cpu_passes_the_check() {
    let folder = tempfile::tempdir().unwrap();
    let more = ["--device", "cpu", "--quick", "--time-limit", "600"];
    let (outcome, report) = check(folder.path(), &more);
    assert_eq!(outcome.status, 0, "{}\n{}", outcome.errors, outcome.out);
    assert_eq!(report["format"], 1);
    assert_eq!(report["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(report["state"], "complete");
    assert_eq!(report["right"], true);
    assert_eq!(report["failed"], 0);
    assert_eq!(report["not_run"], 0);
    assert_eq!(report["passed"], steps(&report).len());
    for (section, key) in [
        ("device", "threads"),
        ("kernels", "error"),
        ("networks", "error"),
        ("speed", "frames_per_second"),
        ("layers", "milliseconds"),
    ] {
        let step = steps(&report)
            .iter()
            .find(|step| step["section"] == section);
        let step = step.unwrap_or_else(|| panic!("{section} in {report}"));
        assert!(!step["values"][key].is_null(), "{key} in {step}");
    }
}

#[test]
fn a_card_that_is_absent_is_a_sentence_that_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let (outcome, report) = check(folder.path(), &["--device", "cuda:4096"]);
    assert_eq!(outcome.status, 1);
    assert!(
        outcome.errors.starts_with("propainter check: "),
        "{}",
        outcome.errors
    );
    assert_eq!(outcome.errors.lines().count(), 1, "{}", outcome.errors);
    assert_eq!(report["right"], false);
    let problem = steps(&report)[1]["problem"].as_str().expect("a problem");
    assert!(problem.contains("driver"), "{problem}");
}

#[test]
fn a_check_can_be_limited_to_some_sections() {
    let folder = tempfile::tempdir().unwrap();
    let more = ["--device", "cpu", "--only", "kernels"];
    let (outcome, report) = check(folder.path(), &more);
    assert_eq!(outcome.status, 0, "{}", outcome.errors);
    assert_eq!(report["only"], serde_json::json!(["kernels"]));
    let sections = steps(&report).iter().map(|step| &step["section"]);
    assert!(sections.skip(2).all(|section| section == "kernels"));
}

#[test]
fn what_does_not_fit_into_the_time_is_listed_as_not_run() {
    let folder = tempfile::tempdir().unwrap();
    let start = Instant::now();
    let (outcome, report) = check(folder.path(), &["--device", "cpu", "--time-limit", "1"]);
    assert_eq!(outcome.status, 1);
    assert!(outcome.errors.contains("not run"), "{}", outcome.errors);
    assert!(start.elapsed().as_secs() < 60);
    assert_eq!(report["right"], false);
    // Everything that was to run is there, in its order.
    let last = steps(&report).last().expect("steps");
    assert_eq!(
        (&last["section"], &last["status"]),
        (&"layers".into(), &"not run".into())
    );
}
