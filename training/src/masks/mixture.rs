//! Which holes a training draws, and how often.

use std::{fmt, str::FromStr};

use rand::RngExt;
use thiserror::Error;

use super::{Holes, broadcast, broadcast::Clip, is_partial, official};
use crate::random::Random;

/// The least side of a frame that holes are drawn for.
const LEAST_SIDE: usize = 16;
/// Draws of holes that are empty in a frame, or everything, before the official rule is used.
const TRIES: usize = 16;

/// A style of holes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Style {
    /// Blobs by the rule of the official training.
    Official,
    /// Rectangles that stand still or wander.
    Rectangles,
    /// Logos of stations in a corner.
    Logos,
    /// Bands with running text.
    Tickers,
    /// Lines of text.
    Text,
    /// See-through text or emblems over the picture.
    Overlays,
}

impl Style {
    /// All styles.
    pub const ALL: [Style; 6] = [
        Style::Official,
        Style::Rectangles,
        Style::Logos,
        Style::Tickers,
        Style::Text,
        Style::Overlays,
    ];

    /// Returns the name, as it is on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Style::Official => "official",
            Style::Rectangles => "rectangles",
            Style::Logos => "logos",
            Style::Tickers => "tickers",
            Style::Text => "text",
            Style::Overlays => "overlays",
        }
    }

    /// Draws the holes of a clip.
    fn draw(self, random: &mut Random, clip: Clip) -> Holes {
        match self {
            Style::Official => official(random, clip.width, clip.height, clip.frames),
            Style::Rectangles => broadcast::rectangles(random, clip),
            Style::Logos => broadcast::logo(random, clip),
            Style::Tickers => broadcast::ticker(random, clip),
            Style::Text => broadcast::text(random, clip),
            Style::Overlays => broadcast::overlay(random, clip),
        }
    }
}

/// A mixture of styles that cannot be read.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum MixtureError {
    /// A style that there is not.
    #[error("there are no masks `{0}`: choose from {all}, joined by +", all = names())]
    Style(String),
    /// A weight that is no number above 0.
    #[error("the weight `{1}` of the masks `{0}` is no number above 0")]
    Weight(String, String),
}

fn names() -> String {
    Style::ALL.map(Style::name).join(", ")
}

/// Styles with the weights by which each clip's is drawn. Written as `official` or
/// `official=3+logos+text`, where a weight that is left out is 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Mixture {
    styles: Vec<(Style, f64)>,
}

impl Default for Mixture {
    /// The official rule alone.
    fn default() -> Self {
        let styles = vec![(Style::Official, 1.0)];
        Self { styles }
    }
}

impl FromStr for Mixture {
    type Err = MixtureError;

    fn from_str(text: &str) -> Result<Self, MixtureError> {
        let style = |part: &str| {
            let (name, weight) = part.split_once('=').unwrap_or((part, "1"));
            let style = Style::ALL.into_iter().find(|style| style.name() == name);
            let Some(style) = style else {
                return Err(MixtureError::Style(name.to_owned()));
            };
            match weight.parse() {
                Ok(number) if number > 0.0 && f64::is_finite(number) => Ok((style, number)),
                _ => Err(MixtureError::Weight(name.to_owned(), weight.to_owned())),
            }
        };
        let styles = text.split('+').map(style).collect::<Result<_, _>>()?;
        Ok(Self { styles })
    }
}

impl fmt::Display for Mixture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |(style, weight): &(Style, f64)| match weight {
            1.0 => style.name().to_owned(),
            weight => format!("{}={weight}", style.name()),
        };
        let parts: Vec<_> = self.styles.iter().map(part).collect();
        f.write_str(&parts.join("+"))
    }
}

impl Mixture {
    /// Draws the holes of a clip. In no frame is the hole empty or everything.
    ///
    /// # Panics
    /// If a side is below 16 pixels, or there are no frames.
    pub fn draw(&self, random: &mut Random, width: usize, height: usize, frames: usize) -> Holes {
        assert!(
            width.min(height) >= LEAST_SIDE && frames > 0,
            "{frames} frames of {width}x{height} pixels have no holes"
        );
        let clip = Clip {
            width,
            height,
            frames,
        };
        let style = self.style(random);
        for _ in 0..TRIES {
            let holes = style.draw(random, clip);
            if holes.iter().all(|hole| is_partial(hole)) {
                return holes;
            }
        }
        official(random, width, height, frames)
    }

    fn style(&self, random: &mut Random) -> Style {
        let total: f64 = self.styles.iter().map(|(_, weight)| weight).sum();
        let mut left = random.random::<f64>() * total;
        let chosen = self.styles.iter().find(|(_, weight)| {
            left -= weight;
            left < 0.0
        });
        // Rounding may leave none.
        chosen
            .or(self.styles.last())
            .map_or(Style::Official, |(style, _)| *style)
    }
}
