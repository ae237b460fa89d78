//! Where checkpoints are looked for.

use propainter::weights::{Network, WeightsError, find, find_in, search_folders};

use super::saved::write;

#[test]
fn the_first_folder_that_has_a_file_counts() {
    let (first, second) = (
        tempfile::tempdir().expect("a folder"),
        tempfile::tempdir().expect("a folder"),
    );
    let folders = [first.path().to_owned(), second.path().to_owned()];
    let later = write(second.path(), "ProPainter.pth", b"");
    assert_eq!(find_in(Network::Generator, &folders).expect("found"), later);
    let converted = write(first.path(), "ProPainter.safetensors", b"");
    assert_eq!(
        find_in(Network::Generator, &folders).expect("found"),
        converted
    );
    let official = write(first.path(), "ProPainter.pth", b"");
    assert_eq!(
        find_in(Network::Generator, &folders).expect("found"),
        official
    );
}

#[test]
fn a_folder_of_the_files_name_is_no_file() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("raft-things.pth")).expect("a folder");
    let found = find_in(Network::Raft, &[folder.path().to_owned()]);
    assert!(matches!(found, Err(WeightsError::NotFound { .. })));
}

#[test]
fn the_property_is_looked_in_first() {
    let folder = tempfile::tempdir().expect("a folder");
    assert_eq!(search_folders(Some(folder.path()))[0], folder.path());
    let names = [
        "raft-things.pth",
        "recurrent_flow_completion.safetensors",
        "ProPainter.pth",
    ];
    let files = names.map(|name| write(folder.path(), name, b""));
    let paths = find(Some(folder.path())).expect("all three");
    assert_eq!(
        Network::ALL.map(|network| paths.get(network).to_owned()),
        files
    );
}

#[test]
fn a_missing_file_is_named_with_where_was_looked_and_what_to_do() {
    let (first, second) = (
        tempfile::tempdir().expect("a folder"),
        tempfile::tempdir().expect("a folder"),
    );
    let folders = [first.path().to_owned(), second.path().to_owned()];
    let text = find_in(Network::FlowCompletion, &folders)
        .expect_err("empty")
        .to_string();
    for part in [
        "recurrent_flow_completion.pth",
        "recurrent_flow_completion.safetensors",
        first.path().to_str().expect("UTF-8"),
        second.path().to_str().expect("UTF-8"),
        "propainter weights fetch",
    ] {
        assert!(text.contains(part), "{part} in: {text}");
    }
}
