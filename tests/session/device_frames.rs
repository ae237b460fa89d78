//! Frames on a device, which here is memory of the host that says what is read.

use std::{
    any::Any,
    sync::{Arc, Mutex},
};

use propainter::{
    Config, CropMode, Frame, InpaintedFrame, Mode, Rect, Session,
    internals::device_frames::{DeviceMemory, DevicePixels, Samples},
};

use super::{middle, networks, propagation, scene};

/// Memory with the RGB bytes of a frame, and the parts and steps that were read of all frames.
#[derive(Debug)]
struct Memory {
    frame: Frame,
    read: Arc<Mutex<Vec<(Rect, usize)>>>,
}

impl DeviceMemory for Memory {
    fn address(&self) -> u64 {
        unreachable!("no device writes it")
    }

    fn rgb(
        &self,
        _: &Samples,
        [_, width]: [usize; 2],
        part: &Rect,
        step: usize,
    ) -> Result<Vec<u8>, String> {
        self.read.lock().unwrap().push((part.clone(), step));
        let rows = part.rows.clone().step_by(step);
        let columns = part.columns.clone().step_by(step);
        let pixels = rows.flat_map(|y| columns.clone().map(move |x| 3 * (y * width + x)));
        let bytes = pixels.flat_map(|at| self.frame.rgb()[at..at + 3].to_vec());
        Ok(bytes.collect())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Runs a clip with a hole in the middle, whose frames are on the device or not. Returns what comes out and
/// which parts of the frames were read with which step.
fn run(config: &Config, on_device: bool) -> (Vec<InpaintedFrame>, Vec<(Rect, usize)>) {
    let read = Arc::default();
    let (scene, mask) = (scene(config), middle(config));
    let mut session = Session::open(config.clone()).expect("the session opens");
    let mut done = Vec::new();
    for t in 0..7 {
        let frame = scene.frame(t);
        let size = [frame.height(), frame.width()];
        let there = |frame| {
            let memory = Memory {
                frame,
                read: Arc::clone(&read),
            };
            let samples = Samples::Packed {
                step: 3,
                rgb: [0, 1, 2],
            };
            Frame::on_device(Arc::new(DevicePixels::new(Box::new(memory), samples, size)))
        };
        let frame = match on_device {
            true => there(frame),
            false => frame,
        };
        done.extend(session.push(frame, &mask).expect("the frame is taken"));
    }
    done.extend(session.drain().expect("the rest comes out"));
    let read = read.lock().unwrap().clone();
    (done, read)
}

/// Fails unless the fills are the same. Returns the parts that were read of the frames on the device.
fn assert_same(config: &Config) -> Vec<(Rect, usize)> {
    let (expected, none) = run(config, false);
    assert_eq!(none, []);
    let (done, read) = run(config, true);
    assert_eq!(done.len(), expected.len());
    for (t, (done, expected)) in done.iter().zip(&expected).enumerate() {
        assert!(done.hole == expected.hole, "the hole of frame {t}");
        let area = done.hole.bounding_box();
        let holes = |y: usize| &done.hole.hole()[y * config.width..];
        let holes = area
            .rows
            .clone()
            .flat_map(|y| &holes(y)[area.columns.clone()]);
        let [out, wanted] = [done, expected].map(|done| done.frame.fill_in(&area));
        let pixels = out.chunks_exact(3).zip(wanted.chunks_exact(3)).zip(holes);
        let apart = pixels.filter(|((out, wanted), hole)| **hole == 1 && out != wanted);
        assert_eq!(apart.count(), 0, "the fill of frame {t}");
        if config.whole {
            assert!(done.frame == expected.frame, "frame {t}");
        }
    }
    read
}

#[test]
fn frames_on_a_device_are_filled_as_those_on_the_host() {
    let cropped = Config {
        crop_mode: CropMode::Crops,
        mode: Mode::Sliding,
        lookahead: 3,
        ..propagation(640, 360)
    };
    for config in [propagation(96, 64), cropped] {
        for whole in [false, true] {
            let config = Config {
                whole,
                ..config.clone()
            };
            assert!(!assert_same(&config).is_empty());
        }
    }
}

/// Beside samples for the detection of scene cuts, crops are read and no more.
#[test]
fn crops_of_frames_on_a_device_leave_the_rest_there() {
    let config = Config {
        crop_mode: CropMode::Crops,
        mode: Mode::Sliding,
        lookahead: 3,
        whole: false,
        ..propagation(1280, 720)
    };
    let read = assert_same(&config);
    let whole = Rect::whole([config.height, config.width]);
    let mut parts = read.iter().filter(|(part, _)| *part != whole).count();
    for (part, step) in &read {
        assert!(*step > 1 || *part != whole, "a whole frame was read");
        parts -= usize::from(*part != whole && *step > 1);
    }
    assert!(parts > 0, "{read:?}");
}

#[test]
fn networks_fill_frames_on_another_device_as_those_on_the_host() {
    let Some(config) = networks(64, 48) else {
        return;
    };
    for whole in [false, true] {
        let config = Config {
            whole,
            neighbor_length: 4,
            ..config.clone()
        };
        assert_same(&config);
    }
}
