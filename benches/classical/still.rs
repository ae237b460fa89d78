//! Fills of still scenes through the session, for `still.py`, which says how to run both:
//! `still NAME FOLDER...` reads `mask.png` and the frames `0.png`, `1.png` and so on of each folder,
//! and writes the filled frames into its folder `NAME`. It prints the seconds that each took.

use std::{env, fs, path::Path, time::Instant};

use image::RgbImage;
use propainter::{Config, Frame, Mask, Model, Session};

fn main() {
    let mut arguments = env::args().skip(1);
    let name = arguments.next().expect("the name of the method");
    for folder in arguments {
        fill(Path::new(&folder), &name);
    }
}

fn fill(folder: &Path, name: &str) {
    let mask = image::open(folder.join("mask.png")).expect("a mask");
    let (width, height) = (mask.width() as usize, mask.height() as usize);
    let mask = Mask::from_luma(width, height, mask.into_luma8().into_raw());
    let frames: Vec<Frame> = (0..)
        .map(|i| folder.join(format!("{i}.png")))
        .take_while(|path| path.exists())
        .map(|path| image::open(path).expect("a frame").into_rgb8())
        .map(|frame| Frame::new(width, height, frame.into_raw()))
        .collect();
    let start = Instant::now();
    let mut session = Session::open(Config {
        model: Model::Propagation,
        mask_dilation: 0,
        ..Config::new(width, height)
    })
    .expect("the engine without weights opens everywhere");
    let mut done = Vec::new();
    for frame in frames {
        done.extend(session.push(frame, &mask).expect("push"));
    }
    done.extend(session.drain().expect("drain"));
    println!("{} {:.3}", folder.display(), start.elapsed().as_secs_f64());
    let out = folder.join(name);
    fs::create_dir_all(&out).expect("a folder");
    for (i, done) in done.iter().enumerate() {
        let rgb = done.frame.rgb().to_vec();
        let image = RgbImage::from_raw(width as u32, height as u32, rgb).expect("a frame");
        image.save(out.join(format!("{i}.png"))).expect("saved");
    }
}
