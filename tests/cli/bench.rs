//! `propainter bench` on a small clip.

use super::run;

#[test]
fn bench_reports_speed_memory_and_plan() {
    let arguments = [
        "bench", "--size", "64x48", "--frames", "6", "--device", "cpu",
    ];
    for more in [&["--passes", "2"][..], &["--passes", "1", "--cold"]] {
        let outcome = run(&[&["propainter"], &arguments[..], more].concat());
        assert_eq!(outcome.status, 0, "{}", outcome.errors);
        let line = |start: &str| {
            let line = outcome
                .out
                .lines()
                .find_map(|line| line.strip_prefix(start));
            line.unwrap_or_else(|| panic!("{start} in {}", outcome.out))
        };
        assert!(line("64×48, 6 frames, ").contains("model propagation, device cpu"));
        let number = |text: &str| text.split(' ').next().and_then(|text| text.parse().ok());
        let fps: f64 = number(line("speed: ")).expect("a number");
        let times = line("time per frame: ").split(", ").map(|part| {
            let words: Vec<&str> = part.split(' ').collect();
            words[1].parse::<f64>().expect("a number")
        });
        let [median, min, max] = times.collect::<Vec<_>>().try_into().expect("three times");
        assert!(
            0.0 < min && min <= median && median <= max,
            "{}",
            outcome.out
        );
        // Both are rounded to two digits.
        assert!((fps * median / 1e3 - 1.0).abs() < 0.1, "{}", outcome.out);
        let longest: f64 = number(line("longest call: ")).expect("a number");
        assert!(longest > 0.0, "{}", outcome.out);
        assert!(line("peak memory: ").ends_with("resident"));
        line("plan: ");
    }
}

#[cfg(feature = "networks")]
#[test]
fn bench_fails_where_the_checkpoints_are_missing() {
    let weights = ["--model", "propainter", "--weights", "/nonexistent"];
    let outcome = run(&[&["propainter", "bench"], &weights[..]].concat());
    assert_eq!(outcome.status, 1);
    let text = &outcome.errors;
    assert!(text.starts_with("propainter bench: "), "{text}");
    assert!(text.contains("propainter weights fetch"), "{text}");
}
