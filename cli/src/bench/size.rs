//! A frame size on the command line.

use std::str::FromStr;

/// A frame size in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    pub width: usize,
    pub height: usize,
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let side = |text: &str| text.parse().ok().filter(|side| (16..=7680).contains(side));
        let sides = text.split_once('x');
        let sides = sides.and_then(|(width, height)| Some((side(width)?, side(height)?)));
        let (width, height) =
            sides.ok_or("a size is WIDTHxHEIGHT, with sides of 16 to 7680 pixels")?;
        Ok(Self { width, height })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_has_two_sides_within_range() {
        let size = Size {
            width: 432,
            height: 240,
        };
        assert_eq!("432x240".parse(), Ok(size));
        for wrong in [
            "",
            "432",
            "432x",
            "x240",
            "15x240",
            "432x7681",
            "432x240x3",
            "-432x240",
        ] {
            assert!(wrong.parse::<Size>().is_err(), "{wrong}");
        }
    }
}
