//! Random holes: the statistics of the official sampler, and what the other styles draw.

use std::time::Instant;

use propainter_training::{
    masks::{Holes, Mixture, MixtureError, Style, is_partial, official},
    random::random,
};

use crate::vectors::vectors;

const SIZE: (usize, usize) = (432, 240);
/// Frames and draws, as those that the official figures are of; more draws, so that the figures'
/// own error is the larger one.
const FRAMES: usize = 10;
const DRAWS: u64 = 1800;

/// The bounding box of a hole: row, column, height, width; and the pixels of the hole.
fn measure(hole: &[u8], width: usize) -> ([usize; 4], usize) {
    let places = || (0..hole.len()).filter(|&place| hole[place] == 1);
    let range = |values: &mut dyn Iterator<Item = usize>| {
        let (mut least, mut most) = (usize::MAX, 0);
        for value in values {
            (least, most) = (least.min(value), most.max(value));
        }
        (least, most - least + 1)
    };
    let (row, height) = range(&mut places().map(|place| place / width));
    let (column, wide) = range(&mut places().map(|place| place % width));
    ([row, column, height, wide], places().count())
}

/// The figures of many holes, each sorted.
#[derive(Default)]
struct Figures {
    area: Vec<f64>,
    width: Vec<f64>,
    height: Vec<f64>,
    fill: Vec<f64>,
    steps: Vec<f64>,
    still: usize,
}

impl Figures {
    fn add(&mut self, holes: &Holes, width: usize) {
        let ([.., high, wide], pixels) = measure(&holes[0], width);
        self.area.push(pixels as f64 / holes[0].len() as f64);
        self.width.push(wide as f64);
        self.height.push(high as f64);
        self.fill.push(pixels as f64 / (high * wide) as f64);
        let places = holes.iter().map(|hole| measure(hole, width).0);
        let places: Vec<_> = places
            .map(|[row, column, ..]| [row as f64, column as f64])
            .collect();
        let steps = places.windows(2);
        let steps = steps.map(|pair| (pair[1][0] - pair[0][0]).hypot(pair[1][1] - pair[0][1]));
        let steps: Vec<f64> = steps.collect();
        // Holes that could move and did not are so few that they do not count here.
        match steps.iter().all(|&step| step == 0.0) {
            true => self.still += 1,
            false => self.steps.extend(steps),
        }
    }
}

fn quantiles(values: &mut [f64]) -> [f64; 8] {
    values.sort_by(f64::total_cmp);
    let at = |part: f64| values[((values.len() - 1) as f64 * part).round() as usize];
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    [
        at(0.01),
        at(0.05),
        at(0.25),
        at(0.5),
        at(0.75),
        at(0.95),
        at(0.99),
        mean,
    ]
}

/// Fails unless each quantile and the mean are within their tolerance: about four times the error that
/// 600 draws leave.
fn assert_figures(what: &str, values: &mut [f64], official: [f64; 8], tolerance: [f64; 8]) {
    let ours = quantiles(values);
    println!("{what}: {ours:.3?}, official {official:?}");
    for ((ours, official), tolerance) in ours.iter().zip(official).zip(tolerance) {
        let error = (ours - official).abs();
        assert!(error <= tolerance, "{what}: {ours:.3} is not {official}");
    }
}

#[test]
fn holes_have_the_statistics_of_the_official_sampler() {
    let (width, height) = SIZE;
    let mut figures = Figures::default();
    for draw in 0..DRAWS {
        let holes = official(&mut random(&[1, draw]), width, height, FRAMES);
        assert!(holes.len() == FRAMES && holes.iter().all(|hole| is_partial(hole)));
        figures.add(&holes, width);
    }
    assert_figures(
        "hole / frame",
        &mut figures.area,
        [0.022, 0.031, 0.050, 0.070, 0.098, 0.150, 0.184, 0.078],
        [0.004, 0.004, 0.005, 0.006, 0.008, 0.014, 0.025, 0.006],
    );
    assert_figures(
        "width",
        &mut figures.width,
        [76.0, 87.0, 126.0, 164.0, 205.0, 251.0, 278.0, 166.0],
        [8.0, 8.0, 10.0, 10.0, 10.0, 10.0, 14.0, 8.0],
    );
    assert_figures(
        "height",
        &mut figures.height,
        [41.0, 48.0, 65.0, 90.0, 111.0, 137.0, 151.0, 89.0],
        [4.0, 4.0, 6.0, 6.0, 6.0, 6.0, 8.0, 4.5],
    );
    assert_figures(
        "hole / its box",
        &mut figures.fill,
        [0.36, 0.42, 0.49, 0.54, 0.60, 0.68, 0.72, 0.54],
        [0.03, 0.02, 0.015, 0.015, 0.015, 0.02, 0.03, 0.012],
    );
    assert_figures(
        "step",
        &mut figures.steps,
        [0.0, 0.0, 1.0, 2.0, 3.2, 6.7, 9.4, 2.2],
        [0.0, 0.0, 0.1, 0.25, 0.5, 0.8, 1.5, 0.25],
    );
    let still = figures.still as f64 / DRAWS as f64;
    let steps = &figures.steps;
    let zero = steps.iter().filter(|&&step| step == 0.0).count() as f64 / steps.len() as f64;
    println!("standing {still:.3}, steps of length zero {zero:.3}");
    assert!((still - 0.503).abs() < 0.06, "{still} stand still");
    assert!((zero - 0.23).abs() < 0.03, "{zero} of steps are zero");
}

#[test]
fn official_samples_lie_within_the_figures_of_ours() {
    let Some(vectors) = vectors("random_holes") else {
        return;
    };
    let (width, height) = SIZE;
    let mut ours = Figures::default();
    for draw in 0..400 {
        ours.add(&official(&mut random(&[2, draw]), width, height, 1), width);
    }
    let within = |values: &mut Vec<f64>, value: f64| {
        values.sort_by(f64::total_cmp);
        values[0] <= value && value <= values[values.len() - 1]
    };
    let samples: Vec<u8> = vectors
        .bytes("first")
        .iter()
        .map(|&p| u8::from(p > 0))
        .collect();
    for sample in samples.chunks_exact(width * height) {
        let ([_, _, high, wide], pixels) = measure(sample, width);
        let area = pixels as f64 / sample.len() as f64;
        let fill = pixels as f64 / (high * wide) as f64;
        assert!(within(&mut ours.area, area), "an area of {area}");
        assert!(within(&mut ours.width, wide as f64), "a width of {wide}");
        assert!(within(&mut ours.height, high as f64), "a height of {high}");
        assert!(within(&mut ours.fill, fill), "a fill of {fill}");
    }
}

fn mixture(text: &str) -> Mixture {
    text.parse().expect("a mixture")
}

#[test]
fn every_style_draws_usable_holes_of_its_kind() {
    let (width, height) = SIZE;
    for style in Style::ALL {
        let mixture = mixture(style.name());
        let mut area = Vec::new();
        let mut moving = 0;
        for draw in 0..200 {
            let holes = mixture.draw(&mut random(&[3, draw]), width, height, FRAMES);
            assert!(
                holes.iter().all(|hole| is_partial(hole)),
                "{style:?} {draw}"
            );
            assert!(holes.iter().flatten().all(|&pixel| pixel <= 1));
            let pixels = holes[0].iter().filter(|&&pixel| pixel == 1).count();
            area.push(pixels as f64 / holes[0].len() as f64);
            moving += usize::from(holes.windows(2).any(|pair| pair[0] != pair[1]));
        }
        let figures = quantiles(&mut area);
        println!("{style:?}: areas {figures:.3?}, {moving} of 200 move");
        let (areas, moves) = match style {
            Style::Official => (0.05..0.10, 70..130),
            Style::Rectangles => (0.08..0.3, 100..180),
            Style::Logos => (0.005..0.05, 0..1),
            Style::Tickers => (0.03..0.15, 60..140),
            Style::Text => (0.02..0.12, 60..140),
            Style::Overlays => (0.03..0.35, 0..1),
        };
        assert!(areas.contains(&figures[7]), "{style:?}: {figures:.3?}");
        assert!(moves.contains(&moving), "{style:?}: {moving} move");
    }
    // As small as it gets.
    let all = mixture("rectangles+logos+tickers+text+overlays");
    for draw in 0..300 {
        let holes = all.draw(&mut random(&[4, draw]), 16, 16, 3);
        assert!(
            holes
                .iter()
                .all(|hole| hole.len() == 256 && is_partial(hole))
        );
    }
}

#[test]
fn one_seed_gives_one_sequence() {
    let all = mixture("official+rectangles+logos+tickers+text+overlays");
    let draw = |number| all.draw(&mut random(&[5, number]), 128, 96, 4);
    let first: Vec<_> = (0..24).map(draw).collect();
    let again: Vec<_> = (0..24).map(draw).collect();
    assert!(first == again);
    assert!(first.windows(2).all(|pair| pair[0] != pair[1]));
}

#[test]
fn mixtures_are_read_and_written() {
    assert_eq!(Mixture::default(), mixture("official"));
    let text = "official=3+logos+text=0.5";
    assert_eq!(mixture(text).to_string(), text);
    let error = |text: &str| text.parse::<Mixture>().expect_err("no mixture");
    assert_eq!(error("logo"), MixtureError::Style("logo".to_owned()));
    let message = error("logo").to_string();
    assert!(message.contains("official, rectangles, logos"), "{message}");
    for weight in ["0", "-1", "x", "inf", "NaN", ""] {
        let wrong = MixtureError::Weight("text".to_owned(), weight.to_owned());
        assert_eq!(error(&format!("official+text={weight}")), wrong);
    }
    let mostly = mixture("official=999+rectangles=1");
    let (width, height) = (96, 64);
    let same = (0..40).filter(|&draw| {
        let official = mixture("official");
        let of = |mixture: &Mixture| mixture.draw(&mut random(&[6, draw]), width, height, 1);
        of(&mostly) == of(&official)
    });
    assert!(same.count() >= 38);
}

/// A clip's masks in less than 5 ms: loader threads have frames to decode.
#[test]
fn masks_are_fast() {
    let (width, height) = SIZE;
    for style in Style::ALL {
        let mixture = mixture(style.name());
        let times = (0..20).map(|draw| {
            let start = Instant::now();
            mixture.draw(&mut random(&[7, draw]), width, height, 16);
            start.elapsed()
        });
        // Other tests run beside this one: the fastest shows what a draw takes. A clip takes 2 ms.
        let fastest = times.min().expect("20 draws");
        println!("{style:?}: {fastest:?}");
        assert!(fastest.as_millis() < 10, "{style:?}: {fastest:?}");
    }
}
