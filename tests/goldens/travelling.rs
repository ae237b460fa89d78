//! The vectors that travel with the repository.

use std::{
    fs,
    path::{Path, PathBuf},
};

use propainter_tests::{
    golden::{Vectors, travelling},
    shared, skip,
};

/// What the repository may hold of vectors, in bytes.
const MOST: u64 = 12_000_000;

/// All files under a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a readable folder");
    let paths = entries.map(|entry| entry.expect("a readable entry").path());
    paths
        .flat_map(|path| {
            if path.is_dir() {
                files(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}

#[test]
fn they_are_parts_of_the_whole_set_and_small() {
    let folder = travelling();
    let sizes = files(&folder).into_iter().map(|path| {
        let about = fs::metadata(path).expect("a readable file");
        about.len()
    });
    assert!(sizes.sum::<u64>() <= MOST, "the vectors are too large");
    let whole = shared::folder().join("golden");
    if !whole.exists() {
        skip::without("the whole set", &[whole]);
        return;
    }
    let mut compared = 0;
    for path in files(&folder) {
        let name = path.strip_prefix(&folder).expect("a file of it");
        let name = name.to_str().expect("UTF-8");
        if name.ends_with(".py") {
            continue;
        }
        match name.strip_suffix(".gz") {
            Some(unpacked) => {
                let all = fs::read(whole.join(unpacked)).expect("a file of the whole set");
                Vectors::travelling(unpacked).assert_part_of(&Vectors::of(all));
            }
            None => {
                let all = fs::read(whole.join(name)).expect("a file of the whole set");
                assert!(fs::read(&path).expect("a readable file") == all, "{name}");
            }
        }
        compared += 1;
    }
    assert!(compared >= 19, "{compared} files");
}
