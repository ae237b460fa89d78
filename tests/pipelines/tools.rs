//! FFmpeg's programs, which know nothing of GStreamer, as makers and judges of files.

use std::{
    path::Path,
    process::{Command, Output},
    str::FromStr,
};

/// Runs a program to its end; what it wrote.
///
/// # Panics
/// When it fails.
pub fn output(command: &mut Command) -> Output {
    let output = command.output().expect("the program runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}:\n{errors}");
    output
}

pub fn ffmpeg() -> Command {
    let mut command = Command::new("ffmpeg");
    command.args(["-nostdin", "-hide_banner", "-loglevel", "error", "-y"]);
    command
}

/// What ffprobe says of a file's stream (`v` or `a`): one line each.
pub fn probe(file: &Path, stream: &str, entries: &str) -> Vec<String> {
    let mut command = Command::new("ffprobe");
    command.args(["-v", "error", "-select_streams", stream, "-count_frames"]);
    command.args(["-of", "csv=p=0", "-show_entries", entries]);
    let text = output(command.arg(file)).stdout;
    let text = String::from_utf8(text).expect("UTF-8");
    // Lines of frames may end with empty side data.
    let lines = text
        .lines()
        .map(|line| line.trim_end_matches(',').to_owned());
    lines.filter(|line| !line.is_empty()).collect()
}

fn number<T: FromStr>(text: &str) -> T {
    let parsed = text.parse().ok();
    parsed.unwrap_or_else(|| panic!("{text} is no number"))
}

/// Timestamps of a file's frames, in seconds.
pub fn times(file: &Path) -> Vec<f64> {
    let lines = probe(file, "v", "frame=pts_time");
    lines.iter().map(|line| number(line)).collect()
}

/// Luma of all frames, 160×96 bytes each.
pub fn luma(file: &Path) -> Vec<Vec<u8>> {
    let mut command = ffmpeg();
    command.arg("-i").arg(file);
    command.args(["-map", "0:v", "-fps_mode", "passthrough"]);
    command.args(["-f", "rawvideo", "-pix_fmt", "gray", "-"]);
    let bytes = output(&mut command).stdout;
    bytes.chunks_exact(160 * 96).map(<[u8]>::to_vec).collect()
}

/// Sound, one channel of 48 kHz, and when it begins in seconds.
pub fn sound(file: &Path) -> (f64, Vec<f32>) {
    let start = probe(file, "a", "stream=start_time");
    let mut command = ffmpeg();
    command.arg("-i").arg(file);
    command.args([
        "-map", "0:a", "-ac", "1", "-ar", "48000", "-f", "f32le", "-",
    ]);
    let bytes = output(&mut command).stdout;
    let samples = bytes.chunks_exact(4);
    let samples = samples.map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
    (number(&start[0]), samples.collect())
}
