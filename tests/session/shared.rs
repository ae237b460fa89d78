//! Networks that are read once for all sessions of the process.

use std::{fs, path::Path, time::SystemTime};

use propainter::{
    Config, DeviceChoice, Error, Model, Session,
    weights::{Checkpoint, FilePrecision, Network, write_safetensors},
};

fn open(weights: &Path) -> Result<Session, Error> {
    Session::open(Config {
        model: Model::Propainter,
        device: DeviceChoice::Cpu,
        weights: Some(weights.to_owned()),
        ..Config::new(64, 48)
    })
}

/// Replaces the content of a file, but neither its size nor its time.
fn spoil(file: &Path, time: SystemTime) {
    let size = fs::metadata(file).unwrap().len();
    fs::write(file, vec![7; size as usize]).unwrap();
    set_time(file, time);
}

fn set_time(file: &Path, time: SystemTime) {
    let file = fs::File::options().write(true).open(file).unwrap();
    file.set_modified(time).unwrap();
}

#[test]
fn weights_are_read_again_only_if_they_changed_or_nobody_holds_them() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |network: Network| folder.path().join(&network.file_names()[1]);
    for network in Network::ALL {
        let checkpoint = Checkpoint::generated(network);
        write_safetensors(&checkpoint, &path(network), FilePrecision::Full).expect("written");
    }
    let raft = path(Network::Raft);
    let time = fs::metadata(&raft).unwrap().modified().unwrap();
    let first = open(folder.path()).expect("good weights");

    spoil(&raft, time);
    let second = open(folder.path()).expect("the first session's networks");
    drop(first);
    let third = open(folder.path()).expect("the second session's networks");

    set_time(&raft, time + std::time::Duration::from_secs(1));
    assert!(matches!(open(folder.path()), Err(Error::Weights(_))));
    set_time(&raft, time);
    drop((second, third));
    assert!(matches!(open(folder.path()), Err(Error::Weights(_))));
}
