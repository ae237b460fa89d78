//! `PROPAINTER_CPU` as a user of the element meets it.

use propainter::internals::isa::{Isa, VARIABLE};
use propainter_tests::alone::alone;

use crate::element::{bus::failures::fails, support::element};
use crate::pipelines;

#[test]
fn an_unknown_instruction_set_is_one_error_that_names_the_variable() {
    let name =
        "element::properties::cpu::an_unknown_instruction_set_is_one_error_that_names_the_variable";
    if !alone(name, &[(VARIABLE, "sse9")]) {
        return;
    }
    let (text, kind) = fails(&element());
    assert!(kind.matches(gst::LibraryError::Settings), "{kind}");
    let has: Vec<_> = Isa::all().iter().map(|isa| isa.name()).collect();
    let has = has.join(", ");
    assert_eq!(
        text,
        format!(
            "{VARIABLE}: 'sse9' is no instruction set; unset the variable or name one of {has}"
        )
    );
}

#[test]
fn the_instruction_set_in_use_is_logged_once() {
    let words = "-q videotestsrc num-buffers=2 \
                 ! video/x-raw,format=RGB,width=64,height=64 \
                 ! propainter model=propagation mask-regions=<<8,8,16,16>> \
                 ! propainter model=propagation mask-regions=<<32,8,16,16>> ! fakesink";
    for isa in Isa::all() {
        let output = pipelines::plugin()
            .command("gst-launch-1.0")
            .args(words.split_whitespace())
            .env(VARIABLE, isa.name())
            .env("GST_DEBUG", "propainter:INFO")
            .env("GST_DEBUG_NO_COLOR", "1")
            .output()
            .expect("it runs");
        let log = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{log}");
        let lines: Vec<_> = log
            .lines()
            .filter(|l| l.contains("instruction set"))
            .collect();
        let expected = format!("set {isa}: forced by {VARIABLE}");
        assert!(
            lines.len() == 1 && lines[0].contains(&expected),
            "{lines:?}"
        );
    }
}
