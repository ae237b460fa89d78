//! The property `stats` and the messages of an element, as text.

use std::fmt::Write;

use gst::StructureRef;

use crate::units;

/// The property `stats` at one moment; sizes are in bytes.
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
    /// Reads `stats`; a field that it lacks becomes 0 or empty.
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

    /// Returns all of it in one line.
    pub fn line(&self) -> String {
        let (frames, memory, trouble) = (self.frames(), self.memory(), self.trouble());
        let mut parts = vec![frames, memory, trouble];
        if !self.plan.is_empty() {
            parts.push(format!("plan: {}", self.plan));
        }
        parts.retain(|part| !part.is_empty());
        parts.join(" | ")
    }

    /// Returns the counts of frames and the speed.
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

    /// Returns the memory of the device and of the host; empty where nothing is measured.
    pub fn memory(&self) -> String {
        if self.peak == 0 && self.planned == 0 && self.host_peak == 0 {
            return String::new();
        }
        format!(
            "device {} of {} (peak {}, planned {}), host {} (peak {})",
            units::bytes(self.used),
            units::bytes(self.budget),
            units::bytes(self.peak),
            units::bytes(self.planned),
            units::bytes(self.host),
            units::bytes(self.host_peak)
        )
    }

    /// Returns the downgrades and how often memory ran out; empty where there were none.
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

/// Returns the text of an element's message; `None` for a message of another element.
pub fn message(structure: &StructureRef) -> Option<String> {
    let text = |name: &str| structure.get::<String>(name).unwrap_or_default();
    let bytes = |name: &str| units::bytes(structure.get(name).unwrap_or_default());
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
            "out of memory in {} ({}); continuing with: {}",
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
    fn a_line_holds_every_field() {
        assert_eq!(
            Sample::of(&stats()).line(),
            "propainter 432x240: 12.3 fps, 120 in, 80 out, 40 held \
             (3 waiting, 36 computing, 1 ready) | device 3.00 GiB of 8.00 GiB (peak 4.50 GiB, planned 5.00 GiB), \
             host 100.0 MiB (peak 200.0 MiB) | degraded: precision,window, out of memory 2×, \
             regrown 1× | plan: pairs 4"
        );
    }

    #[test]
    fn a_line_leaves_out_what_is_empty() {
        gst::init().unwrap();
        let empty = gst::Structure::new_empty("propainter-stats");
        let line = Sample::of(&empty).line();
        assert_eq!(
            line,
            " 0x0: 0.0 fps, 0 in, 0 out, 0 held (0 waiting, 0 computing, 0 ready)"
        );
    }

    #[test]
    fn messages_of_other_elements_are_left_out() {
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
