//! Files for TensorBoard: records with checksums (TFRecord), each an `Event` of its protocol buffers. The
//! crates that write them are not kept up; the few fields that are needed are encoded here.

use std::{
    fs::{File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use super::RunError;

/// A file of events.
#[derive(Debug)]
pub struct Events {
    path: PathBuf,
    file: File,
}

/// A message of protocol buffers, field by field.
#[derive(Debug, Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    /// Begins a field of a wire type: 0 a varint, 1 eight bytes, 2 bytes with their length, 5 four bytes.
    fn field(mut self, number: u64, wire: u64) -> Self {
        self.varint(number << 3 | wire);
        self
    }

    fn int(self, number: u64, value: u64) -> Self {
        let mut this = self.field(number, 0);
        this.varint(value);
        this
    }

    fn double(self, number: u64, value: f64) -> Self {
        let mut this = self.field(number, 1);
        this.0.extend(value.to_le_bytes());
        this
    }

    fn float(self, number: u64, value: f32) -> Self {
        let mut this = self.field(number, 5);
        this.0.extend(value.to_le_bytes());
        this
    }

    fn bytes(self, number: u64, bytes: &[u8]) -> Self {
        let mut this = self.field(number, 2);
        this.varint(bytes.len() as u64);
        this.0.extend(bytes);
        this
    }
}

impl Events {
    /// Creates a file in the folder of a run that goes on after `step`. TensorBoard then forgets what
    /// earlier files tell of later steps.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn create(folder: &Path, step: u64) -> Result<Self, RunError> {
        let mut number = now() as u64;
        let (path, file) = loop {
            let path = folder.join(format!("events.out.tfevents.{number}.propainter"));
            match OpenOptions::new().append(true).create_new(true).open(&path) {
                Ok(file) => break (path, file),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(RunError::write(path)(error)),
            }
        };
        let mut this = Self { path, file };
        // `Event.file_version`, then `Event.session_log` with `SessionLog.status`, which is START.
        this.add(0, 3, b"brain.Event:2")?;
        this.add(step + 1, 7, &Message::default().int(1, 1).0)?;
        Ok(this)
    }

    /// Adds numbers with their names.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn numbers(&mut self, step: u64, numbers: &[(String, f64)]) -> Result<(), RunError> {
        // `Summary.value` with `Value.tag` and `Value.simple_value`.
        let summary = numbers
            .iter()
            .fold(Message::default(), |summary, (tag, number)| {
                let value = Message::default()
                    .bytes(1, tag.as_bytes())
                    .float(2, *number as f32);
                summary.bytes(1, &value.0)
            });
        self.add(step, 5, &summary.0)
    }

    /// Adds a picture, which is encoded as PNG.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn picture(
        &mut self,
        step: u64,
        tag: &str,
        size: (u32, u32),
        png: &[u8],
    ) -> Result<(), RunError> {
        // `Image.height`, `width`, `colorspace`, where 3 is RGB, and `encoded_image_string`.
        let (width, height) = (u64::from(size.0), u64::from(size.1));
        let image = Message::default()
            .int(1, height)
            .int(2, width)
            .int(3, 3)
            .bytes(4, png);
        let value = Message::default()
            .bytes(1, tag.as_bytes())
            .bytes(4, &image.0);
        self.add(step, 5, &Message::default().bytes(1, &value.0).0)
    }

    /// Adds an event with the field `what`.
    fn add(&mut self, step: u64, what: u64, bytes: &[u8]) -> Result<(), RunError> {
        // `Event.wall_time` and `Event.step`.
        let event = Message::default()
            .double(1, now())
            .int(2, step)
            .bytes(what, bytes);
        let written = self.file.write_all(&record(&event.0));
        written.map_err(RunError::write(&self.path))
    }
}

fn now() -> f64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap_or_default().as_secs_f64()
}

/// Returns a record: the length, its checksum, the data, its checksum.
fn record(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    let mut record = length.to_vec();
    record.extend(checksum(&length).to_le_bytes());
    record.extend(data);
    record.extend(checksum(data).to_le_bytes());
    record
}

/// Returns the CRC-32C, rotated by 15 bits and moved, as TFRecord has it.
fn checksum(data: &[u8]) -> u32 {
    crc32c::crc32c(data)
        .rotate_right(15)
        .wrapping_add(0xA282_EAD8)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the events of a file without their time: what follows its nine bytes.
    fn read(path: &Path) -> Vec<Vec<u8>> {
        let bytes = std::fs::read(path).unwrap();
        let mut rest = bytes.as_slice();
        let mut events = Vec::new();
        while !rest.is_empty() {
            let length = u64::from_le_bytes(rest[..8].try_into().unwrap()) as usize;
            let data = &rest[12..12 + length];
            assert_eq!(rest[..16 + length], record(data));
            assert_eq!(data[0], 0x09);
            events.push(data[9..].to_vec());
            rest = &rest[16 + length..];
        }
        events
    }

    #[test]
    fn a_file_tells_its_version_its_start_and_its_numbers() {
        let folder = tempfile::tempdir().unwrap();
        let mut first = Events::create(folder.path(), 0).unwrap();
        first.numbers(300, &[("loss".to_owned(), 0.5)]).unwrap();
        first.picture(7, "a", (4, 2), &[1, 2, 3]).unwrap();
        let second = Events::create(folder.path(), 5).unwrap();
        assert_ne!(first.path, second.path);
        let [version, start, number, picture] = read(&first.path).try_into().unwrap();
        assert_eq!(version, b"\x10\x00\x1a\x0dbrain.Event:2");
        assert_eq!(start, b"\x10\x01\x3a\x02\x08\x01");
        // Step 300, a summary of a value: the tag and 0.5.
        assert_eq!(
            number,
            b"\x10\xac\x02\x2a\x0d\x0a\x0b\x0a\x04loss\x15\x00\x00\x00\x3f"
        );
        let image = b"\x22\x0b\x08\x02\x10\x04\x18\x03\x22\x03\x01\x02\x03";
        assert_eq!(
            picture,
            [b"\x10\x07\x2a\x12\x0a\x10\x0a\x01a".as_slice(), image].concat()
        );
        assert_eq!(read(&second.path)[1], b"\x10\x06\x3a\x02\x08\x01");
    }

    #[test]
    fn the_checksum_is_that_of_the_format() {
        // The CRC-32C of "123456789" is E3069283.
        assert_eq!(
            checksum(b"123456789"),
            0xE306_9283_u32.rotate_right(15).wrapping_add(0xA282_EAD8)
        );
        // The first record of a file that TensorFlow has written begins with 24 as its length.
        assert_eq!(
            record(&[0; 24])[..12],
            [24, 0, 0, 0, 0, 0, 0, 0, 163, 127, 75, 34]
        );
    }
}
