//! What became of the clips, as a table and as JSON.

use serde_json::{Value, json};

/// What became of a clip.
#[derive(Clone, Debug, PartialEq)]
pub enum Fate {
    Made,
    /// It was there already, made from the same files with the same settings.
    Kept,
    /// The sentence about it.
    Failed(String),
}

/// A line of the table.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub clip: String,
    pub frames: Option<u64>,
    pub seconds: Option<f64>,
    pub fate: Fate,
    /// Reductions of quality that the memory required.
    pub downgrades: Vec<String>,
}

impl Row {
    /// Returns the line of a clip that has no frames to tell of.
    pub fn of(clip: &str, fate: Fate) -> Self {
        Self {
            clip: clip.to_owned(),
            frames: None,
            seconds: None,
            fate,
            downgrades: Vec::new(),
        }
    }

    /// Returns the line as a JSON object.
    pub fn to_json(&self) -> Value {
        let (result, error) = match &self.fate {
            Fate::Made => ("made", None),
            Fate::Kept => ("kept", None),
            Fate::Failed(error) => ("failed", Some(error)),
        };
        json!({
            "type": "clip",
            "clip": self.clip,
            "frames": self.frames,
            "seconds": self.seconds,
            "result": result,
            "error": error,
            "given_up": self.downgrades,
        })
    }

    fn result(&self) -> String {
        let result = match &self.fate {
            Fate::Made => "made".to_owned(),
            Fate::Kept => "made before".to_owned(),
            Fate::Failed(error) => format!("failed: {error}"),
        };
        match self.downgrades.as_slice() {
            [] => result,
            given_up => format!("{result}; to fit the memory: {}", given_up.join("; ")),
        }
    }
}

/// Returns how many clips were made, kept, and failed.
fn counts(rows: &[Row]) -> [usize; 3] {
    let count = |fate: fn(&Fate) -> bool| rows.iter().filter(|row| fate(&row.fate)).count();
    [
        count(|fate| *fate == Fate::Made),
        count(|fate| *fate == Fate::Kept),
        count(|fate| matches!(fate, Fate::Failed(_))),
    ]
}

/// Returns the sums as a JSON object.
pub fn summary_json(rows: &[Row], seconds: f64) -> Value {
    let [made, kept, failed] = counts(rows);
    json!({
        "type": "end",
        "clips": rows.len(),
        "made": made,
        "kept": kept,
        "failed": failed,
        "frames": rows.iter().filter_map(|row| row.frames).sum::<u64>(),
        "seconds": seconds,
    })
}

/// Returns the table: a line for each clip and one with the sums. `seconds` is the time of all.
pub fn table(rows: &[Row], seconds: f64) -> Vec<String> {
    let [made, kept, failed] = counts(rows);
    let heading = ["clip", "frames", "seconds", "result"].map(str::to_owned);
    let optional = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let mut lines = vec![heading];
    lines.extend(rows.iter().map(|row| {
        [
            row.clip.clone(),
            optional(row.frames.map(|frames| frames.to_string())),
            optional(row.seconds.map(|seconds| format!("{seconds:.1}"))),
            row.result(),
        ]
    }));
    lines.push([
        match rows.len() {
            1 => "1 clip".to_owned(),
            clips => format!("{clips} clips"),
        },
        rows.iter()
            .filter_map(|row| row.frames)
            .sum::<u64>()
            .to_string(),
        format!("{seconds:.1}"),
        format!("{made} made, {kept} made before, {failed} failed"),
    ]);
    let width = |column: usize| {
        let widths = lines.iter().map(|line| line[column].chars().count());
        widths.max().unwrap_or(0)
    };
    let [clip, frames, seconds] = [0, 1, 2].map(width);
    let line = |[a, b, c, d]: &[String; 4]| format!("{a:clip$}  {b:>frames$}  {c:>seconds$}  {d}");
    lines.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Row> {
        vec![
            Row {
                frames: Some(1500),
                seconds: Some(12.34),
                downgrades: vec!["window 10 → 5".to_owned()],
                ..Row::of("käfer.mp4", Fate::Made)
            },
            Row::of("b.mp4", Fate::Kept),
            Row::of("c.mp4", Fate::Failed("no mask".to_owned())),
        ]
    }

    #[test]
    fn the_table_has_a_line_for_each_clip_and_the_sums() {
        let expected = [
            "clip       frames  seconds  result",
            "käfer.mp4    1500     12.3  made; to fit the memory: window 10 → 5",
            "b.mp4           -        -  made before",
            "c.mp4           -        -  failed: no mask",
            "3 clips      1500     13.0  1 made, 1 made before, 1 failed",
        ];
        assert_eq!(table(&rows(), 13.0), expected);
    }

    #[test]
    fn the_lines_are_json_for_programs() {
        let failed = rows()[2].to_json();
        assert_eq!(
            (&failed["result"], &failed["error"]),
            (&json!("failed"), &json!("no mask"))
        );
        let sums = summary_json(&rows(), 13.0);
        assert_eq!(
            (&sums["made"], &sums["kept"], &sums["failed"]),
            (&json!(1), &json!(1), &json!(1))
        );
    }
}
