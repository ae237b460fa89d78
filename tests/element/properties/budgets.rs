//! Budgets: the properties, the presets, the messages and the errors.

use gst::{MessageType, prelude::*};
use gst_video::VideoFormat;
use propainter_tests::alone::alone;

use crate::element::support::*;
use crate::pipelines;

const MIB: u64 = 1 << 20;
/// The presets, and the memory of their GPUs in GiB.
const PRESETS: [(&str, u64); 6] = [
    ("4gb", 4),
    ("6gb", 6),
    ("8gb", 8),
    ("12gb", 12),
    ("16gb", 16),
    ("24gb", 24),
];

/// The nick of a property's value.
fn nick(element: &gst::Element, property: &str) -> String {
    let value = element.property_value(property);
    let (_, value) = gst::glib::EnumValue::from_value(&value).expect("an enumeration");
    value.nick().to_owned()
}

/// The nicks of the flags that are set in a property's value, joined with `+`.
fn flags(element: &gst::Element, property: &str) -> String {
    let value = element.property_value(property);
    let (_, values) = gst::glib::FlagsValue::from_value(&value).expect("flags");
    let set = values.iter().filter(|flag| flag.value() != 0);
    match set.map(|flag| flag.nick()).collect::<Vec<_>>().join("+") {
        none if none.is_empty() => "none".to_owned(),
        nicks => nicks,
    }
}

#[test]
fn memory_has_these_defaults() {
    let element = element();
    assert_eq!(element.property::<u64>("vram-budget"), 0);
    assert_eq!(element.property::<u64>("vram-reserve"), 512 * MIB);
    assert_eq!(element.property::<u64>("host-budget"), 0);
    assert_eq!(nick(&element, "precision"), "auto");
    assert_eq!(
        flags(&element, "allow-degradation"),
        "precision+references+window+resolution+effort"
    );
    assert_eq!(element.property::<Option<String>>("plan"), None);
}

#[test]
fn memory_is_read_from_a_launch_line_and_back() {
    init();
    let element = gst::parse::launch(
        "propainter vram-budget=3221225472 vram-reserve=1 host-budget=7 precision=bf16 \
         allow-degradation=window+precision",
    )
    .unwrap();
    assert_eq!(element.property::<u64>("vram-budget"), 3072 * MIB);
    assert_eq!(element.property::<u64>("vram-reserve"), 1);
    assert_eq!(element.property::<u64>("host-budget"), 7);
    assert_eq!(nick(&element, "precision"), "bf16");
    assert_eq!(flags(&element, "allow-degradation"), "precision+window");
}

#[test]
fn degradations_are_flags_and_none_forbids_all() {
    let element = element();
    let allowed = || flags(&element, "allow-degradation");
    for text in [
        "references",
        "precision+resolution",
        "none",
        "precision+references+window+resolution+effort",
    ] {
        element.set_property_from_str("allow-degradation", text);
        assert_eq!(allowed(), text);
        // As a preset is saved and loaded.
        let saved = element.property_value("allow-degradation").serialize();
        element.set_property_from_str("allow-degradation", "none");
        element.set_property_from_str("allow-degradation", &saved.unwrap());
        assert_eq!(allowed(), text);
    }
    let specification = element.find_property("allow-degradation").unwrap();
    for bad in ["colour", "references+colour", "all", "references;window"] {
        let value = gst::glib::Value::deserialize_with_pspec(bad, &specification);
        assert!(value.is_err(), "{bad}");
    }
}

#[test]
fn a_budget_reads_back_as_it_was_set() {
    let element = element();
    for bytes in [0, 1, 100 * MIB, u64::MAX] {
        element.set_property("vram-budget", bytes);
        assert_eq!(element.property::<u64>("vram-budget"), bytes);
    }
    element.set_property("vram-budget", 0u64);
    element.set_property("vram-reserve", 1024 * MIB);
    assert_eq!(element.property::<u64>("vram-budget"), 0);
}

/// GStreamer reads the path of presets once at its start, so this needs a process of its own; with
/// `GST_PRESET_PATH` set, presets are read from there.
#[test]
fn presets_set_the_budget_of_each_gpu_size() {
    let data = tempfile::tempdir().unwrap();
    let path = std::env::var("GST_PRESET_PATH");
    let environment = [
        (
            "GST_PRESET_PATH",
            path.as_deref().unwrap_or(pipelines::PRESETS),
        ),
        ("XDG_DATA_HOME", data.path().to_str().unwrap()),
    ];
    if !alone(
        "element::properties::budgets::presets_set_the_budget_of_each_gpu_size",
        &environment,
    ) {
        return;
    }
    let element = element();
    let presets = element.dynamic_cast_ref::<gst::Preset>().unwrap();
    let mut names: Vec<_> = presets
        .preset_names()
        .iter()
        .map(|n| n.to_string())
        .collect();
    let mut expected = PRESETS.map(|(name, _)| name.to_owned());
    names.sort();
    expected.sort();
    assert_eq!(names, expected);
    for (name, gibibytes) in PRESETS {
        element.set_property("vram-budget", 5u64);
        element.set_property_from_str("allow-degradation", "none");
        element.set_property("vram-reserve", 7u64);
        presets.load_preset(name).unwrap();
        let budget = (gibibytes << 30) - 512 * MIB;
        assert_eq!(element.property::<u64>("vram-budget"), budget);
        assert_eq!(element.property::<u64>("vram-reserve"), 512 * MIB);
        assert_eq!(
            flags(&element, "allow-degradation"),
            "precision+references+window+resolution+effort"
        );
    }
}

#[test]
fn stats_hold_the_memory_and_the_queue() {
    let element = element();
    let info = info(VideoFormat::I420, 48, 32);
    let mut harness = harness(&element, &info);
    for i in 0..12 {
        harness.push(frame(&info, i)).unwrap();
    }
    harness.push_event(gst::event::Eos::new());
    harness.pull().unwrap();
    let stats: gst::Structure = element.property("stats");
    for name in [
        "vram-budget",
        "vram-planned",
        "vram-used",
        "vram-peak",
        "vram-by-driver",
        "host-budget",
        "host-planned",
        "host-used",
        "host-peak",
        "out-of-memory",
        "plans-regrown",
    ] {
        assert!(stats.get::<u64>(name).is_ok(), "{name} in {stats}");
    }
    // The classical engine uses no device.
    assert_eq!(stats.get::<&str>("vram-meter").unwrap(), "none");
    let plan = stats.get::<&str>("plan").unwrap();
    assert_eq!(plan, "48x32 lookahead=10 past=70");
    assert_eq!(stats.get::<&str>("degraded").unwrap(), "");
    let bytes = |name: &str| stats.get::<u64>(name).unwrap();
    assert!(bytes("host-used") <= bytes("host-peak"), "{stats}");
    assert!(bytes("host-peak") <= bytes("host-planned"), "{stats}");
    assert!(bytes("host-planned") <= bytes("host-budget"), "{stats}");
    let parts: u32 = ["waiting", "computing", "ready"]
        .iter()
        .map(|name| stats.get::<u32>(*name).unwrap())
        .sum();
    assert_eq!(stats.get::<u32>("held").unwrap(), parts);
}

/// The classical engine within a budget of the host's memory, over 60 frames: what it says at
/// its end, or the error.
fn within(budget: u64, allow: &str) -> (gst::Structure, Vec<gst::Message>) {
    let element = element();
    element.set_property("host-budget", budget);
    element.set_property_from_str("allow-degradation", allow);
    element.set_property("mask-regions", regions(&[[8, 8, 100, 60]]));
    let bus = bus(&element);
    let info = info(VideoFormat::I420, 320, 240);
    let mut harness = harness(&element, &info);
    let mut sent = 0;
    for i in 0..60 {
        sent += u32::from(harness.push(frame(&info, i)).is_ok());
    }
    harness.push_event(gst::event::Eos::new());
    let kinds = [MessageType::Element, MessageType::Error];
    let mut messages: Vec<_> = std::iter::from_fn(|| bus.pop_filtered(&kinds)).collect();
    let failed = |messages: &[gst::Message]| {
        messages
            .iter()
            .any(|message| message.type_() == MessageType::Error)
    };
    while !failed(&messages) && sent > 0 {
        harness.pull().expect("a frame");
        sent -= 1;
        messages.extend(std::iter::from_fn(|| bus.pop_filtered(&kinds)));
    }
    // The last one is counted a little after it is here.
    let stats = || element.property::<gst::Structure>("stats");
    while !failed(&messages) && stats().get::<u64>("frames-out").unwrap() < 60 {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    (stats(), messages)
}

#[test]
fn the_classical_engine_keeps_to_the_budget_of_the_host() {
    let bytes = |stats: &gst::Structure, name: &str| stats.get::<u64>(name).unwrap();
    let names = |messages: &[gst::Message]| -> Vec<String> {
        let structures = messages.iter().filter_map(|message| message.structure());
        structures
            .map(|structure| structure.name().to_string())
            .collect()
    };
    let (stats, messages) = within(0, "none");
    assert_eq!(names(&messages), ["propainter-plan"]);
    let all = bytes(&stats, "host-planned");
    let (stats, messages) = within(all / 2, "window");
    assert_eq!(names(&messages), ["propainter-degraded", "propainter-plan"]);
    assert_eq!(bytes(&stats, "host-budget"), all / 2);
    assert!(bytes(&stats, "host-planned") <= all / 2, "{stats}");
    assert!(bytes(&stats, "host-peak") <= all / 2, "{stats}");
    assert_eq!(stats.get::<&str>("degraded").unwrap(), "window");
    assert_eq!(bytes(&stats, "frames-out"), 60);
    let degraded = messages[0].structure().unwrap();
    assert_eq!(degraded.get::<&str>("step").unwrap(), "window");
    assert_eq!(
        degraded.get::<&str>("from").unwrap(),
        "lookahead=10 past=70"
    );
}

#[test]
fn a_budget_of_the_host_too_small_is_an_error_that_says_what_is_enough() {
    for allow in ["none", "window", "window+resolution"] {
        let mut budget = 1;
        let mut errors = 0;
        // At the start no hole is known yet.
        let (stats, _) = loop {
            let (stats, messages) = within(budget, allow);
            let error = messages.iter().find_map(|message| match message.view() {
                gst::MessageView::Error(error) => Some(error),
                _ => None,
            });
            let Some(error) = error else {
                break (stats, messages);
            };
            errors += 1;
            assert!(errors < 3, "what it says is not enough: {budget}");
            assert!(error.error().matches(gst::ResourceError::NoSpaceLeft));
            let details = error.details().expect("details");
            assert_eq!(details.get::<&str>("property").unwrap(), "host-budget");
            let needed: u64 = details.get("needed").unwrap();
            assert!(needed > budget);
            let text = error.error().message().to_owned();
            assert!(text.contains("host-budget") && text.contains(&needed.to_string()));
            budget = needed;
        };
        assert!(errors > 0, "one byte is enough?");
        assert_eq!(stats.get::<u64>("frames-out").unwrap(), 60, "{allow}");
        assert!(stats.get::<u64>("host-peak").unwrap() <= budget);
    }
}

/// Most bytes resident of a process that runs this pipeline.
fn resident(pipeline: &str) -> u64 {
    let arguments = pipeline.split_whitespace();
    let mut command = pipelines::plugin().command("gst-launch-1.0");
    let mut child = command.arg("-q").args(arguments).spawn().expect("it runs");
    let status = format!("/proc/{}/status", child.id());
    let mut most = 0;
    loop {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kibibytes = line.and_then(|line| line.trim().split(' ').next()?.parse::<u64>().ok());
        most = kibibytes.unwrap_or(0).max(most);
        if let Some(status) = child.try_wait().expect("it is ours") {
            assert!(status.success(), "{pipeline}");
            return most * 1024;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

#[test]
fn what_is_resident_is_what_is_budgeted_and_a_process() {
    let run = |format: &str, element: &str| {
        resident(&format!(
            "videotestsrc pattern=ball num-buffers=60 \
             ! video/x-raw,format={format},width=960,height=544,framerate=25/1 \
             ! propainter model=propagation mask-regions=<<40,40,200,100>> {element} ! fakesink"
        ))
    };
    let process = resident(
        "videotestsrc num-buffers=3 ! video/x-raw,width=64,height=48 \
         ! propainter model=propagation mask-regions=<<4,4,8,8>> ! fakesink",
    );
    for (format, element, budget) in [
        ("I420", "host-budget=80000000", 80),
        ("RGBA", "host-budget=120000000 mode=sliding", 120),
        ("I420_10LE", "host-budget=160000000", 160),
    ] {
        let most = run(format, element) - process;
        println!("{format} {element}: {} MB", most / 1_000_000);
        // What the allocator keeps, and the source's own buffers.
        assert!(most < budget * 1_250_000, "{format} {element}: {most}");
    }
}
