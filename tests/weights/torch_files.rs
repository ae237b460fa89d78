//! Files that PyTorch itself wrote (`fixtures/make.py`).

use std::path::{Path, PathBuf};

use propainter::weights::{Form, StateFile};
use serde_json::Value;

pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("weights/fixtures")
        .join(name)
}

fn assert_as_expected(name: &str, form: Form) {
    let file = StateFile::read(&fixture(name), 1 << 20).expect("PyTorch's own file");
    let expected = std::fs::read(fixture("expected.json")).expect("the expected values");
    let expected: Value = serde_json::from_slice(&expected).expect("valid JSON");
    let expected = expected.as_object().expect("an object");
    assert_eq!((file.form(), file.len()), (form, expected.len()), "{name}");
    for index in 0..file.len() {
        let key = file.key(index);
        let entry = &expected[key];
        let shape: Vec<Value> = file.shape(index).iter().map(|&side| side.into()).collect();
        assert_eq!(entry["shape"], Value::from(shape), "{name}: {key}");
        let values: Vec<f64> = match (file.floats(index), file.integers(index)) {
            (Some(floats), None) => floats.into_iter().map(f64::from).collect(),
            (None, Some(integers)) => integers.into_iter().map(|i| i as f64).collect(),
            _ => panic!("{name}: {key} is floats or integers"),
        };
        let number = |value: &Value| {
            let boolean = value.as_bool().map(|b| f64::from(u8::from(b)));
            boolean.or(value.as_f64()).expect("a number")
        };
        let expected: Vec<f64> = entry["values"]
            .as_array()
            .expect("values")
            .iter()
            .map(number)
            .collect();
        assert_eq!(
            entry["float"],
            Value::from(file.kind(index).is_float()),
            "{name}: {key}"
        );
        assert_eq!(values, expected, "{name}: {key}");
    }
}

#[test]
fn a_zip_of_pytorch_is_read_with_every_view_and_number_type() {
    assert_as_expected("zip.pth", Form::Zip);
    assert_as_expected("zip_protocol4.pth", Form::Zip);
}

#[test]
fn an_older_stream_of_pytorch_is_read_with_every_view_and_number_type() {
    assert_as_expected("stream.pth", Form::Legacy);
    assert_as_expected("stream_protocol4.pth", Form::Legacy);
}

#[test]
fn a_state_dict_within_a_training_checkpoint_is_found() {
    assert_as_expected("wrapped.pth", Form::Zip);
}

#[test]
fn a_pickled_module_is_refused_by_name() {
    let error = StateFile::read(&fixture("module.pth"), 1 << 20).err();
    let error = error.expect("not a state dict").to_string();
    assert!(
        error.contains("module.pth") && error.contains("Linear"),
        "{error}"
    );
}
