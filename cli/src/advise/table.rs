//! The advice as text and as JSON.

use serde_json::{Value, json};

use super::{
    Options,
    advice::{Advice, Engine},
    clip::Clip,
    plan,
    rent::cost::{self, Offer},
    speed::time::{self, Basis},
};

/// The version of the JSON's keys. It changes when a key changes or goes, not when one is added.
const FORMAT: u32 = 1;

/// All that is told.
pub struct Answer<'a> {
    pub clips: &'a [Clip],
    pub advice: &'a [Advice],
    pub offers: Option<&'a [Offer]>,
    pub currency: &'a str,
    pub options: &'a Options,
}

/// Returns bytes in GB, as the tables of docs/memory.md have them.
fn gigabytes(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / 1e9)
}

impl Advice {
    /// Returns the element's properties, in the order in which they are told.
    fn settings(&self) -> Vec<(&'static str, String)> {
        let mut settings = vec![("model", self.engine.model().to_owned())];
        if self.cropped {
            settings.push(("crop-mode", "crop".to_owned()));
        }
        let Some(Ok(fit)) = &self.fit else {
            return settings;
        };
        let precision = if fit.half { "fp16" } else { "fp32" };
        settings.push(("precision", precision.to_owned()));
        for (name, value) in [
            ("subvideo-length", fit.windows.subvideo_length),
            ("neighbor-length", fit.windows.neighbor_length),
            ("ref-stride", fit.windows.ref_stride),
        ] {
            settings.push((name, value.to_string()));
        }
        settings
    }

    fn given_up(&self) -> Vec<String> {
        let mut given_up = Vec::new();
        if self.engine == Engine::Classical {
            given_up.push("what networks invent".to_owned());
        }
        if self.cropped {
            given_up.push("the frame far from the mask".to_owned());
        }
        if let Some(Ok(fit)) = &self.fit {
            given_up.extend(fit.given_up.iter().cloned());
        }
        given_up
    }

    /// Returns the row of the table, without the number of machines.
    fn row(&self) -> Vec<String> {
        let name = self.target.name.clone();
        if let Some(Err(needed)) = self.fit {
            let needed = format!("needs {} GB", gigabytes(needed));
            return vec![
                name,
                needed,
                "does not fit".to_owned(),
                String::new(),
                "—".to_owned(),
            ];
        }
        let memory = match self.memory {
            (bytes, 0) => gigabytes(bytes),
            (device, host) => format!("{} + {}", gigabytes(device), gigabytes(host)),
        };
        let settings = match &self.fit {
            Some(Ok(fit)) => format!(
                "{} {}/{}/{}{}",
                if fit.half { "fp16" } else { "fp32" },
                fit.windows.subvideo_length,
                fit.windows.neighbor_length,
                fit.windows.ref_stride,
                if self.cropped { " crop" } else { "" },
            ),
            _ => format!(
                "model={}{}",
                self.engine.model(),
                if self.cropped { " crop" } else { "" }
            ),
        };
        let given_up = match self.given_up() {
            none if none.is_empty() => "nothing".to_owned(),
            some => some.join(", "),
        };
        let time = self.time.map_or("unknown".to_owned(), |(seconds, basis)| {
            format!("{} ({})", time::text(seconds), basis.name())
        });
        vec![name, memory, settings, given_up, time]
    }

    fn json(&self, answer: &Answer<'_>) -> Value {
        let settings: serde_json::Map<_, _> = self
            .settings()
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.into()))
            .collect();
        let fit = self.fit.as_ref().and_then(|fit| fit.as_ref().ok());
        let needed = match self.fit {
            Some(Err(needed)) => Some(needed),
            _ => None,
        };
        json!({
            "machine": self.target.name,
            "model": self.engine.model(),
            "fits": needed.is_none(),
            "needed_bytes": needed,
            "device_bytes": self.memory.0,
            "host_bytes": self.memory.1,
            "settings": settings,
            "plan": fit.map(|fit| &fit.plan),
            "given_up": self.given_up(),
            "seconds": self.time.map(|(seconds, _)| seconds),
            "basis": self.time.map(|(_, basis)| basis.name()),
            "machines": answer.machines(self),
            "untried": self.target.machine.is_untried(),
        })
    }
}

impl Answer<'_> {
    /// Returns how many of a machine keep the deadline, if one is set and the time is known.
    fn machines(&self, advice: &Advice) -> Option<u64> {
        let (seconds, _) = advice.time?;
        let deadline = self.options.deadline?;
        Some(cost::machines(seconds, deadline))
    }

    /// Returns the text, line by line.
    pub fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.clips.iter().map(describe).collect();
        lines.push(String::new());
        let mut heads = vec!["machine", "memory, GB", "settings", "given up", "time"];
        let deadline = self.options.deadline;
        let in_time =
            deadline.map(|time| format!("machines for {}", time::text(time.as_secs_f64())));
        heads.extend(in_time.as_deref());
        let rows = self.advice.iter().map(|advice| {
            let mut row = advice.row();
            if deadline.is_some() {
                let machines = self.machines(advice);
                row.push(machines.map_or("—".to_owned(), |machines| machines.to_string()));
            }
            row
        });
        lines.extend(table(&heads, rows));
        if let Some(offers) = self.offers {
            let cost = format!("cost, {}", self.currency);
            let mut heads = vec!["to rent", "cost", "time", "price seen"];
            heads[1] = &cost;
            heads.extend(in_time.as_deref());
            let rows = offers.iter().map(|offer| {
                let spot = if offer.is_spot { ", spot" } else { "" };
                let mut row = vec![
                    format!("{}{spot}", offer.name),
                    format!("{:.3}", offer.cost),
                    time::text(offer.seconds),
                    offer.date.clone(),
                ];
                row.extend(offer.machines.map(|machines| machines.to_string()));
                row
            });
            lines.push(String::new());
            lines.extend(table(&heads, rows));
        }
        let notes = self.notes();
        lines.push(String::new());
        lines.extend(notes);
        lines
    }

    /// Returns what must be known of the figures.
    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        let has = |basis| {
            self.advice
                .iter()
                .any(|a| a.time.is_some_and(|(_, b)| b == basis))
        };
        let is_networks = |advice: &Advice| advice.engine == Engine::Networks;
        if self.advice.iter().any(is_networks) {
            notes.push(
                "settings: precision, then subvideo-length/neighbor-length/ref-stride; crop is \
                 crop-mode=crop. memory: on the card + on the host, by the byte model, for a card \
                 less 512 MiB; on a processor all of it"
                    .to_owned(),
            );
        }
        if has(Basis::Roofline) || (self.offers.is_some() && plan::MISSING.is_none()) {
            let share = 100.0 * self.options.efficiency;
            notes.push(format!(
                "ESTIMATE: times marked so were never measured on a card. They assume {share:.0} % of \
                 the peak on its data sheet (--efficiency); --report takes a report of propainter \
                 check"
            ));
        }
        if has(Basis::Benchmarks) {
            notes.push(
                "benchmarks: times marked so are scaled from BENCHMARKS.md: networks by the number of \
                 cores, the engine without weights as on two cores; propainter bench measures here"
                    .to_owned(),
            );
        }
        if self
            .advice
            .iter()
            .any(|advice| advice.target.machine.is_untried())
        {
            let untried = self.advice.iter().filter(|a| a.target.machine.is_untried());
            let names: Vec<_> = untried.map(|advice| &*advice.target.name).collect();
            notes.push(format!(
                "older than Turing, never tried, may not run: {}",
                names.join(", ")
            ));
        }
        if self.offers.is_some() {
            notes.push(
                "prices change: check before you rent. The time to start, to copy files, to decode \
                 and to encode comes on top"
                    .to_owned(),
            );
        }
        notes.extend(plan::MISSING.map(str::to_owned));
        notes
    }

    /// Returns the answer for programs.
    pub fn json(&self) -> Value {
        let clips = self.clips.iter().map(|clip| {
            json!({
                "name": clip.name,
                "width": clip.size.0,
                "height": clip.size.1,
                "frames": clip.frames,
                "frames_per_second": clip.rate,
                "mask_share": clip.holes.share,
                "masked_frames": clip.masked_frames(),
            })
        });
        let clips: Vec<Value> = clips.collect();
        let offers = self.offers.map(|offers| {
            let offers = offers.iter().map(|offer| {
                json!({
                    "name": offer.name,
                    "spot": offer.is_spot,
                    "seconds": offer.seconds,
                    "cost": offer.cost,
                    "currency": self.currency,
                    "machines": offer.machines,
                    "price_seen": offer.date,
                })
            });
            offers.collect::<Vec<_>>()
        });
        json!({
            "format": FORMAT,
            "clips": clips,
            "advice": self.advice.iter().map(|advice| advice.json(self)).collect::<Vec<_>>(),
            "offers": offers,
            "notes": self.notes(),
        })
    }
}

/// Describes a clip in a line.
fn describe(clip: &Clip) -> String {
    let (width, height) = clip.size;
    let length = clip.rate.map_or(String::new(), |rate| {
        format!(", {}", time::text(clip.frames as f64 / rate))
    });
    format!(
        "{}: {width}×{height}, {} frames{length}; a mask of {:.1} % in {} of them",
        clip.name,
        clip.frames,
        100.0 * clip.holes.share,
        clip.masked_frames(),
    )
}

/// Returns a Markdown table with columns of even width.
fn table(heads: &[&str], rows: impl Iterator<Item = Vec<String>>) -> Vec<String> {
    let heads: Vec<String> = heads.iter().map(|head| (*head).to_owned()).collect();
    let mut rows: Vec<Vec<String>> = [heads].into_iter().chain(rows).collect();
    let columns = rows[0].len();
    let width = |column: usize| {
        let widths = rows.iter().map(|row| row[column].chars().count());
        widths.max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    rows.insert(1, widths.iter().map(|width| "-".repeat(*width)).collect());
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths);
        let cells = cells.map(|(cell, &width)| format!("| {cell:width$} "));
        cells.collect::<String>() + "|"
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = vec![vec!["1920×1080".to_owned(), "—".to_owned()]];
        let lines = table(&["size", "time"], rows.into_iter());
        let expected = [
            "| size      | time |",
            "| --------- | ---- |",
            "| 1920×1080 | —    |",
        ];
        assert_eq!(lines, expected);
    }
}
