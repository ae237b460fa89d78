//! NV12 on a device, which here is memory of the host behind the same door.

use std::sync::Mutex;

use super::{
    super::device::transfer::{DeviceTransfer, Rows},
    *,
};

/// Copies within the host, and notes which bytes.
#[derive(Debug, Default)]
struct Host {
    read: Mutex<Vec<Rows>>,
    written: Mutex<Vec<Rows>>,
    broken: bool,
}

impl DeviceTransfer for Host {
    fn read(&self, buffer: &gst::BufferRef, rows: Rows, out: &mut [u8]) -> Result<(), String> {
        if self.broken {
            return Err("the device is gone".to_owned());
        }
        self.read.lock().unwrap().push(rows);
        let map = buffer.map_readable().unwrap();
        for (y, out) in out.chunks_exact_mut(rows.width).enumerate() {
            out.copy_from_slice(&map[rows.start + y * rows.stride..][..rows.width]);
        }
        Ok(())
    }

    fn write(&self, buffer: &mut gst::BufferRef, rows: Rows, from: &[u8]) -> Result<(), String> {
        self.written.lock().unwrap().push(rows);
        let mut map = buffer.map_writable().unwrap();
        for (y, from) in from.chunks_exact(rows.width).enumerate() {
            map[rows.start + y * rows.stride..][..rows.width].copy_from_slice(from);
        }
        Ok(())
    }
}

#[test]
fn a_picture_on_a_device_is_read_and_written_as_on_the_host() {
    gst::init().unwrap();
    for (size, pad) in SIZES.into_iter().flat_map(|s| [(s, 0), (s, 3), (s, 64)]) {
        let info = info(VideoFormat::Nv12, size);
        let (width, height) = (size.0 as usize, size.1 as usize);
        let on_host = Converter::new(&info).unwrap();
        let device = Arc::new(Host::default());
        let on_device = on_host.clone().with_device(device.clone()).unwrap();
        let source = buffer(&info, pad, 4);
        let frame = on_host.read(&source).unwrap();
        assert_eq!(frame, on_device.read(&source).unwrap());

        // A hole of some rows only.
        let mut hole = Mask::empty(width, height);
        hole.add_rectangle(width as i64 / 3, height as i64 / 2, 9, 3);
        let frame = Frame::new(width, height, noise(3 * width * height, 8));
        let done = InpaintedFrame { frame, hole };
        let (mut ours, mut theirs) = (source.copy_deep().unwrap(), source.copy_deep().unwrap());
        on_host.write(theirs.get_mut().unwrap(), &done).unwrap();
        on_device.write(ours.get_mut().unwrap(), &done).unwrap();
        assert!(bytes(&ours) == bytes(&theirs), "{size:?} {pad}");
        let rows = (height / 2..height.min(height / 2 + 3)).len();
        let written = device.written.lock().unwrap();
        assert_eq!(written[0].count, rows, "hole rows only");
        assert!(written[1].count <= rows / 2 + 1);
    }
}

#[test]
fn nothing_travels_where_there_is_no_hole() {
    gst::init().unwrap();
    let info = info(VideoFormat::Nv12, (16, 8));
    let device = Arc::new(Host::default());
    let converter = Converter::new(&info).unwrap();
    let converter = converter.with_device(device.clone()).unwrap();
    let mut buffer = buffer(&info, 0, 4);
    let done = InpaintedFrame {
        frame: Frame::new(16, 8, vec![0; 3 * 16 * 8]),
        hole: Mask::empty(16, 8),
    };
    converter.write(buffer.get_mut().unwrap(), &done).unwrap();
    assert_eq!(*device.read.lock().unwrap(), []);
    assert_eq!(*device.written.lock().unwrap(), []);
}

#[test]
fn other_formats_and_broken_devices_are_refused() {
    gst::init().unwrap();
    for format in FORMATS.into_iter().filter(|&f| f != VideoFormat::Nv12) {
        let converter = Converter::new(&info(format, (16, 8))).unwrap();
        assert!(converter.with_device(Arc::new(Host::default())).is_none());
    }
    let info = info(VideoFormat::Nv12, (16, 8));
    let broken = Host {
        broken: true,
        ..Host::default()
    };
    let converter = Converter::new(&info).unwrap();
    let converter = converter.with_device(Arc::new(broken)).unwrap();
    let error = converter.read(&buffer(&info, 0, 4)).unwrap_err();
    assert_eq!(error.to_string(), "the device is gone");
    // Too small for its caps: not even asked for.
    let small = gst::Buffer::with_size(16).unwrap();
    let error = converter.read(&small).unwrap_err().to_string();
    assert!(error.contains("too small"), "{error}");
}
