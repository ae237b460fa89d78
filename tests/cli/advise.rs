//! `propainter advise`: settings fit their card by the planner of the engine, and prices are sorted.

use std::fs;

use propainter_cli::advise::{Fit, OFFICIAL, Wish, cards::Machine, plan::fit};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::run;

/// What is left of a card for others.
const RESERVE: u64 = 512 << 20;

/// The guide's table: frames and the card that it recommends for them.
const GUIDE: [((usize, usize), &str); 8] = [
    ((320, 240), "gtx1060"),
    ((320, 240), "gtx1070"),
    ((640, 480), "rtx2080ti"),
    ((640, 480), "rtx3080"),
    ((720, 480), "rtx3080"),
    ((720, 480), "rtx3090"),
    ((1280, 720), "a6000"),
    ((1280, 720), "a100"),
];

/// Its tiers: GB and frames.
const TIERS: [(&str, (usize, usize)); 4] = [
    ("4gb", (320, 240)),
    ("6gb", (480, 360)),
    ("8gb", (640, 480)),
    ("12gb", (1280, 720)),
];

fn machine(name: &str) -> Machine {
    Machine::named(name, 1).expect("a known name")
}

/// The fit of whole frames.
fn whole(name: &str, size: (usize, usize), wish: Wish) -> Fit {
    let fit = fit(&machine(name), wish, size, &[size], u64::MAX).expect("it fits");
    let memory = machine(name).memory().expect("a card");
    assert!(fit.device <= memory - RESERVE, "{name} {size:?}: {fit:?}");
    fit
}

#[test]
fn every_row_of_the_guide_fits_its_card_with_nothing_given_up() {
    for (name, size) in GUIDE
        .map(|(size, name)| (name, size))
        .into_iter()
        .chain(TIERS)
    {
        let fit = whole(name, size, Wish::default());
        assert_eq!(fit.given_up, [""; 0], "{name} {size:?}");
        assert_eq!((fit.windows, &fit.views[..]), (OFFICIAL, &[size][..]));
        assert!(fit.half);
    }
}

#[test]
fn a_smaller_card_takes_a_slower_plan_and_then_lower_settings() {
    let [small, large] = ["4gb", "24gb"].map(|tier| whole(tier, (1280, 720), Wish::default()));
    assert!(small.slowness > large.slowness && small.device < large.device);
    assert!(
        !whole("2gb", (1920, 1080), Wish::default())
            .given_up
            .is_empty()
    );
}

#[test]
fn what_is_wished_for_is_planned() {
    let full = Wish {
        full: true,
        ..Wish::default()
    };
    let mut short = Wish::default();
    short.windows.neighbor_length = 5;
    let fits = [full, Wish::default(), short].map(|wish| whole("24gb", (640, 480), wish));
    assert!(fits[0].device > fits[1].device);
    assert!(!fits[0].half && fits[2].windows == short.windows);
}

#[test]
fn views_share_the_card() {
    let view = (432, 240);
    let of = |views: &[_]| {
        fit(
            &machine("8gb"),
            Wish::default(),
            (1920, 1080),
            views,
            u64::MAX,
        )
    };
    let (one, two) = (of(&[view]).expect("fits"), of(&[view, view]).expect("fits"));
    assert_eq!(two.views.len(), 2);
    assert!(two.device > one.device && two.device <= (8 << 30) - RESERVE);
}

#[test]
fn what_does_not_fit_tells_what_it_needs() {
    let full = (1920, 1080);
    let needed = fit(&machine("cpu"), Wish::default(), full, &[full], 100 << 20);
    let needed = needed.expect_err("it is too little");
    assert!((1 << 28..64 << 30).contains(&needed), "{needed}");
}

fn advise(more: &[&str]) -> Value {
    let words = [
        "propainter",
        "advise",
        "--json",
        "--size",
        "1280x720",
        "--frames",
        "500",
    ];
    let outcome = run(&[&words[..], more].concat());
    assert_eq!((outcome.status, &*outcome.errors), (0, ""), "{more:?}");
    serde_json::from_str(&outcome.out).expect("JSON")
}

#[test]
fn a_faster_card_takes_less_time_and_a_size_alone_has_none() {
    let json = advise(&["--card", "rtx3060,rtx4090,8gb", "--deadline", "1min"]);
    let seconds = |i: usize| json["advice"][i]["seconds"].as_f64();
    let (slow, fast) = (seconds(0).expect("known"), seconds(1).expect("known"));
    assert!(slow > 3.0 * fast && fast > 1.0, "{slow} {fast}");
    assert_eq!(json["advice"][0]["basis"], "estimate");
    assert_eq!(json["advice"][0]["machines"], (slow / 60.0).ceil() as u64);
    assert_eq!(seconds(2), None);
    assert_eq!(json["advice"][2]["fits"], true);
    let untried = advise(&["--card", "v100"]);
    assert_eq!(untried["advice"][0]["untried"], true);
}

#[test]
fn a_hole_of_a_part_is_cropped_unless_whole_frames_are_wanted() {
    let card = ["--card", "rtx3060", "--mask-share", "0.02"];
    let [crop, whole] = [&[][..], &["--whole"]].map(|more| advise(&[&card[..], more].concat()));
    assert_eq!(crop["advice"][0]["settings"]["crop-mode"], "crop");
    assert!(whole["advice"][0]["settings"]["crop-mode"].is_null());
    let seconds = |json: &Value| json["advice"][0]["seconds"].as_f64().expect("known");
    assert!(3.0 * seconds(&crop) < seconds(&whole));
    let half = ["--mask-frames", "0.5"];
    let half = advise(&[&card[..], &half].concat());
    assert!((seconds(&half) / seconds(&crop) - 0.5).abs() < 0.1);
}

#[test]
fn prices_are_sorted_and_a_report_counts_for_its_card() {
    let prices = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/prices.toml");
    let estimated = advise(&["--card", "cpu", "--prices", prices, "--deadline", "10min"]);
    let offers = |json: &Value| json["offers"].as_array().cloned().expect("offers");
    let costs: Vec<_> = offers(&estimated)
        .iter()
        .map(|o| o["cost"].as_f64())
        .collect();
    assert!(costs.len() > 15 && costs.is_sorted(), "{costs:?}");
    assert!(offers(&estimated).iter().any(|offer| offer["spot"] == true));

    // A card on which nothing is known to be slower.
    let folder = TempDir::new().expect("a folder");
    let report = json!({"format": 1, "steps": [
        {"section": "device", "status": "passed", "values": {"name": "NVIDIA GeForce RTX 3090",
            "memory_bytes": 24_u64 << 30, "compute_capability": "8.6"}},
        {"section": "speed", "name": "1280x720 sliding", "status": "passed",
            "values": {"frames_per_second": 0.01}},
    ]});
    fs::write(folder.path().join("report.json"), report.to_string()).expect("written");
    let report = folder.path().to_str().expect("UTF-8");
    let measured = advise(&["--card", "rtx3090", "--report", report, "--prices", prices]);
    let all = measured["advice"].as_array().expect("advice");
    assert_eq!((all.len(), &all[0]["basis"]), (1, &json!("report")));
    let seconds = all[0]["seconds"].as_f64().expect("known");
    assert!((1e3..1e5).contains(&seconds), "{seconds}");
    let offers = offers(&measured);
    let last = offers.iter().rfind(|offer| offer["spot"] == false);
    assert_eq!(last.expect("offers")["name"], "RunPod RTX 3090");
}

#[test]
fn a_mistake_is_one_line_that_names_it() {
    let folder = TempDir::new().expect("a folder");
    let list = folder.path().join("own.toml");
    let machine = "currency = \"EUR\"\n[[machine]]\nname = \"own\"\ncard = \"8gb\"\nhour = -1\ndate = \"x\"\n";
    fs::write(&list, machine).expect("written");
    let prices = list.to_str().expect("UTF-8");
    let size = ["--size", "64x64", "--frames", "9"];
    for (more, words) in [
        (
            &["--card", "rtx9999"][..],
            &["rtx9999", "rtx3060", "8gb"][..],
        ),
        (
            &["--card", "8gb", "--prices", prices],
            &["own.toml", "line 2", "'own'", "-1"],
        ),
        (&["--card", "8gb", "--report", "/none"], &["/none"]),
    ] {
        let outcome = run(&[&["propainter", "advise"], &size[..], more].concat());
        assert_eq!(outcome.status, 1, "{more:?}");
        assert_eq!(outcome.errors.lines().count(), 1, "{}", outcome.errors);
        assert!(
            words.iter().all(|word| outcome.errors.contains(word)),
            "{}",
            outcome.errors
        );
    }
}
