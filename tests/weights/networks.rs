//! Whole networks, saved in each form and read back.

use std::path::Path;

use propainter::weights::{
    Checkpoint, FilePrecision, HostTensor, Network, generated_tensors, write_safetensors,
};
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

#[test]
fn generated_weights_are_those_of_the_table() {
    let Some(table) = golden::read("weights_check.json") else {
        return;
    };
    let table: serde_json::Value = serde_json::from_slice(&table).expect("a table");
    for network in Network::ALL {
        let entries = table[network.name()]
            .as_object()
            .expect("a network's table");
        let tensors = generated_tensors(network);
        assert_eq!(tensors.len(), entries.len(), "{}", network.name());
        for (key, tensor) in tensors {
            let entry = &entries[&key];
            let shape = entry["shape"].as_array().expect("a shape");
            let shape = shape.iter().filter_map(|side| side.as_u64());
            assert!(
                shape.eq(tensor.shape.iter().map(|&side| side as u64)),
                "{key}"
            );
            let values = || tensor.data.iter().map(|&value| f64::from(value));
            let first = entry["first"].as_array().expect("values");
            // The reader of JSON may be wrong in the last bit of 64.
            let first = first.iter().filter_map(|value| value.as_f64());
            let same = first.zip(&tensor.data).all(|(a, &b)| a as f32 == b);
            assert!(same, "{key}");
            for (name, sum) in [
                ("sum", values().sum::<f64>()),
                ("sumsq", values().map(|value| value * value).sum()),
            ] {
                let expected = entry[name].as_f64().expect("a number");
                let bound = 1e-9 * values().map(f64::abs).sum::<f64>().max(1.0);
                assert!(
                    (sum - expected).abs() <= bound,
                    "{key}: {name} {sum}, not {expected}"
                );
            }
        }
    }
}
