//! Budgets of the networks: what is planned, what an error says is needed.

use std::process::Output;

use gst::{ClockTime, MessageType, prelude::*};
use gst_video::VideoFormat;
use propainter_tests::golden::weights_folder;

use crate::element::support::*;
use crate::pipelines;

const MIB: u64 = 1 << 20;

/// An element with the networks, as small as they go; `None` where the weights are absent.
fn networks() -> Option<gst::Element> {
    let element = element();
    element.set_property_from_str("model", "propainter");
    element.set_property("weights", weights_folder()?.to_str().expect("UTF-8"));
    element.set_property("raft-iterations", 1u32);
    element.set_property("mask-regions", regions(&[[8, 8, 16, 16]]));
    Some(element)
}

#[test]
fn a_budget_too_small_is_an_error_that_says_what_is_needed() {
    let Some(element) = networks() else {
        return;
    };
    element.set_property("vram-budget", 1u64);
    let bus = bus(&element);
    let info = info(VideoFormat::I420, 64, 64);
    let mut harness = harness(&element, &info);
    harness.push(frame(&info, 0)).unwrap();
    let message = bus
        .timed_pop_filtered(ClockTime::from_seconds(120), &[MessageType::Error])
        .expect("an error");
    let gst::MessageView::Error(error) = message.view() else {
        unreachable!("only errors were asked for");
    };
    let text = error.error().message().to_owned();
    assert!(error.error().matches(gst::ResourceError::NoSpaceLeft));
    let details = error.details().expect("details");
    assert_eq!(details.get::<&str>("property").unwrap(), "vram-budget");
    assert_eq!(details.get::<u64>("budget").unwrap(), 1);
    let needed: u64 = details.get("needed").unwrap();
    assert!(needed > 64 * MIB, "the weights alone are more: {needed}");
    assert!(
        text.contains("vram-budget") && text.contains(&needed.to_string()),
        "{text}"
    );
}

#[test]
fn the_plan_is_posted_and_readable() {
    let Some(element) = networks() else {
        return;
    };
    let bus = bus(&element);
    let info = info(VideoFormat::I420, 64, 64);
    let mut harness = harness(&element, &info);
    harness.push(frame(&info, 0)).unwrap();
    let message = bus
        .timed_pop_filtered(ClockTime::from_seconds(120), &[MessageType::Element])
        .expect("an element message");
    let plan = message.structure().expect("its structure");
    assert_eq!(plan.name(), "propainter-plan");
    let line: String = plan.get("plan").unwrap();
    let bytes: u64 = plan.get("bytes").unwrap();
    assert!(!line.is_empty() && bytes <= plan.get::<u64>("budget").unwrap());
    assert_eq!(element.property::<String>("plan"), line);
    let stats: gst::Structure = element.property("stats");
    assert_eq!(stats.get::<String>("plan").unwrap(), line);
    assert_eq!(stats.get::<u64>("vram-planned").unwrap(), bytes);
    assert!(stats.get::<u64>("vram-budget").unwrap() >= bytes);
}

fn text(output: &Output) -> String {
    let text = [&output.stdout[..], &output.stderr].concat();
    String::from_utf8_lossy(&text).into_owned()
}

/// Runs elements with the networks and these settings, one after the other in a pipeline, in a
/// process of their own: what it takes of the host is not what other tests take.
fn launch(elements: &[&[&str]]) -> Option<Output> {
    let weights = weights_folder()?.to_str().expect("UTF-8");
    let source = "-m videotestsrc num-buffers=3 pattern=ball \
                  ! video/x-raw,format=RGB,width=64,height=64,framerate=25/1";
    let mut arguments: Vec<String> = source.split_whitespace().map(str::to_owned).collect();
    for settings in elements {
        let element = [
            "!",
            "propainter",
            "model=propainter",
            "device=cpu",
            "raft-iterations=1",
            "mask-regions=<<8,8,16,16>>",
        ];
        arguments.extend(element.map(str::to_owned));
        arguments.push(format!("weights={weights}"));
        arguments.extend(settings.iter().map(|s| (*s).to_owned()));
    }
    arguments.extend(["!", "fakesink"].map(str::to_owned));
    let mut command = pipelines::plugin().command("gst-launch-1.0");
    Some(command.args(arguments).output().expect("it runs"))
}

/// The bytes that the error for a budget of 1 says are needed.
fn needed(allow: &str) -> Option<u64> {
    let allow = format!("allow-degradation={allow}");
    let output = launch(&[&["vram-budget=1", &allow]])?;
    assert!(!output.status.success());
    let text = text(&output);
    let number = text.split("needs ").nth(1);
    let number = number.and_then(|rest| rest.split(';').next());
    Some(
        number
            .and_then(|n| n.parse().ok())
            .unwrap_or_else(|| panic!("{text}")),
    )
}

#[test]
fn what_an_error_says_is_needed_is_enough() {
    let Some(exact) = needed("none") else {
        return;
    };
    let all = needed("precision+references+window+resolution").expect("weights");
    assert!(all <= exact);
    for (budget, allow) in [
        (exact, "none"),
        (all, "precision+references+window+resolution"),
    ] {
        let settings = [
            format!("vram-budget={budget}"),
            format!("allow-degradation={allow}"),
        ];
        let output = launch(&[&settings.each_ref().map(String::as_str)]).expect("weights");
        let text = text(&output);
        assert!(output.status.success(), "{budget} bytes: {text}");
        assert_eq!(
            text.contains("propainter-degraded"),
            budget < exact,
            "{text}"
        );
    }
}

#[test]
fn two_elements_keep_to_their_budgets_in_one_pipeline() {
    let budget = &["vram-budget=2147483648"][..];
    let Some(output) = launch(&[budget, budget]) else {
        return;
    };
    let text = text(&output);
    assert!(output.status.success(), "{text}");
    assert_eq!(text.matches("propainter-plan").count(), 2, "{text}");
}
