//! The inputs that fuzzing kept, one folder a target: each again, without a fuzzer.

use std::{fs, path::Path};

use propainter_tests::fuzz::TARGETS;

#[test]
fn no_kept_input_does_harm() {
    for (name, target) in TARGETS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("fuzz/corpus")
            .join(name);
        let inputs = fs::read_dir(&folder).expect("the target's folder");
        let mut files: Vec<_> = inputs
            .map(|entry| entry.expect("an entry").path())
            .collect();
        files.sort();
        assert!(files.len() > 10, "{name} has {} inputs", files.len());
        for file in files {
            // What the test shows where one does.
            println!("{}", file.display());
            target(&fs::read(&file).expect("an input"));
        }
    }
}
