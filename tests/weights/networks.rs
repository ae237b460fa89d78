//! Whole networks, saved in each form and read back.

use std::path::Path;

use propainter::weights::{Checkpoint, FilePrecision, HostTensor, Network, write_safetensors};
use propainter_tests::golden;

use super::saved::{Saved, Storage, official_key, write};

fn assert_read(network: Network, path: &Path, tensors: &[(String, HostTensor)]) {
    let checkpoint = Checkpoint::read(network, path).expect("a whole checkpoint");
    for (key, tensor) in tensors {
        let left_out = key.starts_with("edgeDetector.") || key.contains(".norm3.");
        if !left_out {
            assert!(checkpoint.get(key) == tensor, "{key}");
        }
    }
}

fn read_in_every_form(network: Network) {
    let Some(tensors) = golden::generated_tensors(network) else {
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let saved = Saved::network(network, &tensors);
    for (name, bytes) in [("zip.pth", saved.zip()), ("stream.pth", saved.stream())] {
        assert_read(network, &write(folder.path(), name, &bytes), &tensors);
    }
    let checkpoint = Checkpoint::from_tensors(network, tensors.clone()).expect("a checkpoint");
    let path = folder.path().join("full.safetensors");
    write_safetensors(&checkpoint, &path, FilePrecision::Full).expect("written");
    assert_read(network, &path, &tensors);
}

#[test]
fn raft_is_read_in_every_form() {
    read_in_every_form(Network::Raft);
}

#[test]
fn the_flow_completion_is_read_in_every_form() {
    read_in_every_form(Network::FlowCompletion);
}

#[test]
fn the_generator_is_read_in_every_form() {
    read_in_every_form(Network::Generator);
}

#[test]
fn downsample_counts_where_raft_has_a_norm_twice_and_both_names_give_it() {
    let network = Network::Raft;
    let (target, alias) = (
        "cnet.layer2.0.downsample.1.weight",
        "cnet.layer2.0.norm3.weight",
    );
    let folder = tempfile::tempdir().expect("a folder");
    let mut saved = Saved::small(network);
    let storage = saved.storages.len();
    saved.storages.push(Storage::floats(&[2.0; 96]));
    saved.at(&official_key(network, target)).storage = storage;
    let read = |saved: &Saved| {
        let path = write(folder.path(), "raft-things.pth", &saved.zip());
        Checkpoint::read(network, &path).expect("a checkpoint")
    };
    let both = read(&saved);
    assert_eq!(both.get(target).data, [2.0; 96]);
    assert_eq!(both.get(alias).data, [2.0; 96]);

    saved.views.retain(|view| !view.key.ends_with(alias));
    assert_eq!(read(&saved).get(alias).data, [2.0; 96]);

    let mut saved = Saved::small(network);
    saved.views.retain(|view| !view.key.ends_with(target));
    assert_eq!(read(&saved).get(target).data, [0.5; 96]);
}

#[test]
fn what_the_engine_can_do_without_may_be_absent() {
    let folder = tempfile::tempdir().expect("a folder");
    for network in Network::ALL {
        let mut saved = Saved::small(network);
        saved.views.retain(|view| {
            let key = &view.key;
            let buffer = key.ends_with("num_batches_tracked") || key.ends_with("valid_ind_rolled");
            !buffer && !key.starts_with("edgeDetector.") && !key.contains(".norm3.")
        });
        let path = write(folder.path(), "small.pth", &saved.zip());
        Checkpoint::read(network, &path).expect("nothing needed is missing");
    }
}
