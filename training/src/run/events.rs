//! Files for TensorBoard: records with checksums (TFRecord), each an `Event` of its protocol buffers.
//! Only the fields that are written are declared.

use std::{
    fs::{File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use prost::Message;

use super::RunError;

/// A file of events.
#[derive(Debug)]
pub struct Events {
    path: PathBuf,
    file: File,
}

#[derive(Clone, PartialEq, Message)]
struct Event {
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(string, optional, tag = "3")]
    file_version: Option<String>,
    #[prost(message, optional, tag = "5")]
    summary: Option<Summary>,
    #[prost(message, optional, tag = "7")]
    session_log: Option<SessionLog>,
}

#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    values: Vec<Value>,
}

#[derive(Clone, PartialEq, Message)]
struct Value {
    #[prost(string, tag = "1")]
    tag: String,
    #[prost(float, optional, tag = "2")]
    simple_value: Option<f32>,
    #[prost(message, optional, tag = "4")]
    image: Option<Image>,
}

#[derive(Clone, PartialEq, Message)]
struct Image {
    #[prost(int32, tag = "1")]
    height: i32,
    #[prost(int32, tag = "2")]
    width: i32,
    /// 3 is RGB.
    #[prost(int32, tag = "3")]
    colourspace: i32,
    #[prost(bytes = "vec", tag = "4")]
    encoded: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct SessionLog {
    /// 1 is the start.
    #[prost(int32, tag = "1")]
    status: i32,
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
        this.add(Event {
            file_version: Some("brain.Event:2".to_owned()),
            ..Event::default()
        })?;
        this.add(Event {
            step: step as i64 + 1,
            session_log: Some(SessionLog { status: 1 }),
            ..Event::default()
        })?;
        Ok(this)
    }

    /// Adds numbers with their names.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn numbers(&mut self, step: u64, numbers: &[(String, f64)]) -> Result<(), RunError> {
        let value = |(tag, number): &(String, f64)| Value {
            tag: tag.clone(),
            simple_value: Some(*number as f32),
            image: None,
        };
        self.summary(step, numbers.iter().map(value).collect())
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
        png: Vec<u8>,
    ) -> Result<(), RunError> {
        let image = Image {
            width: size.0 as i32,
            height: size.1 as i32,
            colourspace: 3,
            encoded: png,
        };
        let value = Value {
            tag: tag.to_owned(),
            simple_value: None,
            image: Some(image),
        };
        self.summary(step, vec![value])
    }

    fn summary(&mut self, step: u64, values: Vec<Value>) -> Result<(), RunError> {
        self.add(Event {
            step: step as i64,
            summary: Some(Summary { values }),
            ..Event::default()
        })
    }

    fn add(&mut self, mut event: Event) -> Result<(), RunError> {
        event.wall_time = now();
        let record = record(&event.encode_to_vec());
        self.file
            .write_all(&record)
            .map_err(RunError::write(&self.path))
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

    /// Returns the events of a file.
    fn read(path: &Path) -> Vec<Event> {
        let bytes = std::fs::read(path).unwrap();
        let mut rest = bytes.as_slice();
        let mut events = Vec::new();
        while !rest.is_empty() {
            let length = u64::from_le_bytes(rest[..8].try_into().unwrap()) as usize;
            let data = &rest[12..12 + length];
            assert_eq!(rest[..16 + length], record(data));
            events.push(Event::decode(data).unwrap());
            rest = &rest[16 + length..];
        }
        events
    }

    #[test]
    fn a_file_tells_its_version_its_start_and_its_numbers() {
        let folder = tempfile::tempdir().unwrap();
        let mut first = Events::create(folder.path(), 0).unwrap();
        first.numbers(7, &[("loss/total".to_owned(), 0.5)]).unwrap();
        first.picture(7, "sample", (4, 2), vec![1, 2, 3]).unwrap();
        let second = Events::create(folder.path(), 5).unwrap();
        assert_ne!(first.path, second.path);
        let events = read(&first.path);
        assert_eq!(events.len(), 4);
        assert_eq!(events[0].file_version.as_deref(), Some("brain.Event:2"));
        assert_eq!(events[2].step, 7);
        let value = &events[2].summary.as_ref().unwrap().values[0];
        assert_eq!(
            (value.tag.as_str(), value.simple_value),
            ("loss/total", Some(0.5))
        );
        let image = &events[3].summary.as_ref().unwrap().values[0].image;
        assert_eq!(
            image.as_ref().map(|image| (image.width, image.height)),
            Some((4, 2))
        );
        let start = &read(&second.path)[1];
        assert_eq!((start.step, start.session_log.is_some()), (6, true));
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
