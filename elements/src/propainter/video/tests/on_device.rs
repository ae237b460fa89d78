//! Frames on a device, which here is memory of the host behind the same door.

use std::{ffi::c_void, sync::Mutex};

use super::{
    super::device::{
        FORMATS as ON_DEVICE,
        transfer::{Bits, DeviceCopy, DeviceTransfer, Download, Rows},
    },
    super::reading::Reading,
    *,
};

/// Works within the host, and notes on which bytes.
#[derive(Debug, Default)]
struct Host {
    read: Mutex<Vec<Rows>>,
    written: Mutex<Vec<Rows>>,
    broken: bool,
}

#[derive(Debug)]
struct Bytes(Vec<u8>);

impl Download for Bytes {
    fn bytes(&self) -> Result<&[u8], String> {
        Ok(&self.0)
    }
}

impl DeviceTransfer for Host {
    fn read(&self, buffer: &gst::BufferRef, rows: &[Rows]) -> Result<Box<dyn Download>, String> {
        if self.broken {
            return Err("the device is gone".to_owned());
        }
        self.read.lock().unwrap().extend(rows);
        let map = buffer.map_readable().unwrap();
        let line = |rows: &Rows, y| &map[rows.start + y * rows.stride..][..rows.width];
        let lines = rows
            .iter()
            .flat_map(|rows| (0..rows.count).flat_map(move |y| line(rows, y)));
        Ok(Box::new(Bytes(lines.copied().collect())))
    }

    fn is_in(&self, _: &gst::BufferRef, _: *mut c_void) -> Result<bool, String> {
        Ok(false)
    }

    fn copy(&self, _: &gst::BufferRef, _: &[Rows], _: u64) -> Result<Box<dyn DeviceCopy>, String> {
        unreachable!("no networks are on this device")
    }

    fn write(&self, buffer: &mut gst::BufferRef, rows: &[Rows], bits: &Bits) -> Result<(), String> {
        self.written.lock().unwrap().extend(rows);
        let mut map = buffer.map_writable().unwrap();
        let mut bits = bits.new.iter().zip(&bits.kept);
        for rows in rows {
            for y in 0..rows.count {
                for byte in &mut map[rows.start + y * rows.stride..][..rows.width] {
                    let (new, kept) = bits.next().unwrap();
                    *byte = *byte & kept | new;
                }
            }
        }
        assert!(bits.next().is_none());
        Ok(())
    }
}

/// Converters of the same frames on the host and on a device.
fn both(info: &VideoInfo, threshold: Option<u8>) -> (Arc<Converter>, Arc<Converter>, Arc<Host>) {
    let device = Arc::new(Host::default());
    let on_host = Converter::new(info).unwrap();
    let on_device = on_host.clone().with_device(device.clone()).unwrap();
    let [on_host, on_device] =
        [on_host, on_device].map(|converter| Arc::new(converter).with_alpha_threshold(threshold));
    (on_host, on_device, device)
}

#[test]
fn a_frame_on_a_device_is_read_and_written_as_on_the_host() {
    gst::init().unwrap();
    let cases = ON_DEVICE
        .into_iter()
        .flat_map(|format| [(format, None), (format, Some(100))]);
    for ((format, threshold), (size, pad)) in cases.flat_map(|case| {
        SIZES
            .map(|size| [(case, (size, 0)), (case, (size, 64))])
            .concat()
    }) {
        let info = info(format, size);
        let (width, height) = (size.0 as usize, size.1 as usize);
        let (on_host, on_device, device) = both(&info, threshold);
        let source = buffer(&info, pad, 4);
        let case = format!("{format} {size:?} {pad} {threshold:?}");
        let reading = Reading::begin(&on_device, &source).unwrap();
        let alpha = reading.alpha_mask(&on_device, &source).unwrap();
        assert_eq!(alpha, on_host.alpha_mask(&source).unwrap(), "{case}");
        assert_eq!(reading.frame(), on_host.read(&source), "{case}");

        // A hole of some rows and columns.
        let mut hole = Mask::empty(width, height);
        hole.add_rectangle(width as i64 / 3, height as i64 / 2, 9, 3);
        let area = hole.bounding_box();
        let frame = Frame::new(width, height, noise(3 * width * height, 8));
        let done = InpaintedFrame { frame, hole };
        let (mut ours, mut theirs) = (source.copy_deep().unwrap(), source.copy_deep().unwrap());
        on_host.write(theirs.get_mut().unwrap(), &done).unwrap();
        device.read.lock().unwrap().clear();
        on_device.write(ours.get_mut().unwrap(), &done).unwrap();
        assert!(bytes(&ours) == bytes(&theirs), "{case}");
        // Only the hole travels, and nothing back unless old alpha decides.
        let written = device.written.lock().unwrap();
        let step = info.comp_pstride(0) as usize;
        assert!(written[0].count <= area.rows.len() + 2, "{case}");
        assert!(
            written[0].width <= (area.columns.len() + 2) * step,
            "{case}"
        );
        let by_alpha = threshold.is_some() && on_host.has_alpha();
        let read = device.read.lock().unwrap();
        assert_eq!(
            *read,
            if by_alpha { written.clone() } else { vec![] },
            "{case}"
        );
    }
}

#[test]
fn nothing_travels_where_there_is_no_hole() {
    gst::init().unwrap();
    let (_, converter, device) = both(&info(VideoFormat::Nv12, (16, 8)), None);
    let mut buffer = buffer(converter.info(), 0, 4);
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
    for format in FORMATS.into_iter().filter(|f| !ON_DEVICE.contains(f)) {
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
    let error = Reading::begin(&converter, &buffer(&info, 0, 4)).unwrap_err();
    assert_eq!(error.to_string(), "the device is gone");
    // Too small for its caps: not even asked for.
    let small = gst::Buffer::with_size(16).unwrap();
    let error = Reading::begin(&converter, &small).unwrap_err().to_string();
    assert!(error.contains("too small"), "{error}");
}
