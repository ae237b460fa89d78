//! A checkpoint that is not exactly its network's is refused, by file and key.

use propainter::weights::{
    Checkpoint, HostTensor, Layout, Network, Role, Slot, TensorProblem, WeightsError,
};

use super::saved::{Saved, Storage, official_key, write};

/// Reads the saved state dict in both of PyTorch's forms, which must fail for `key`, and
/// returns the problem.
fn refused(network: Network, saved: &Saved, key: &str) -> TensorProblem {
    let folder = tempfile::tempdir().expect("a folder");
    let problems = [saved.zip(), saved.stream()].map(|bytes| {
        let path = write(folder.path(), "wrong.pth", &bytes);
        let error = Checkpoint::read(network, &path).expect_err("refused");
        let text = error.to_string();
        assert!(
            text.contains(key) && text.contains(path.to_str().expect("UTF-8")),
            "{text}"
        );
        match error {
            WeightsError::Tensor { problem, .. } => problem,
            other => panic!("{other}"),
        }
    });
    // As text: NaN does not equal itself.
    assert_eq!(problems[0].to_string(), problems[1].to_string());
    problems.into_iter().next().expect("two problems")
}

#[test]
fn a_missing_tensor_is_named() {
    for network in Network::ALL {
        let needed = |slot: &Slot| {
            let needed = matches!(slot.role, Role::Parameter | Role::Statistic);
            // The other name of these stands in.
            needed && !slot.key.contains(".downsample.1.")
        };
        let slots = Layout::of(network).slots;
        for slot in slots.iter().filter(|slot| needed(slot)).step_by(17) {
            let mut saved = Saved::small(network);
            saved
                .views
                .retain(|view| view.key != official_key(network, &slot.key));
            let problem = refused(network, &saved, &slot.key);
            assert_eq!(problem, TensorProblem::Missing, "{}", slot.key);
            assert!(problem.to_string().contains("propainter weights fetch"));
        }
    }
    let error = Checkpoint::from_tensors(Network::Raft, [])
        .expect_err("refused")
        .to_string();
    assert!(
        error.contains("in memory") && error.contains("fnet.conv1.weight"),
        "{error}"
    );
}

#[test]
fn a_surplus_tensor_is_named() {
    for network in Network::ALL {
        let mut saved = Saved::small(network);
        saved.view("extra.weight", &[3], 0);
        let problem = refused(network, &saved, "extra.weight");
        assert_eq!(
            problem,
            TensorProblem::Surplus {
                network: network.name()
            }
        );
    }
}

#[test]
fn a_tensor_that_is_there_twice_is_named() {
    let mut saved = Saved::small(Network::Raft);
    saved.view("module.fnet.conv1.bias", &[64], 0);
    let problem = refused(Network::Raft, &saved, "fnet.conv1.bias");
    assert_eq!(problem, TensorProblem::Twice);
    // With and without the prefix is twice, too.
    let mut saved = Saved::small(Network::Raft);
    saved.view("fnet.conv1.bias", &[64], 0);
    let problem = refused(Network::Raft, &saved, "fnet.conv1.bias");
    assert_eq!(problem, TensorProblem::Twice);
}

#[test]
fn a_misshapen_tensor_is_named_with_both_shapes() {
    let key = "decoder.6.weight";
    for shape in [vec![3, 64, 3], vec![64, 3, 3, 3], vec![], vec![3, 64, 3, 4]] {
        let mut saved = Saved::small(Network::Generator);
        saved.views.retain(|view| view.key != key);
        saved.view(key, &shape, 0);
        let problem = refused(Network::Generator, &saved, key);
        let expected = vec![3, 64, 3, 3];
        assert_eq!(
            problem,
            TensorProblem::Shape {
                expected,
                got: shape
            }
        );
    }
}

#[test]
fn a_value_that_is_not_finite_is_named_with_its_place() {
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for key in ["cnet.norm1.running_var", "cnet.layer3.0.norm3.bias"] {
            let mut saved = Saved::small(Network::Raft);
            let mut values = [1.0; 128];
            values[60] = value;
            saved.set(&official_key(Network::Raft, key), Storage::floats(&values));
            match refused(Network::Raft, &saved, key) {
                TensorProblem::NotFinite { index: 60, .. } => {}
                other => panic!("{other}"),
            }
        }
    }
    // What is used in training only is checked, too.
    let mut saved = Saved::small(Network::FlowCompletion);
    saved.set("edgeDetector.out_layer.bias", Storage::floats(&[f32::NAN]));
    let problem = refused(
        Network::FlowCompletion,
        &saved,
        "edgeDetector.out_layer.bias",
    );
    assert!(matches!(problem, TensorProblem::NotFinite { index: 0, .. }));
}

#[test]
fn an_fp64_value_beyond_fp32_is_not_finite() {
    let key = "decoder.6.bias";
    let mut saved = Saved::small(Network::Generator);
    let bytes = [0.0f64, 1e200, 0.0]
        .iter()
        .flat_map(|x| x.to_le_bytes())
        .collect();
    saved.set(
        key,
        Storage {
            class: "DoubleStorage",
            element_bytes: 8,
            bytes,
        },
    );
    let problem = refused(Network::Generator, &saved, key);
    assert_eq!(
        problem,
        TensorProblem::NotFinite {
            index: 1,
            value: f32::INFINITY
        }
    );
}

#[test]
fn integers_where_floats_belong_and_floats_where_integers_belong_are_named() {
    let with = |key: &str, storage: Storage| {
        let mut saved = Saved::small(Network::Generator);
        saved.set(key, storage);
        refused(Network::Generator, &saved, key)
    };
    let problem = with("ss.embedding.bias", Storage::longs(&[0; 512]));
    assert!(
        matches!(problem, TensorProblem::Kind { got: "int64", .. }),
        "{problem}"
    );
    let key = "transformers.transformer.3.attention.valid_ind_rolled";
    let problem = with(key, Storage::floats(&[0.0; 148]));
    assert!(
        matches!(problem, TensorProblem::Kind { got: "fp32", .. }),
        "{problem}"
    );
}

#[test]
fn integer_buffers_that_are_not_the_networks_own_are_named() {
    let key = "transformers.transformer.7.attention.valid_ind_rolled";
    let mut saved = Saved::small(Network::Generator);
    let storage = saved.at(key).storage;
    saved.storages[storage].bytes[8 * 5] += 1;
    let problem = refused(Network::Generator, &saved, key);
    assert!(
        matches!(problem, TensorProblem::Buffer { index: 5, .. }),
        "{problem}"
    );

    let key = "cnet.norm1.num_batches_tracked";
    let mut saved = Saved::small(Network::Raft);
    saved.set(&official_key(Network::Raft, key), Storage::longs(&[-1]));
    let problem = refused(Network::Raft, &saved, key);
    assert!(
        matches!(problem, TensorProblem::Buffer { value: -1, .. }),
        "{problem}"
    );
}

#[test]
fn another_networks_checkpoint_is_refused_whichever_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    for network in Network::ALL {
        let path = write(folder.path(), "file.pth", &Saved::small(network).zip());
        for other in Network::ALL {
            assert_eq!(Checkpoint::read(other, &path).is_ok(), other == network);
        }
    }
}

#[test]
fn tensors_in_memory_need_as_many_elements_as_their_shape_says() {
    let tensor = HostTensor {
        shape: vec![64],
        data: vec![0.0; 63],
    };
    let tensors = [("fnet.conv1.bias".to_owned(), tensor)];
    let error = Checkpoint::from_tensors(Network::Raft, tensors).expect_err("refused");
    assert!(error.to_string().contains("63 elements"), "{error}");
}
