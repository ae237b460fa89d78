//! The space that clips take: their outputs, and segments beside the file that they are joined into.

/// The space that a clip takes, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Room {
    /// The output, at least.
    pub output: u64,
    /// Whether its segments lie beside it until it is complete.
    pub divided: bool,
    /// What was written of it before.
    pub begun: u64,
}

/// Returns the bytes that clips need of the space that is free, of which so many run `at_once`.
pub fn needed(clips: &[Room], at_once: usize) -> u64 {
    let outputs: u64 = clips.iter().map(|clip| clip.output).sum();
    let begun: u64 = clips.iter().map(|clip| clip.begun).sum();
    let mut segments: Vec<_> = clips
        .iter()
        .filter(|clip| clip.divided)
        .map(|clip| clip.output)
        .collect();
    // Segments go once their clip is complete; at worst the largest ones are there together.
    segments.sort_by_key(|&bytes| std::cmp::Reverse(bytes));
    let segments: u64 = segments.iter().take(at_once).sum();
    (outputs + segments).saturating_sub(begun)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_segments_of_the_largest_clips_count_once_more() {
        let clip = |output, divided| Room {
            output,
            divided,
            begun: 0,
        };
        let clips = [
            clip(10, false),
            clip(30, true),
            clip(50, true),
            clip(70, true),
        ];
        assert_eq!(needed(&clips[..1], 1), 10);
        assert_eq!(needed(&clips, 1), 160 + 70);
        assert_eq!(needed(&clips, 2), 160 + 70 + 50);
        let begun = Room {
            begun: 40,
            ..clips[3]
        };
        assert_eq!(needed(&[begun], 4), 70 + 70 - 40);
    }
}
