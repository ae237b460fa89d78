//! The report of a clip: facts, curves, and the frames that are worth a look.

use crate::{
    report::{frames::Seen, html::Page},
    units,
};

use super::{
    job::ClipJob,
    play::{Observer, Outcome, Progress},
};

/// Most points of a curve.
const POINTS: usize = 400;

/// Passes reports on and keeps the points of the curves.
pub struct Recorder<'a> {
    inner: &'a mut dyn Observer,
    points: Vec<Progress>,
    /// Every how many reports one is kept, and how many came.
    every: usize,
    count: usize,
}

impl<'a> Recorder<'a> {
    /// Returns a recorder in front of another observer.
    pub fn new(inner: &'a mut dyn Observer) -> Self {
        Self {
            inner,
            points: Vec::new(),
            every: 1,
            count: 0,
        }
    }

    /// Returns the points, evenly spread over the clip.
    pub fn finish(self) -> Vec<Progress> {
        self.points
    }
}

impl Observer for Recorder<'_> {
    fn progress(&mut self, progress: &Progress) {
        if self.count.is_multiple_of(self.every) {
            self.points.push(progress.clone());
        }
        self.count += 1;
        if self.points.len() > POINTS {
            self.every *= 2;
            let mut number = 0;
            self.points.retain(|_| {
                number += 1;
                number % 2 == 1
            });
        }
        self.inner.progress(progress);
    }

    fn notice(&mut self, text: &str) {
        self.inner.notice(text);
    }
}

/// Returns the page about a clip.
pub fn page(job: &ClipJob, outcome: &Outcome, points: &[Progress], seen: &Seen) -> String {
    let mut page = Page::new(&format!(
        "{} → {}",
        job.input.display(),
        job.output.display()
    ));
    page.table(&facts(job, outcome, seen));
    if !outcome.notes.is_empty() {
        page.heading("Remarks");
        outcome.notes.iter().for_each(|note| page.paragraph(note));
    }
    page.heading("Time and memory");
    let curve = |value: fn(&Progress) -> f64| {
        let points = points.iter();
        points
            .map(|point| (point.elapsed.as_secs_f64(), value(point)))
            .collect()
    };
    page.chart(
        &[("#06c", "frames", curve(|point| point.frames as f64))],
        &|top| format!("{top:.0} frames"),
    );
    page.chart(
        &[
            (
                "#c30",
                "device memory",
                curve(|point| point.sample.used as f64),
            ),
            (
                "#093",
                "host memory",
                curve(|point| point.sample.host as f64),
            ),
        ],
        &|top| units::bytes(top as u64),
    );
    page.heading(match seen.psnr {
        Some(_) => "The frames that miss the truth most: before and after",
        None => "The frames that were changed most: before and after",
    });
    if seen.pairs.is_empty() {
        page.paragraph("No frame was changed.");
    }
    for pair in &seen.pairs {
        let mut caption = format!("Frame {}", pair.number);
        if let Some(time) = pair.time {
            caption += &format!(" at {:.2} s", time.nseconds() as f64 * 1e-9);
        }
        caption += &format!(": {:.1} % of the pixels were changed", 100.0 * pair.changed);
        if let Some(psnr) = pair.psnr {
            caption += &format!(", their PSNR is {psnr:.2} dB");
        }
        page.pair(&pair.before, &pair.after, &caption);
    }
    page.finish()
}

/// Returns the rows of the table.
fn facts(job: &ClipJob, outcome: &Outcome, seen: &Seen) -> Vec<(String, String)> {
    let (sample, seconds) = (&outcome.sample, outcome.duration.as_secs_f64());
    let bytes = |bytes: u64| (bytes > 0).then(|| units::bytes(bytes));
    let settings: Vec<_> = job
        .settings
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let rows = [
        ("Frames", Some(outcome.frames.to_string())),
        (
            "Time",
            Some(format!(
                "{seconds:.1} s, {:.1} frames per second with decoding and encoding",
                outcome.frames as f64 / seconds.max(1e-9)
            )),
        ),
        (
            "PSNR of what was changed",
            seen.psnr
                .map(|psnr| format!("{psnr:.2} dB in {} frames", seen.compared)),
        ),
        (
            "Engine",
            Some(format!(
                "{}, {} × {}",
                sample.model, sample.size.0, sample.size.1
            )),
        ),
        ("Plan", Some(sample.plan.clone())),
        ("Settings", Some(settings.join(", "))),
        ("Peak of device memory", bytes(sample.peak)),
        ("Peak of frames and networks", bytes(sample.host_peak)),
        ("Peak of the process", outcome.resident_peak.and_then(bytes)),
        (
            "Given up to fit the memory",
            Some(outcome.downgrades.join("; ")),
        ),
        (
            "Program",
            Some(concat!("propainter ", env!("CARGO_PKG_VERSION")).to_owned()),
        ),
    ];
    let rows = rows
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)));
    rows.filter(|(_, value)| !value.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::run::progress::Quiet;

    #[test]
    fn a_long_clip_gives_as_many_points_as_a_curve_shows() {
        let mut quiet = Quiet;
        let mut recorder = Recorder::new(&mut quiet);
        for second in 0..10_000 {
            recorder.progress(&Progress {
                elapsed: Duration::from_secs(second),
                ..Progress::default()
            });
        }
        let points = recorder.finish();
        assert!(
            (POINTS / 2..=POINTS).contains(&points.len()),
            "{}",
            points.len()
        );
        let steps = points
            .windows(2)
            .map(|pair| pair[1].elapsed - pair[0].elapsed);
        assert!(steps.clone().max() == steps.min());
    }
}
