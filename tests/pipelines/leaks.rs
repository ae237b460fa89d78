//! What GStreamer's tracer finds alive when a program ends.

use std::{
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use super::{plugin, scripts::FAST};

fn launch(words: &[&str]) -> Command {
    let mut command: Command = plugin().command("gst-launch-1.0");
    command.args(words).args(FAST);
    command.args(["mask-regions=<<8,8,16,16>>", "!", "fakesink"]);
    command.env("GST_TRACERS", "leaks");
    command.env("GST_DEBUG", "GST_TRACER:7");
    command.env("GST_DEBUG_NO_COLOR", "1");
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Fails if something is alive at the end.
fn assert_no_leak(mut command: Command, interrupted: bool) {
    let child = command.spawn().expect("it starts");
    if interrupted {
        // The middle of a stream, on any machine; how much of it has passed does not matter.
        thread::sleep(Duration::from_millis(1500));
        let mut kill = Command::new("kill");
        let killed = kill.arg("-INT").arg(child.id().to_string()).status();
        let killed = killed.expect("kill is there");
        assert!(killed.success());
    }
    let output = child.wait_with_output().expect("it ends");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("object-alive"), "no tracer at work: {text}");
    // Not those that tell how such lines will look.
    let is_alive = |line: &&str| line.contains("object-alive,") && !line.contains("format");
    let alive: Vec<_> = text.lines().filter(is_alive).collect();
    assert!(alive.is_empty(), "{alive:#?}");
}

#[test]
fn nothing_is_alive_after_the_end_of_a_stream() {
    let source = "videotestsrc num-buffers=60 ! video/x-raw,width=64,height=48 ! propainter";
    let words: Vec<_> = source.split(' ').collect();
    assert_no_leak(launch(&words), false);
}

#[test]
fn nothing_is_alive_after_an_interruption() {
    for end in [&["-e"][..], &[]] {
        let source = "videotestsrc is-live=true ! video/x-raw,width=64,height=48 ! propainter";
        let words: Vec<_> = end.iter().copied().chain(source.split(' ')).collect();
        assert_no_leak(launch(&words), true);
    }
}
