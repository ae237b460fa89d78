//! Reads reports of `propainter check`: the speed that was measured on a card.

use std::{fs, path::Path};

use propainter::internals::schedule::WindowParams;
use serde_json::Value;

use super::work::Work;
use crate::advise::OFFICIAL;

/// The format of the reports that are understood.
const FORMAT: u64 = 1;
/// Share of the hole in the clip of the check.
const SHARE: f64 = 0.12;
/// Frames of a long stream.
const STREAM: usize = 400;

/// What a report says of a card.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The driver's name of the card.
    pub card: String,
    /// Bytes of its memory.
    pub memory: u64,
    speeds: Vec<Speed>,
}

/// The speed at a size.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Speed {
    pixels: f64,
    /// Operations per second, of the networks' own count.
    rate: f64,
}

impl Report {
    /// Reads a report.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the file.
    pub fn read(file: &Path) -> Result<Self, String> {
        // The folder of a report will do.
        let file = match file.is_dir() {
            true => file.join("report.json"),
            false => file.to_owned(),
        };
        let text = fs::read_to_string(&file).map_err(|error| error.to_string())?;
        let json: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        Self::of(&json)
    }

    fn of(json: &Value) -> Result<Self, String> {
        match json["format"].as_u64() {
            Some(FORMAT) => {}
            Some(other) => return Err(format!("format {other} is not known, only {FORMAT}")),
            None => return Err("it is no report of propainter check".to_owned()),
        }
        let steps = json["steps"].as_array().map_or(&[][..], Vec::as_slice);
        let passed = |section: &'static str| {
            steps
                .iter()
                .filter(move |step| step["section"] == section && step["status"] == "passed")
        };
        let card = passed("device").find_map(|step| {
            let values = &step["values"];
            values["compute_capability"].as_str()?;
            Some((values["name"].as_str()?, values["memory_bytes"].as_u64()?))
        });
        let (card, memory) = card.ok_or("it tells of no card")?;
        let speeds: Vec<Speed> = passed("speed")
            .filter_map(|step| {
                let frames_per_second = step["values"]["frames_per_second"].as_f64()?;
                speed(step["name"].as_str()?, frames_per_second)
            })
            .collect();
        if speeds.is_empty() {
            return Err("no speed of sliding windows was measured".to_owned());
        }
        Ok(Self {
            card: card.to_owned(),
            memory,
            speeds,
        })
    }

    /// Returns the operations per second that were measured at the size nearest to this one.
    pub fn rate(&self, pixels: f64) -> f64 {
        let distance = |speed: &&Speed| (speed.pixels / pixels).ln().abs();
        let nearest = self
            .speeds
            .iter()
            .min_by(|a, b| distance(a).total_cmp(&distance(b)));
        nearest.map_or(f64::NAN, |speed| speed.rate)
    }
}

/// Returns the speed of the step `WIDTHxHEIGHT sliding`; the other steps have settings of their own.
fn speed(step: &str, frames_per_second: f64) -> Option<Speed> {
    let (width, height) = step.strip_suffix(" sliding")?.split_once('x')?;
    let size = (width.parse().ok()?, height.parse().ok()?);
    let windows = WindowParams {
        lookahead: Some(10),
        ..OFFICIAL
    };
    let work = Work::of(size, windows, STREAM, SHARE).total() / STREAM as f64;
    let positive = frames_per_second.is_finite() && frames_per_second > 0.0;
    positive.then_some(Speed {
        pixels: (size.0 * size.1) as f64,
        rate: work * frames_per_second,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn report() -> Value {
        json!({"format": 1, "steps": [
            {"section": "device", "name": "machine", "status": "passed",
             "values": {"processor": "x", "memory_bytes": 1}},
            {"section": "device", "name": "cuda:0", "status": "passed",
             "values": {"name": "NVIDIA GeForce RTX 3060", "memory_bytes": 12_884_901_888_u64,
                        "compute_capability": "8.6"}},
            {"section": "speed", "name": "432x240 sliding", "status": "passed",
             "values": {"frames_per_second": 10.0}},
            {"section": "speed", "name": "1280x720 sliding", "status": "passed",
             "values": {"frames_per_second": 1.5}},
            {"section": "speed", "name": "432x240 sliding, fp32", "status": "passed",
             "values": {"frames_per_second": 99.0}},
            {"section": "speed", "name": "1920x1080 sliding", "status": "failed",
             "values": {"frames_per_second": 99.0}},
        ]})
    }

    #[test]
    fn a_report_gives_the_card_and_its_speed_at_the_nearest_size() {
        let report = Report::of(&report()).unwrap();
        assert_eq!(report.card, "NVIDIA GeForce RTX 3060");
        assert_eq!((report.memory, report.speeds.len()), (12 << 30, 2));
        let [small, large] = [320.0 * 240.0, 1920.0 * 1080.0].map(|pixels| report.rate(pixels));
        // Over 700 GFLOP a frame, ten times a second.
        assert!((6e12..12e12).contains(&small), "{small}");
        assert!(large > small && large < 2.0 * small, "{large}");
    }

    #[test]
    fn what_is_no_report_or_has_no_speed_is_told() {
        let mut other = report();
        other["format"] = 2.into();
        let mut slow = report();
        slow["steps"] = json!([slow["steps"][1].clone()]);
        let mut cpu = report();
        cpu["steps"] = json!([cpu["steps"][0].clone()]);
        for (json, words) in [
            (json!({}), "no report"),
            (json!([1]), "no report"),
            (other, "format 2"),
            (slow, "no speed"),
            (cpu, "no card"),
        ] {
            let error = Report::of(&json).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }
}
