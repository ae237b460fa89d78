//! Comparison with the definitions of the colours, in floating point.

use super::{spots::*, *};

const MATRICES: [(VideoColorMatrix, f64, f64); 5] = [
    (VideoColorMatrix::Bt601, 0.299, 0.114),
    (VideoColorMatrix::Bt709, 0.2126, 0.0722),
    (VideoColorMatrix::Bt2020, 0.2627, 0.0593),
    (VideoColorMatrix::Smpte240m, 0.212, 0.087),
    (VideoColorMatrix::Fcc, 0.3, 0.11),
];
const RANGES: [VideoColorRange; 2] = [VideoColorRange::Range0_255, VideoColorRange::Range16_235];
const ODD: [(u32, u32); 4] = [(1, 1), (3, 5), (7, 5), (13, 6)];

/// The definition of one matrix in one range at one depth.
struct Plain {
    kr: f64,
    kb: f64,
    luma: [f64; 2],
    chroma: [f64; 2],
}

impl Plain {
    fn new(kr: f64, kb: f64, range: VideoColorRange, depth: u32) -> Self {
        let unit = f64::from(1 << (depth - 8));
        let most = 256.0 * unit - 1.0;
        let (luma, chroma) = match range {
            VideoColorRange::Range16_235 => ([16.0 * unit, 219.0 * unit], 224.0 * unit),
            _ => ([0.0, most], most),
        };
        Self {
            kr,
            kb,
            luma,
            chroma: [128.0 * unit, chroma],
        }
    }

    fn rgb(&self, [y, u, v]: [f64; 3]) -> [f64; 3] {
        let y = (y - self.luma[0]) / self.luma[1];
        let [u, v] = [u, v].map(|c| (c - self.chroma[0]) / self.chroma[1]);
        let r = y + 2.0 * (1.0 - self.kr) * v;
        let b = y + 2.0 * (1.0 - self.kb) * u;
        let g = (y - self.kr * r - self.kb * b) / (1.0 - self.kr - self.kb);
        [r, g, b].map(|c| 255.0 * c)
    }

    fn yuv(&self, rgb: [f64; 3]) -> [f64; 3] {
        let [r, g, b] = rgb.map(|c| c / 255.0);
        let y = self.kr * r + (1.0 - self.kr - self.kb) * g + self.kb * b;
        let (u, v) = (
            (b - y) / (2.0 * (1.0 - self.kb)),
            (r - y) / (2.0 * (1.0 - self.kr)),
        );
        let chroma = |c| self.chroma[0] + self.chroma[1] * c;
        [self.luma[0] + self.luma[1] * y, chroma(u), chroma(v)]
    }
}

fn each_color(mut check: impl FnMut(&VideoInfo, &Plain, usize)) {
    gst::init().unwrap();
    for format in FORMATS {
        for (matrix, kr, kb) in MATRICES {
            for range in RANGES {
                for (size, pad) in ODD.into_iter().flat_map(|s| [(s, 0), (s, 3)]) {
                    let info = colored(format, size, matrix, range);
                    let plain = Plain::new(kr, kb, range, info.comp_depth(0));
                    check(&info, &plain, pad);
                }
            }
        }
    }
}

/// Every pixel has the samples that cover it, and is what they mean.
#[test]
fn every_format_is_read_as_it_is_defined() {
    each_color(|info, plain, pad| {
        let width = info.width() as usize;
        let source = buffer(info, pad, 11);
        let read = Converter::new(info).unwrap().read(&source).unwrap();
        let bytes = bytes(&source);
        let mut samples = vec![[0.0; 3]; width * info.height() as usize];
        for component in 0..colors(info) {
            for spot in spots(info, &source, component) {
                for pixel in spot.pixels(width) {
                    samples[pixel][usize::from(component)] = spot.get(&bytes).into();
                }
            }
        }
        let (rgb, _) = read.rgb().as_chunks::<3>();
        for (got, samples) in rgb.iter().zip(samples) {
            let most = f64::from((1u32 << info.comp_depth(0)) - 1);
            let exact = match (info.is_rgb(), info.is_gray()) {
                (true, _) => samples.map(|c| 255.0 * c / most),
                (_, true) => plain.rgb([samples[0], plain.chroma[0], plain.chroma[0]]),
                _ => plain.rgb(samples),
            };
            for (&got, exact) in got.iter().zip(exact) {
                let error = (f64::from(got) - exact.clamp(0.0, 255.0)).abs();
                // Of 16 bits 12 are read, which costs a sixteenth of a step in each sample.
                assert!(error <= 0.7, "{info:?}: {samples:?} is {got}, not {exact}");
            }
        }
    });
}

/// Every sample is what the pixels it covers mean, with all the bits it has.
#[test]
fn every_format_is_written_as_it_is_defined() {
    each_color(|info, plain, pad| {
        let (width, height) = (info.width() as usize, info.height() as usize);
        let fill = noise(3 * width * height, 13);
        let source = buffer(info, pad, 12);
        let mut out = source.copy_deep().unwrap();
        let done = whole(Frame::new(width, height, fill.clone()));
        let converter = Converter::new(info).unwrap();
        converter.write(out.get_mut().unwrap(), &done).unwrap();
        let (bytes, mut expected) = (bytes(&out), bytes(&source));
        let (fill, _) = fill.as_chunks::<3>();
        for component in 0..colors(info) {
            let index = usize::from(component);
            for spot in spots(info, &source, component) {
                let pixels: Vec<_> = spot.pixels(width).collect();
                let mean = [0, 1, 2].map(|c| {
                    let sum: f64 = pixels.iter().map(|&p| f64::from(fill[p][c])).sum();
                    sum / pixels.len() as f64
                });
                let most = f64::from((1u32 << spot.depth) - 1);
                let exact = match info.is_rgb() {
                    true => mean[index] * most / 255.0,
                    false => plain.yuv(mean)[index].clamp(0.0, most),
                };
                let got = spot.get(&bytes);
                let error = (f64::from(got) - exact).abs();
                assert!(error <= 0.55, "{info:?} {component}: {got}, not {exact}");
                spot.put(&mut expected, got);
            }
        }
        assert!(
            bytes == expected,
            "{info:?}: bits of no sample have changed"
        );
    });
}
