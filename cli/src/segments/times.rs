//! The times of a clip's frames: by their rate, or one by one.

use serde::{Deserialize, Serialize};

/// Nanoseconds of a second.
const SECOND: u128 = 1_000_000_000;

/// The running times of all frames, in nanoseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Times {
    /// Frame i begins at `first` plus i frames of this rate, rounded down.
    Regular { first: u64, rate: [u32; 2] },
    /// Each frame by itself.
    Each(Vec<u64>),
}

impl Times {
    /// Returns the shortest form of `times`. `rate` is what the caps say of the frames: a number of
    /// frames in a number of seconds.
    pub fn of(times: &[u64], rate: [u32; 2]) -> Self {
        let regular = Self::Regular {
            first: times.first().copied().unwrap_or_default(),
            rate,
        };
        let fits = rate[0] > 0
            && times
                .iter()
                .enumerate()
                .all(|(i, &t)| regular.at(i) == Some(t));
        match fits {
            true => regular,
            false => Self::Each(times.to_vec()),
        }
    }

    /// Returns the time of a frame; `None` after the last one if there is a list.
    pub fn at(&self, index: usize) -> Option<u64> {
        match self {
            Self::Regular {
                first,
                rate: [frames, seconds],
            } => {
                let since = index as u128 * u128::from(*seconds) * SECOND;
                let since = since.checked_div(u128::from(*frames))?;
                Some(first.saturating_add(u64::try_from(since).ok()?))
            }
            Self::Each(times) => times.get(index).copied(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_exact_in_either_form() {
        let regular: Vec<u64> = (0..500)
            .map(|i| 7 + i * 1_001_000_000_000 / 30_000)
            .collect();
        let times = Times::of(&regular, [30_000, 1001]);
        assert_eq!(
            times,
            Times::Regular {
                first: 7,
                rate: [30_000, 1001]
            }
        );
        let irregular = [0, 40, 90, 1_000_000_007];
        let each = Times::of(&irregular, [25, 1]);
        assert_eq!(each, Times::Each(irregular.to_vec()));
        assert_eq!(Times::of(&irregular, [0, 1]), each);
        for (times, truth) in [(times, &regular[..]), (each, &irregular[..])] {
            for (i, &at) in truth.iter().enumerate() {
                assert_eq!(times.at(i), Some(at));
            }
            let text = serde_json::to_string(&times).unwrap();
            assert_eq!(serde_json::from_str::<Times>(&text).unwrap(), times);
        }
    }
}
