//! What a video file has is in the file that a command makes of it: judged by FFmpeg.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use super::{
    clips::mask,
    monitor::monitor,
    release,
    scripts::{FAST, script, text},
    tools::{ffmpeg, output, probe, times},
};

const LOOK: &str = "stream=pix_fmt,color_space,color_transfer,color_primaries";

struct Place {
    folder: TempDir,
    mask: PathBuf,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("mask.png");
        mask(&image, (160, 96), [10, 10, 20, 16]);
        Self {
            folder,
            mask: image,
        }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A clip of 25 frames, 160×96 unless the filter says otherwise, with what FFmpeg is told.
    fn clip(&self, name: &str, filter: &str, arguments: &[&str]) -> PathBuf {
        let file = self.at(name);
        let mut command = ffmpeg();
        let source = format!("testsrc=s=160x96:r=25:d=1{filter}");
        command.args(["-f", "lavfi", "-i", &source]).args(arguments);
        output(command.arg(&file));
        file
    }

    /// Returns the file that `propainter monitor` makes of it.
    fn made(&self, from: &Path, name: &str) -> PathBuf {
        let to = self.at(name);
        let files = ["--force", "--video", text(from), "--mask", text(&self.mask)];
        let to_file = ["--output", text(&to)];
        let (_, error) = monitor(&[&files[..], &to_file, &FAST].concat());
        assert_eq!(error, None, "{name}");
        to
    }
}

const PQ: &str = "log-level=none:hdr10=1:repeat-headers=1:colorprim=bt2020:transfer=smpte2084:\
    colormatrix=bt2020nc:max-cll=1000,400:\
    master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,1)";

fn side_data(file: &Path) -> BTreeSet<String> {
    let entries = "frame_side_data=side_data_type,max_content,red_x,max_luminance";
    let mut command = Command::new("ffprobe");
    command.args([
        "-v",
        "error",
        "-select_streams",
        "v",
        "-read_intervals",
        "%+#1",
    ]);
    command.args(["-of", "default=nk=1:nw=1", "-show_entries", entries]);
    let text = String::from_utf8(output(command.arg(file)).stdout).expect("UTF-8");
    text.lines().map(str::to_owned).collect()
}

#[test]
fn hdr_stays_hdr() {
    let place = Place::new();
    let encode = [
        "-c:v",
        "libx265",
        "-pix_fmt",
        "yuv420p10le",
        "-x265-params",
        PQ,
    ];
    let clip = place.clip("hdr.mkv", "", &encode);
    let look = probe(&clip, "v", LOOK);
    assert_eq!(look, ["yuv420p10le,bt2020nc,smpte2084,bt2020"]);
    for name in ["out.mp4", "out.mov", "out.mkv", "out.ts"] {
        let out = place.made(&clip, name);
        // A transport stream's are listed by programme, too.
        assert_eq!(probe(&out, "v", LOOK)[0], look[0], "{name}");
        let data = side_data(&out);
        for kept in [
            "Mastering display metadata",
            "34000/50000",
            "10000000/10000",
            "1000",
        ] {
            assert!(data.contains(kept), "{name}: no {kept} in {data:?}");
        }
    }
    // The demo writes no other way.
    let mut demo = Command::new(release("propainter"));
    demo.current_dir(place.folder.path());
    output(demo.args(["demo", "--video", "hdr.mkv", "--mask", "mask.png"]));
    assert_eq!(probe(&place.at("out/demo.mp4"), "v", LOOK), look);
    // Nor do the scripts.
    let out = place.at("script.mp4");
    let files = [text(&clip), text(&place.mask), text(&out)];
    script("logo.sh", &[&files[..], &FAST].concat(), &[]);
    assert_eq!(probe(&out, "v", LOOK), look);
}

#[test]
fn pixel_formats_and_colours_stay_as_they_are() {
    let place = Place::new();
    let bt709 = [
        "-color_primaries",
        "bt709",
        "-color_trc",
        "bt709",
        "-colorspace",
        "bt709",
    ];
    let hlg = "log-level=none:colorprim=bt2020:transfer=arib-std-b67:colormatrix=bt2020nc";
    let x265 = ["-c:v", "libx265", "-x265-params", hlg];
    for (format, codec) in [
        ("yuv420p", &["-c:v", "libx264"][..]),
        ("yuv422p", &["-c:v", "libx264"]),
        ("yuv444p", &["-c:v", "libx264"]),
        ("yuv420p10le", &["-c:v", "libx264"]),
        ("yuv420p10le", &x265),
    ] {
        let encode = [
            codec,
            &["-pix_fmt", format],
            if codec.len() == 2 { &bt709 } else { &[] },
        ];
        let clip = place.clip("in.mkv", "", &encode.concat());
        for name in ["out.mp4", "out.mkv"] {
            let out = place.made(&clip, name);
            assert_eq!(probe(&out, "v", LOOK), probe(&clip, "v", LOOK), "{name}");
        }
    }
}

/// Hashes of the packets of all sound, as they are stored.
fn hashes(file: &Path) -> Vec<String> {
    let mut command = ffmpeg();
    command.arg("-i").arg(file);
    command.args(["-map", "0:a", "-c", "copy", "-f", "framemd5", "-"]);
    let text = String::from_utf8(output(&mut command).stdout).expect("UTF-8");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let hash = |line: &str| {
        line.rsplit(',')
            .next()
            .unwrap_or_default()
            .trim()
            .to_owned()
    };
    lines.map(hash).collect()
}

#[test]
fn every_stream_of_sound_is_kept() {
    let place = Place::new();
    let sounds = [
        "-f",
        "lavfi",
        "-i",
        "sine=d=1:r=48000",
        "-f",
        "lavfi",
        "-i",
        "sine=f=900:d=1.5:r=48000",
        "-map",
        "0",
        "-map",
        "1",
        "-map",
        "2",
        "-c:v",
        "libx264",
        "-pix_fmt",
        "yuv420p",
        "-metadata:s:a:0",
        "language=deu",
        "-metadata:s:a:1",
        "language=fra",
    ];
    let encoded = |codec: &'static str| [&sounds[..], &["-c:a", codec]].concat();
    let clip = place.clip("aac.mp4", "", &encoded("aac"));
    let before = hashes(&clip);
    for name in ["out.mp4", "out.mov", "out.mkv"] {
        let out = place.made(&clip, name);
        assert_eq!(
            probe(&out, "a", "stream=codec_name"),
            ["aac", "aac"],
            "{name}"
        );
        assert_eq!(probe(&out, "v", "stream=nb_read_frames"), ["25"], "{name}");
        // The demuxer leaves out a packet at each end that the edit list cuts.
        let after = hashes(&out);
        let same = after.iter().all(|hash| before.contains(hash));
        assert!(same && after.len() + 6 >= before.len(), "{name}");
    }
    let languages = probe(&place.at("out.mp4"), "a", "stream_tags=language");
    assert_eq!(languages, ["deu", "fra"]);
    // Where the container does not take them, they are encoded anew.
    let out = place.made(&clip, "out.webm");
    assert_eq!(probe(&out, "a", "stream=codec_name"), ["opus", "opus"]);
    assert_eq!(
        probe(&out, "v", "stream=codec_name,nb_read_frames"),
        ["vp9,25"]
    );
    let pcm = place.clip("pcm.mov", "", &encoded("pcm_s24le"));
    let out = place.made(&pcm, "out.mp4");
    assert_eq!(probe(&out, "a", "stream=codec_name"), ["aac", "aac"]);
    let out = place.made(&pcm, "out.mov");
    assert_eq!(
        probe(&out, "a", "stream=codec_name"),
        ["pcm_s24le", "pcm_s24le"]
    );
    // A script, too.
    let out = place.at("script.mp4");
    let files = [text(&clip), text(&place.mask), text(&out), "8gb"];
    script("budget.sh", &[&files[..], &FAST].concat(), &[]);
    assert_eq!(probe(&out, "a", "stream=codec_name"), ["aac", "aac"]);
}

#[test]
fn the_way_up_and_the_times_of_frames_are_kept() {
    let place = Place::new();
    let x264 = ["-c:v", "libx264", "-pix_fmt", "yuv420p"];
    let upright = place.clip("upright.mp4", "", &x264);
    let clip = place.at("turned.mp4");
    let mut turn = ffmpeg();
    turn.arg("-i").arg(&upright);
    turn.args(["-c", "copy", "-metadata:s:v", "rotate=90"]);
    output(turn.arg(&clip));
    let rotation = "stream_side_data=rotation";
    let before = probe(&clip, "v", rotation);
    assert!(!before.is_empty());
    for name in ["out.mp4", "out.mov"] {
        assert_eq!(
            probe(&place.made(&clip, name), "v", rotation),
            before,
            "{name}"
        );
    }
    // Where the file cannot say it, the image itself is turned.
    let out = place.made(&clip, "out.mkv");
    assert_eq!(probe(&out, "v", "stream=width,height"), ["96,160"]);

    let filter = ",setpts='if(lt(N,10),N*0.04,0.4+(N-10)*0.1)/TB'";
    let varying = [&x264[..], &["-fps_mode", "vfr"]].concat();
    let clip = place.clip("varying.mp4", filter, &varying);
    let before = times(&clip);
    assert!(before.len() > 20);
    for name in ["times.mp4", "times.mkv"] {
        let after = times(&place.made(&clip, name));
        assert_eq!(after.len(), before.len(), "{name}");
        let near = |(a, b): (&f64, &f64)| (a - b).abs() < 0.001;
        assert!(after.iter().zip(&before).all(near), "{name}: {after:?}");
    }
}

#[test]
fn subtitles_chapters_and_tags_are_kept() {
    let place = Place::new();
    let (subtitles, chapters) = (place.at("s.srt"), place.at("chapters.txt"));
    std::fs::write(
        &subtitles,
        "1\n00:00:00,100 --> 00:00:00,600\n<i>A</i> & B\n",
    )
    .unwrap();
    let part = "[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=500\ntitle=One\n";
    std::fs::write(&chapters, format!(";FFMETADATA1\nartist=Someone\n{part}")).unwrap();
    let more = [
        "-i",
        text(&chapters),
        "-i",
        text(&subtitles),
        "-map",
        "0",
        "-map",
        "2",
        "-map_metadata",
        "1",
        "-c:v",
        "libx264",
        "-pix_fmt",
        "yuv420p",
        "-c:s",
        "srt",
    ];
    let clip = place.clip("in.mkv", "", &more);
    let out = place.made(&clip, "out.mkv");
    assert_eq!(probe(&out, "s", "stream=codec_name"), ["subrip"]);
    assert_eq!(probe(&out, "v", "chapter_tags=title"), ["One"]);
    assert_eq!(probe(&out, "v", "format_tags=artist"), ["Someone"]);
    let read = |file: &Path| {
        let mut command = ffmpeg();
        output(
            command
                .arg("-i")
                .arg(file)
                .args(["-map", "0:s", "-f", "srt", "-"]),
        )
        .stdout
    };
    assert_eq!(read(&out), read(&clip));
    let out = place.made(&clip, "out.mp4");
    assert_eq!(probe(&out, "s", "stream=codec_name"), ["mov_text"]);
    let text = String::from_utf8(read(&out)).expect("UTF-8");
    assert!(text.contains("A & B"), "{text}");
}

#[test]
fn odd_sizes_keep_every_pixel() {
    let place = Place::new();
    let odd = ["-c:v", "ffv1", "-pix_fmt", "yuv420p"];
    let clip = place.clip("odd.mkv", ",scale=161:97", &odd);
    for name in ["out.mp4", "out.mkv", "out.webm"] {
        let out = place.made(&clip, name);
        assert_eq!(
            probe(&out, "v", "stream=width,height,nb_read_frames"),
            ["161,97,25"],
            "{name}"
        );
    }
}
