//! The log as a picture: a panel for each number, over the steps.

use std::{collections::BTreeMap, path::Path};

use font8x8::legacy::BASIC_LEGACY;
use serde_json::Value;

use super::{RunError, log, pictures::Picture};

/// Size of a panel and the margins of its plot (left, right, top, bottom), in pixels.
const PANEL: (usize, usize) = (560, 200);
const MARGIN: [usize; 4] = [80, 16, 24, 24];

const BLACK: [u8; 3] = [30, 30, 30];
const GREY: [u8; 3] = [200, 200, 200];
const BLUE: [u8; 3] = [31, 90, 180];

/// Points of a curve: step and value.
type Curve = Vec<(f64, f64)>;

/// Draws the log into a PNG file.
///
/// # Errors
/// The log cannot be read, or the picture cannot be written.
pub fn write(log: &Path, file: &Path) -> Result<(), RunError> {
    let picture = draw(&curves(&log::read(log)?));
    let png = picture.png().map_err(std::io::Error::other);
    super::write(file, &png.map_err(RunError::write(file))?)
}

/// Returns the losses and the measures of validation by name.
fn curves(lines: &[Value]) -> BTreeMap<String, Curve> {
    let mut curves: BTreeMap<String, Curve> = BTreeMap::new();
    for line in lines {
        let step = line["step"].as_f64().unwrap_or_default();
        for group in ["losses", "validation"] {
            for (name, value) in line[group].as_object().into_iter().flatten() {
                if let Some(value) = value.as_f64() {
                    curves
                        .entry(format!("{group}: {name}"))
                        .or_default()
                        .push((step, value));
                }
            }
        }
    }
    curves
}

fn draw(curves: &BTreeMap<String, Curve>) -> Picture {
    let columns = if curves.len() > 1 { 2 } else { 1 };
    let rows = curves.len().div_ceil(columns).max(1);
    let mut picture = Picture::white(columns * PANEL.0, rows * PANEL.1);
    for (number, (name, curve)) in curves.iter().enumerate() {
        let corner = (number % columns * PANEL.0, number / columns * PANEL.1);
        panel(&mut picture, corner, name, curve);
    }
    picture
}

/// Draws a curve with its name and the ends of both axes.
fn panel(picture: &mut Picture, (left, top): (usize, usize), name: &str, curve: &Curve) {
    let [before, after, above, below] = MARGIN;
    let (width, height) = (PANEL.0 - before - after, PANEL.1 - above - below);
    let (x0, y0) = (left + before, top + above);
    let range = |values: &mut dyn Iterator<Item = f64>| {
        let (low, high) = values.fold((f64::MAX, f64::MIN), |(a, b), v| (a.min(v), b.max(v)));
        // A flat curve lies in the middle.
        if high > low {
            (low, high)
        } else {
            (low - 0.5, high + 0.5)
        }
    };
    let steps = range(&mut curve.iter().map(|point| point.0));
    let values = range(&mut curve.iter().map(|point| point.1));
    let place = |&(step, value): &(f64, f64)| {
        let x = (step - steps.0) / (steps.1 - steps.0) * (width - 1) as f64;
        let y = (values.1 - value) / (values.1 - values.0) * (height - 1) as f64;
        (x0 + x.round() as usize, y0 + y.round() as usize)
    };
    for (y, value) in [(y0, values.1), (y0 + height - 1, values.0)] {
        line(picture, (x0, y), (x0 + width - 1, y), GREY);
        let label = number(value);
        text(
            picture,
            (x0.saturating_sub(8 * label.len() + 4), y.saturating_sub(4)),
            &label,
        );
    }
    line(picture, (x0, y0), (x0, y0 + height - 1), GREY);
    text(picture, (x0, top + 8), name);
    let last = number(steps.1);
    let under = y0 + height + 8;
    text(picture, (x0, under), &number(steps.0));
    text(
        picture,
        ((x0 + width).saturating_sub(8 * last.len()), under),
        &last,
    );
    let places: Vec<_> = curve.iter().map(place).collect();
    for pair in places.windows(2) {
        line(picture, pair[0], pair[1], BLUE);
    }
    if let [only] = places.as_slice() {
        line(picture, *only, *only, BLUE);
    }
}

/// Returns a number in at most nine characters.
fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 1e7 || (size > 0.0 && size < 1e-3) => format!("{value:.2e}"),
        size if size >= 100.0 => format!("{value:.0}"),
        _ => format!("{value:.4}")
            .trim_end_matches('0')
            .trim_end_matches('.')
            .to_owned(),
    }
}

fn line(picture: &mut Picture, from: (usize, usize), to: (usize, usize), colour: [u8; 3]) {
    let distance = from.0.abs_diff(to.0).max(from.1.abs_diff(to.1)).max(1);
    let at = |from: usize, to: usize, part: f64| {
        (from as f64 + (to as f64 - from as f64) * part).round() as usize
    };
    for i in 0..=distance {
        let part = i as f64 / distance as f64;
        picture.set(at(from.0, to.0, part), at(from.1, to.1, part), colour);
    }
}

fn text(picture: &mut Picture, (x, y): (usize, usize), text: &str) {
    for (number, character) in text.chars().enumerate() {
        let Some(glyph) = BASIC_LEGACY.get(character as usize) else {
            continue;
        };
        for (row, bits) in glyph.iter().enumerate() {
            for column in (0..8).filter(|column| bits >> column & 1 == 1) {
                picture.set(x + 8 * number + column, y + row, BLACK);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let all = [0.0, 0.25, -1.5, 123_456.7, 1e9, 1e-5];
        assert_eq!(
            all.map(number),
            ["0", "0.25", "-1.5", "123457", "1.00e9", "1.00e-5"]
        );
    }

    #[test]
    fn a_falling_curve_goes_down_in_its_panel() {
        let lines = [1.0, 0.5, 0.0]
            .iter()
            .enumerate()
            .map(|(step, loss)| serde_json::json!({ "step": step, "losses": { "total": loss } }));
        let lines: Vec<_> = lines.collect();
        let picture = draw(&curves(&lines));
        assert_eq!((picture.width, picture.height), PANEL);
        let is_blue = |x: usize, y: usize| picture.rgb[3 * (y * picture.width + x)..][..3] == BLUE;
        let (left, right) = (MARGIN[0], PANEL.0 - MARGIN[1] - 1);
        let (top, bottom) = (MARGIN[2], PANEL.1 - MARGIN[3] - 1);
        assert!(is_blue(left, top) && is_blue(right, bottom));
        assert!(!is_blue(left, bottom) && !is_blue(right, top));
    }
}
