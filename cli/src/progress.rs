//! Progress bars on the standard error stream; they stay hidden where that is no terminal.

use indicatif::{ProgressBar, ProgressStyle};

/// Returns a bar for a download of `total` bytes.
pub fn bytes(name: &'static str, total: u64) -> ProgressBar {
    let style = "{prefix}  {bar:32}  {bytes} of {total_bytes}  {bytes_per_sec}  {eta}  {msg}";
    styled(ProgressBar::new(total).with_prefix(name), style)
}

/// Returns a bar for work on `total` frames.
pub fn frames(total: u64) -> ProgressBar {
    let style = "{bar:32}  {pos} of {len} frames  {eta}";
    styled(ProgressBar::new(total), style)
}

/// Returns a bar for work on `total` clips, whose message tells of one of them.
pub fn clips(total: u64) -> ProgressBar {
    let style = "{bar:32}  {pos} of {len} clips  {msg}";
    styled(ProgressBar::new(total), style)
}

/// Returns a bar for the frames of a clip, whose message tells everything but their number.
pub fn clip() -> ProgressBar {
    styled(
        ProgressBar::no_length(),
        "{bar:24}  {human_pos} of {human_len} frames  {wide_msg}",
    )
}

/// Returns a bar for the steps of a training, whose message tells everything but their number.
pub fn steps() -> ProgressBar {
    styled(
        ProgressBar::no_length(),
        "{bar:24}  {human_pos} of {human_len}  {wide_msg}",
    )
}

fn styled(bar: ProgressBar, style: &str) -> ProgressBar {
    match ProgressStyle::with_template(style) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
