//! `propainter monitor` on short pipelines.

use clap::Parser;
use propainter_cli::{
    Cli, Command,
    monitor::{Lines, play},
};

/// Returns what it writes, and the error if it failed.
pub fn monitor(arguments: &[&str]) -> (String, Option<String>) {
    let name = ["propainter", "monitor", "--interval", "10"];
    let cli = Cli::try_parse_from(name.iter().chain(arguments)).expect("valid options");
    let Command::Monitor(options) = cli.command else {
        panic!("the subcommand is monitor");
    };
    let mut out = Vec::new();
    let result = play(&options, &mut Lines(&mut out), &mut std::io::stderr());
    let text = String::from_utf8(out).expect("UTF-8");
    (text, result.err().map(|error| error.to_string()))
}

#[test]
fn monitor_shows_every_element_until_the_end() {
    let line = "videotestsrc num-buffers=40 pattern=ball \
        ! video/x-raw,format=RGB,width=96,height=64,framerate=25/1 \
        ! propainter name=first model=propagation mask-regions=<<8,8,16,16>> \
        ! propainter name=second model=propagation ! fakesink";
    let words: Vec<&str> = line.split_whitespace().collect();
    // As gst-launch-1.0 takes it: in words, or in one.
    for arguments in [&words[..], &[line]] {
        let (text, error) = monitor(arguments);
        assert_eq!(error, None);
        let last = |name: &str| {
            let line = text.lines().rfind(|line| line.starts_with(name));
            line.unwrap_or_else(|| panic!("{name} in {text}"))
        };
        for name in ["first: ", "second: "] {
            let line = last(name);
            assert!(
                line.contains("propagation 96x64: ") && line.contains("40 in, 40 out, 0 held"),
                "{line}"
            );
        }
        assert!(text.lines().count() >= 2);
    }
}

#[test]
fn monitor_plays_a_file_with_a_mask_and_writes_another() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (clip, mask, out) = (at("a clip.mp4"), at("mask.png"), at("an out.mp4"));
    super::clips::generate(&clip, 12, "mp4mux", None);
    super::clips::mask(&mask, (80, 48), [10, 10, 20, 16]);
    let path = |path: &std::path::Path| path.to_str().expect("UTF-8").to_owned();
    let (clip, mask, output) = (path(&clip), path(&mask), path(&out));
    let (text, error) = monitor(&[
        "--video",
        &clip,
        "--mask",
        &mask,
        "--output",
        &output,
        "model=propagation",
        "device=cpu",
    ]);
    assert_eq!(error, None);
    assert!(text.contains("12 in, 12 out"), "{text}");
    assert_eq!(super::clips::decoded(&out)["video/x-raw"].buffers, 12);
}

#[test]
fn monitor_fails_where_the_pipeline_does() {
    let line = "videotestsrc num-buffers=9 ! video/x-raw,format=RGB,width=96,height=64 \
        ! propainter name=inpaint model=propagation mask-location=/nonexistent/mask.png \
        ! fakesink";
    let (_, error) = monitor(&[line]);
    let error = error.expect("an error");
    assert!(
        error.contains("inpaint") && error.contains("/nonexistent/mask.png"),
        "{error}"
    );
    let (_, error) = monitor(&["videotestsrc num-buffers=9 ! fakesink"]);
    assert!(error.expect("an error").contains("propainter"));
    let (_, error) = monitor(&["videotestsrc num-buffers=9 ! nosuchelement"]);
    assert!(error.expect("an error").contains("nosuchelement"));
}
