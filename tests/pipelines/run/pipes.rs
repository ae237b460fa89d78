//! Y4M from and to FFmpeg.

use std::{
    fs::{self, File},
    io::{Read, Write},
    process::{Output, Stdio},
};

use super::{Place, equal};
use crate::pipelines::tools::{ffmpeg, output};

/// Runs the program between two pipes.
fn through(place: &Place, y4m: &str) -> Output {
    let mut command = place.command(&["-", "--mask=mask.png", "-o", "-"]);
    let input = File::open(place.at(y4m)).unwrap();
    command.stdin(input).output().expect("the program runs")
}

fn y4m(place: &Place, arguments: &[&str]) -> Vec<u8> {
    let encode = [&["-strict", "-1", "-f", "yuv4mpegpipe"], arguments].concat();
    place.clip("in.y4m", &encode);
    fs::read(place.at("in.y4m")).unwrap()
}

#[test]
fn frames_of_every_format_come_out_as_they_went_in() {
    let place = Place::new();
    for (format, bytes) in [
        ("yuv420p", 160 * 96 * 3 / 2),
        ("yuv422p", 160 * 96 * 2),
        ("yuv444p", 160 * 96 * 3),
        ("yuv420p10le", 160 * 96 * 3),
        ("yuv422p10le", 160 * 96 * 4),
        ("yuv444p10le", 160 * 96 * 6),
    ] {
        let before = y4m(&place, &["-pix_fmt", format, "-vf", "setsar=4/3"]);
        let output = through(&place, "in.y4m");
        assert!(output.status.success(), "{format}: {output:?}");
        let after = output.stdout;
        assert_eq!(after.len(), before.len(), "{format}");
        let header = before.iter().position(|&byte| byte == b'\n').unwrap() + 1;
        assert_eq!(after[..header], before[..header], "{format}");
        let frame = bytes + "FRAME\n".len();
        assert_eq!(before.len(), header + 25 * frame);
        let frames = before[header..]
            .chunks(frame)
            .zip(after[header..].chunks(frame));
        for (before, after) in frames {
            assert!(after.starts_with(b"FRAME\n"), "{format}");
            let (before, after) = (&before[6..], &after[6..]);
            if format.ends_with("p") {
                assert_eq!(equal(before, after, bytes), (true, false), "{format}");
            } else {
                assert!(
                    before != after && before[..320 * 16] == after[..320 * 16],
                    "{format}"
                );
            }
        }
    }
}

#[test]
fn a_file_can_go_into_a_pipe() {
    let place = Place::new();
    let clip = place.clip("clip.mkv", &["-c:v", "ffv1", "-pix_fmt", "yuv422p10le"]);
    let written = place.run(&[clip, "--mask=mask.png", "-o", "-"]);
    assert!(written.status.success(), "{written:?}");
    fs::write(place.at("out.y4m"), written.stdout).unwrap();
    let mut read = ffmpeg();
    read.current_dir(place.folder.path());
    output(read.args(["-i", "out.y4m", "-c:v", "ffv1", "out.mkv"]));
    let shown = "stream=pix_fmt,nb_read_frames,r_frame_rate";
    let probed = crate::pipelines::tools::probe(&place.at("out.mkv"), "v", shown);
    assert_eq!(probed, ["yuv422p10le,25/1,25"]);
}

#[test]
fn a_reader_that_ends_is_no_error() {
    let place = Place::new();
    y4m(&place, &["-pix_fmt", "yuv444p"]);
    let mut command = place.command(&["-", "--mask=mask.png", "-o", "-"]);
    let input = File::open(place.at("in.y4m")).unwrap();
    let command = command
        .stdin(input)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program runs");
    let mut begin = [0; 20];
    let mut pipe = child.stdout.take().expect("a pipe");
    pipe.read_exact(&mut begin).unwrap();
    drop(pipe);
    let ended = child.wait_with_output().unwrap();
    let told = String::from_utf8(ended.stderr).unwrap();
    assert!(ended.status.success(), "{told}");
    assert!(
        told.contains("the reader of the output has ended"),
        "{told}"
    );
}

#[test]
fn what_is_no_whole_y4m_is_refused() {
    let place = Place::new();
    let whole = y4m(&place, &["-pix_fmt", "yuv420p"]);
    let interlaced = String::from_utf8_lossy(&whole[..200]).replacen(" Ip ", " It ", 1);
    for (input, expected) in [
        (&b""[..], "the input is empty"),
        (b"RIFF and more\n", "is no Y4M"),
        (interlaced.as_bytes(), "interlaced"),
        (&whole[..whole.len() / 2], "ends within frame 12"),
    ] {
        let mut command = place.command(&["-", "--mask=mask.png", "-o", "-", "--quiet"]);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program runs");
        let mut pipe = child.stdin.take().expect("a pipe");
        let input = input.to_vec();
        let feeder = std::thread::spawn(move || {
            // Refused at once, it reads no further.
            let _ = pipe.write_all(&input);
        });
        let ended = child.wait_with_output().unwrap();
        feeder.join().unwrap();
        let told = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(1), "{told}");
        assert!(
            told.contains(expected) && told.lines().count() == 1,
            "{told}"
        );
        // Frames that were whole have gone out.
        assert_eq!(
            ended.stdout.len() > 10 * 160 * 96,
            expected.contains("within")
        );
    }
}
