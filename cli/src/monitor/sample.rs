//! What an element says of itself, as text.

use std::fmt::Write;

use gst::StructureRef;

/// One look at the property `stats`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sample {
    pub frames_in: u64,
    pub frames_out: u64,
    pub held: u32,
    pub waiting: u32,
    pub computing: u32,
    pub ready: u32,
    pub model: String,
    pub size: (u32, u32),
    pub fps: f64,
    pub plan: String,
    pub budget: u64,
    pub planned: u64,
    pub used: u64,
    pub peak: u64,
    pub host: u64,
    pub host_peak: u64,
    pub out_of_memory: u64,
    pub regrown: u64,
    pub degraded: String,
}

impl Sample {
    /// What `stats` holds; a field that it lacks is 0 or empty.
    pub fn of(stats: &StructureRef) -> Self {
        let bytes = |name: &str| stats.get::<u64>(name).unwrap_or_default();
        let count = |name: &str| stats.get::<u32>(name).unwrap_or_default();
        let text = |name: &str| stats.get::<String>(name).unwrap_or_default();
        Self {
            frames_in: bytes("frames-in"),
            frames_out: bytes("frames-out"),
            held: count("held"),
            waiting: count("waiting"),
            computing: count("computing"),
            ready: count("ready"),
            model: text("model"),
            size: (count("processing-width"), count("processing-height")),
            fps: stats.get("fps").unwrap_or_default(),
            plan: text("plan"),
            budget: bytes("vram-budget"),
            planned: bytes("vram-planned"),
            used: bytes("vram-used"),
            peak: bytes("vram-peak"),
            host: bytes("host-used"),
            host_peak: bytes("host-peak"),
            out_of_memory: bytes("out-of-memory"),
            regrown: bytes("plans-regrown"),
            degraded: text("degraded"),
        }
    }

    /// All of it in one line.
    pub fn line(&self) -> String {
        let (frames, memory, trouble) = (self.frames(), self.memory(), self.trouble());
        let mut parts = vec![frames, memory, trouble];
        if !self.plan.is_empty() {
            parts.push(format!("plan: {}", self.plan));
        }
        parts.retain(|part| !part.is_empty());
        parts.join(" | ")
    }

    /// Frames, the queue and the speed.
    pub fn frames(&self) -> String {
        let (width, height) = self.size;
        format!(
            "{} {width}x{height}: {:.1} fps, {} in, {} out, {} held \
             ({} waiting, {} computing, {} ready)",
            self.model,
            self.fps,
            self.frames_in,
            self.frames_out,
            self.held,
            self.waiting,
            self.computing,
            self.ready
        )
    }

    /// The device's bytes and the host's; empty where nothing is measured.
    pub fn memory(&self) -> String {
        if self.peak == 0 && self.planned == 0 && self.host_peak == 0 {
            return String::new();
        }
        format!(
            "device {} of {} (peak {}, planned {}), host {} (peak {})",
            size(self.used),
            size(self.budget),
            size(self.peak),
            size(self.planned),
            size(self.host),
            size(self.host_peak)
        )
    }

    /// What went wrong or was given up; empty where nothing was.
    pub fn trouble(&self) -> String {
        let mut text = String::new();
        if !self.degraded.is_empty() {
            let _ = write!(text, "degraded: {}", self.degraded);
        }
        if self.out_of_memory > 0 {
            let _ = write!(
                text,
                "{}out of memory {}×, regrown {}×",
                if text.is_empty() { "" } else { ", " },
                self.out_of_memory,
                self.regrown
            );
        }
        text
    }
}

/// Bytes in the unit that reads best.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    if bytes == u64::MAX {
        return "no limit".to_owned();
    }
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1000.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let digits = match unit {
        0 => 0,
        _ if value < 10.0 => 2,
        _ => 1,
    };
    format!("{value:.digits$} {}", UNITS[unit])
}

/// `used` of `all` as a bar of `width` characters, with a mark at `peak`.
pub fn bar(used: u64, peak: u64, all: u64, width: usize) -> String {
    let at = |bytes: u64| match all {
        0 => 0,
        all => ((bytes as f64 / all as f64 * width as f64).round() as usize).min(width),
    };
    let (used, peak) = (at(used), at(peak));
    let cell = |i| match i {
        i if i < used => '█',
        i if i + 1 == peak => '▏',
        _ => '·',
    };
    (0..width).map(cell).collect()
}

/// Values as a line of small columns; `top` and more fill one.
pub fn sparkline(values: impl IntoIterator<Item = u64>, top: u64) -> String {
    const COLUMNS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let column = |value: u64| {
        let share = value.min(top) as f64 / top.max(1) as f64;
        COLUMNS[(share * 7.0).round() as usize]
    };
    values.into_iter().map(column).collect()
}

/// What an element's message says; `None` for a message that is not propainter's.
pub fn message(structure: &StructureRef) -> Option<String> {
    let text = |name: &str| structure.get::<String>(name).unwrap_or_default();
    let bytes = |name: &str| size(structure.get(name).unwrap_or_default());
    Some(match structure.name().as_str() {
        "propainter-plan" => format!(
            "plan: {} ({} of {})",
            text("plan"),
            bytes("bytes"),
            bytes("budget")
        ),
        "propainter-degraded" => format!(
            "degraded: {}, from {} to {}",
            text("step"),
            text("from"),
            text("to")
        ),
        "propainter-out-of-memory" => format!(
            "short of memory in {} ({}); it goes on with: {}",
            text("stage"),
            text("problem"),
            text("plan")
        ),
        "propainter-regrown" => format!("regrown: {}", text("plan")),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stats() -> gst::Structure {
        gst::init().unwrap();
        gst::Structure::builder("propainter-stats")
            .field("frames-in", 120u64)
            .field("frames-out", 80u64)
            .field("held", 40u32)
            .field("waiting", 3u32)
            .field("computing", 36u32)
            .field("ready", 1u32)
            .field("model", "propainter")
            .field("processing-width", 432u32)
            .field("processing-height", 240u32)
            .field("fps", 12.34f64)
            .field("plan", "pairs 4")
            .field("vram-budget", 8u64 << 30)
            .field("vram-planned", 5u64 << 30)
            .field("vram-used", 3u64 << 30)
            .field("vram-peak", (9u64 << 30) / 2)
            .field("host-used", 100u64 << 20)
            .field("host-peak", 200u64 << 20)
            .field("out-of-memory", 2u64)
            .field("plans-regrown", 1u64)
            .field("degraded", "precision,window")
            .build()
    }

    #[test]
    fn a_line_holds_all_of_it() {
        assert_eq!(
            Sample::of(&stats()).line(),
            "propainter 432x240: 12.3 fps, 120 in, 80 out, 40 held \
             (3 waiting, 36 computing, 1 ready) | device 3.00 GiB of 8.00 GiB (peak 4.50 GiB, planned 5.00 GiB), \
             host 100.0 MiB (peak 200.0 MiB) | degraded: precision,window, out of memory 2×, \
             regrown 1× | plan: pairs 4"
        );
    }

    #[test]
    fn a_line_holds_no_more_than_there_is() {
        gst::init().unwrap();
        let empty = gst::Structure::new_empty("propainter-stats");
        let line = Sample::of(&empty).line();
        assert_eq!(
            line,
            " 0x0: 0.0 fps, 0 in, 0 out, 0 held (0 waiting, 0 computing, 0 ready)"
        );
    }

    #[test]
    fn bytes_are_shown_in_the_unit_that_reads_best() {
        for (bytes, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1023, "1.00 KiB"),
            (1536, "1.50 KiB"),
            (512 << 20, "512.0 MiB"),
            (24 << 30, "24.0 GiB"),
            (u64::MAX - 1, "16777216.0 TiB"),
            (u64::MAX, "no limit"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn bars_and_columns_keep_to_their_ends() {
        assert_eq!(bar(5, 8, 10, 10), "█████··▏··");
        assert_eq!(bar(20, 30, 10, 4), "████");
        assert_eq!(bar(5, 5, 0, 3), "···");
        assert_eq!(sparkline([0, 5, 10, 99], 10), "▁▅██");
        assert_eq!(sparkline([1], 0), "▁");
    }

    #[test]
    fn messages_are_told_and_those_of_others_are_not() {
        gst::init().unwrap();
        let degraded = gst::Structure::builder("propainter-degraded")
            .field("step", "references")
            .field("from", "10")
            .field("to", "20")
            .build();
        assert_eq!(
            message(&degraded).unwrap(),
            "degraded: references, from 10 to 20"
        );
        let plan = gst::Structure::builder("propainter-plan")
            .field("plan", "pairs 4")
            .field("bytes", 1u64 << 30)
            .field("budget", 2u64 << 30)
            .build();
        assert_eq!(
            message(&plan).unwrap(),
            "plan: pairs 4 (1.00 GiB of 2.00 GiB)"
        );
        let other = gst::Structure::new_empty("level");
        assert_eq!(message(&other), None);
    }
}
