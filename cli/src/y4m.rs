//! Frames as YUV4MPEG2 ("Y4M"), the format in which FFmpeg passes uncompressed video through pipes.

use std::io::{self, BufRead, ErrorKind, Write};

use gst::Fraction;
use gst_video::{
    VideoChromaSite, VideoColorMatrix, VideoColorPrimaries, VideoColorRange, VideoColorimetry,
    VideoFormat, VideoFrame, VideoFrameRef, VideoInfo, VideoTransferFunction, prelude::*,
};
use thiserror::Error;

/// The name that stands for the standard input or output.
pub const PIPE: &str = "-";

/// Names of the pixel formats that can be passed on, with the place of the chroma samples.
const FORMATS: [(&str, VideoFormat, VideoChromaSite); 15] = [
    ("420jpeg", VideoFormat::I420, VideoChromaSite::JPEG),
    ("420mpeg2", VideoFormat::I420, VideoChromaSite::MPEG2),
    ("420paldv", VideoFormat::I420, VideoChromaSite::DV),
    ("420", VideoFormat::I420, VideoChromaSite::JPEG),
    ("422", VideoFormat::Y42b, VideoChromaSite::empty()),
    ("444", VideoFormat::Y444, VideoChromaSite::empty()),
    ("411", VideoFormat::Y41b, VideoChromaSite::empty()),
    ("mono", VideoFormat::Gray8, VideoChromaSite::empty()),
    ("mono16", VideoFormat::Gray16Le, VideoChromaSite::empty()),
    ("420p10", VideoFormat::I42010le, VideoChromaSite::empty()),
    ("422p10", VideoFormat::I42210le, VideoChromaSite::empty()),
    ("444p10", VideoFormat::Y44410le, VideoChromaSite::empty()),
    ("420p12", VideoFormat::I42012le, VideoChromaSite::empty()),
    ("422p12", VideoFormat::I42212le, VideoChromaSite::empty()),
    ("444p12", VideoFormat::Y44412le, VideoChromaSite::empty()),
];

/// Longest line that is read.
const MAX_LINE: u64 = 4096;

/// Largest number of columns and rows.
const MAX_SIDE: u32 = 32_768;

/// A stream that is no Y4M, or one that cannot be passed on.
#[derive(Debug, Error)]
pub enum Y4mError {
    #[error("the input is empty: pipe Y4M into it, for example from ffmpeg … -f yuv4mpegpipe -")]
    Empty,
    #[error("the input is no Y4M: pipe into it what ffmpeg … -f yuv4mpegpipe - writes")]
    NoY4m,
    #[error("the header of the Y4M has no valid {0}")]
    Header(&'static str),
    #[error(
        "Y4M of the pixel format {0} is not supported: use 4:2:0, 4:2:2, 4:4:4 or gray, for example \
         ffmpeg … -pix_fmt yuv420p"
    )]
    Format(String),
    #[error("the Y4M is interlaced: deinterlace it first, for example with ffmpeg … -vf bwdif")]
    Interlaced,
    #[error("the Y4M ends within frame {0}: the program that writes it has failed")]
    Truncated(u64),
    #[error("the Y4M cannot be read: {0}")]
    Read(#[from] io::Error),
}

/// The header of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Size, format, pixel aspect ratio and colours.
    pub info: VideoInfo,
    /// Frames per second; `None` where the header does not tell them.
    pub rate: Option<Fraction>,
    /// Parameters that have no place in `info`.
    others: Vec<String>,
}

impl Header {
    /// Reads the header of a stream.
    ///
    /// # Errors
    /// The stream is empty, is no Y4M, or cannot be passed on.
    pub fn read(input: &mut dyn BufRead) -> Result<Self, Y4mError> {
        let line = line(input)?.ok_or(Y4mError::Empty)?;
        let mut words = line.split(' ').filter(|word| !word.is_empty());
        if words.next() != Some("YUV4MPEG2") {
            return Err(Y4mError::NoY4m);
        }
        let (mut width, mut height) = (0, 0);
        let (mut rate, mut aspect) = (None, Fraction::new(1, 1));
        let (mut format, mut range) = (FORMATS[3].0, VideoColorRange::Range16_235);
        let mut others = Vec::new();
        let fraction = |text: &str| {
            let (numerator, denominator) = text.split_once(':')?;
            let parsed: (i32, i32) = (numerator.parse().ok()?, denominator.parse().ok()?);
            (parsed.0 > 0 && parsed.1 > 0).then(|| Fraction::new(parsed.0, parsed.1))
        };
        for word in words {
            let (kind, value) = word.split_at_checked(1).unwrap_or_default();
            match kind {
                "W" => width = value.parse().unwrap_or_default(),
                "H" => height = value.parse().unwrap_or_default(),
                "F" => rate = fraction(value),
                "A" => aspect = fraction(value).unwrap_or(aspect),
                "I" if !matches!(value, "p" | "?") => return Err(Y4mError::Interlaced),
                "I" => {}
                "C" => format = value,
                "X" => {
                    if value == "COLORRANGE=FULL" {
                        range = VideoColorRange::Range0_255;
                    }
                    others.push(word.to_owned());
                }
                _ => others.push(word.to_owned()),
            }
        }
        let sides = 1..=MAX_SIDE;
        if !sides.contains(&width) {
            return Err(Y4mError::Header("width (W)"));
        }
        if !sides.contains(&height) {
            return Err(Y4mError::Header("height (H)"));
        }
        let known = FORMATS.iter().find(|(name, ..)| *name == format);
        let (_, format, site) = known.ok_or_else(|| Y4mError::Format(format.to_owned()))?;
        let info = VideoInfo::builder(*format, width, height)
            .fps(rate.unwrap_or(Fraction::new(0, 1)))
            .par(aspect)
            .chroma_site(*site)
            .colorimetry(&colorimetry(range, height))
            .build();
        let info = info.map_err(|_| Y4mError::Header("size"))?;
        Ok(Self { info, rate, others })
    }

    /// Returns the header of frames that come from elsewhere; `None` where Y4M cannot hold them.
    pub fn of(info: &VideoInfo) -> Option<Self> {
        name(info)?;
        let others = match info.colorimetry().range() {
            VideoColorRange::Range0_255 => "XCOLORRANGE=FULL",
            _ => "XCOLORRANGE=LIMITED",
        };
        Some(Self {
            info: info.clone(),
            rate: Some(info.fps()).filter(|rate| rate.numer() > 0),
            others: vec![others.to_owned()],
        })
    }

    /// Returns this header for frames of perhaps another size.
    pub fn with(&self, info: &VideoInfo) -> Self {
        Self {
            info: info.clone(),
            ..self.clone()
        }
    }

    /// Returns the formats that [`Header::of`] takes.
    pub fn formats() -> impl Iterator<Item = VideoFormat> {
        FORMATS.iter().map(|(_, format, _)| *format)
    }

    /// Writes the header of a stream.
    ///
    /// # Errors
    /// The stream cannot be written.
    pub fn write(&self, output: &mut dyn Write) -> io::Result<()> {
        let info = &self.info;
        let name = name(info).ok_or_else(|| io::Error::other("Y4M cannot hold this format"))?;
        let (rate, aspect) = (self.rate.unwrap_or(Fraction::new(0, 1)), info.par());
        write!(
            output,
            "YUV4MPEG2 W{} H{} F{}:{} Ip A{}:{} C{name}",
            info.width(),
            info.height(),
            rate.numer(),
            if self.rate.is_some() { rate.denom() } else { 0 },
            aspect.numer(),
            aspect.denom()
        )?;
        for other in &self.others {
            write!(output, " {other}")?;
        }
        writeln!(output)
    }

    /// Reads the next frame; `None` at the end of the stream. `number` is its number, from 0.
    ///
    /// # Errors
    /// The stream ends within the frame, or cannot be read.
    pub fn read_frame(
        &self,
        input: &mut dyn BufRead,
        number: u64,
    ) -> Result<Option<gst::Buffer>, Y4mError> {
        let truncated = |error: io::Error| match error.kind() {
            ErrorKind::UnexpectedEof => Y4mError::Truncated(number),
            _ => Y4mError::Read(error),
        };
        let Some(line) = line(input)? else {
            return Ok(None);
        };
        if !line.starts_with("FRAME") {
            return Err(Y4mError::Truncated(number));
        }
        let memory = |_| Y4mError::Read(ErrorKind::OutOfMemory.into());
        let buffer = gst::Buffer::with_size(self.info.size()).map_err(memory)?;
        let frame = VideoFrame::from_buffer_writable(buffer, &self.info);
        let mut frame = frame.map_err(|_| Y4mError::Header("size"))?;
        for plane in 0..frame.n_planes() {
            let (row, rows) = plane_size(frame.info(), plane);
            let stride = frame.plane_stride()[plane as usize].unsigned_abs() as usize;
            let data = frame.plane_data_mut(plane);
            let data = data.map_err(|_| Y4mError::Header("size"))?;
            for line in data.chunks_mut(stride).take(rows) {
                input.read_exact(&mut line[..row]).map_err(truncated)?;
            }
        }
        Ok(Some(frame.into_buffer()))
    }
}

/// Writes a frame.
///
/// # Errors
/// The stream cannot be written.
pub fn write_frame(
    frame: &VideoFrameRef<&gst::BufferRef>,
    output: &mut dyn Write,
) -> io::Result<()> {
    output.write_all(b"FRAME\n")?;
    for plane in 0..frame.n_planes() {
        let (row, rows) = plane_size(frame.info(), plane);
        let stride = frame.plane_stride()[plane as usize].unsigned_abs() as usize;
        let data = frame.plane_data(plane).map_err(io::Error::other)?;
        for line in data.chunks(stride).take(rows) {
            output.write_all(&line[..row])?;
        }
    }
    output.flush()
}

/// Returns the bytes of a row of a plane, and its rows.
fn plane_size(info: &VideoInfo, plane: u32) -> (usize, usize) {
    // Each component of these formats has a plane of its own.
    let component = plane as u8;
    let bytes = info.comp_pstride(component).unsigned_abs() as usize;
    let (width, height) = (info.comp_width(component), info.comp_height(component));
    (width as usize * bytes, height as usize)
}

/// Returns the name of the pixel format.
fn name(info: &VideoInfo) -> Option<&'static str> {
    let mut of_format = FORMATS
        .iter()
        .filter(|(_, format, _)| *format == info.format());
    let exact = of_format
        .clone()
        .find(|(_, _, site)| *site == info.chroma_site());
    exact.or_else(|| of_format.next()).map(|(name, ..)| *name)
}

/// Returns the colours of frames of some `height`, which the header does not tell.
fn colorimetry(range: VideoColorRange, height: u32) -> VideoColorimetry {
    // As players guess them.
    let (matrix, primaries) = match height {
        0..=576 => (VideoColorMatrix::Bt601, VideoColorPrimaries::Smpte170m),
        _ => (VideoColorMatrix::Bt709, VideoColorPrimaries::Bt709),
    };
    VideoColorimetry::new(range, matrix, VideoTransferFunction::Bt709, primaries)
}

/// Reads a line; `None` at the end of the stream.
fn line(input: &mut dyn BufRead) -> Result<Option<String>, Y4mError> {
    let mut line = Vec::new();
    io::Read::take(input, MAX_LINE).read_until(b'\n', &mut line)?;
    match line.pop() {
        None => Ok(None),
        Some(b'\n') => Ok(Some(String::from_utf8_lossy(&line).into_owned())),
        Some(_) => Err(Y4mError::NoY4m),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(line: &str) -> Result<Header, Y4mError> {
        gst::init().unwrap();
        Header::read(&mut format!("YUV4MPEG2 {line}\n").as_bytes())
    }

    #[test]
    fn a_header_is_written_as_it_was_read() {
        for line in [
            "W160 H96 F25:1 Ip A1:1 C420jpeg",
            "W161 H97 F30000:1001 Ip A4:3 C420mpeg2 XYSCSS=420MPEG2 XCOLORRANGE=LIMITED",
            "W1920 H1080 F24:1 Ip A1:1 C422p10 XCOLORRANGE=FULL",
            "W8 H8 F0:0 Ip A1:1 C444",
            "W8 H8 F1:1 Ip A1:1 Cmono",
        ] {
            let mut written = Vec::new();
            header(line).unwrap().write(&mut written).unwrap();
            assert_eq!(
                String::from_utf8(written).unwrap(),
                format!("YUV4MPEG2 {line}\n")
            );
        }
        let full = header("W8 H8 C444 XCOLORRANGE=FULL").unwrap();
        assert_eq!(full.info.colorimetry().range(), VideoColorRange::Range0_255);
    }

    #[test]
    fn what_cannot_be_passed_on_is_refused_with_a_sentence() {
        for (line, expected) in [
            ("W160 H96 F25:1 It", "deinterlace"),
            ("W160 H96 C420p14", "420p14"),
            ("W0 H96", "width"),
            ("W160", "height"),
        ] {
            let error = header(line).unwrap_err().to_string();
            assert!(error.contains(expected), "{line}: {error}");
        }
        let none = Header::read(&mut &b"RIFF"[..]).unwrap_err();
        assert!(matches!(none, Y4mError::NoY4m), "{none}");
        let empty = Header::read(&mut &b""[..]).unwrap_err();
        assert!(matches!(empty, Y4mError::Empty), "{empty}");
    }

    #[test]
    fn frames_of_every_format_are_written_as_they_were_read() {
        for (name, format, _) in FORMATS {
            // Odd sides: rows are padded in memory, but not in the stream.
            let header = header(&format!("W13 H7 F25:1 Ip A1:1 C{name}")).unwrap();
            assert_eq!(header.info.format(), format);
            let planes = header.info.n_planes();
            let bytes = (0..planes).map(|plane| plane_size(&header.info, plane));
            let bytes: usize = bytes.map(|(row, rows)| row * rows).sum();
            let pixels: Vec<u8> = (0..bytes).map(|i| (i * 7 % 251) as u8).collect();
            let stream = [&b"FRAME\n"[..], &pixels, b"FRAME Ip\n", &pixels].concat();
            let mut input = &stream[..];
            let mut written = Vec::new();
            for number in 0..2 {
                let buffer = header.read_frame(&mut input, number).unwrap().unwrap();
                let frame = VideoFrameRef::from_buffer_ref_readable(&buffer, &header.info);
                write_frame(&frame.unwrap(), &mut written).unwrap();
            }
            assert!(header.read_frame(&mut input, 2).unwrap().is_none());
            let expected = [&b"FRAME\n"[..], &pixels, b"FRAME\n", &pixels].concat();
            assert_eq!(written, expected, "{name}");
            let cut = header.read_frame(&mut &stream[..20], 4).unwrap_err();
            assert!(matches!(cut, Y4mError::Truncated(4)), "{name}: {cut}");
        }
    }
}
