//! The layouts against the table of the official networks' tensors.

use std::collections::BTreeMap;

use propainter::weights::{Layout, Network, Role};
use propainter_tests::golden;

#[test]
fn the_networks_have_the_official_numbers_of_parameters() {
    let parameters = Network::ALL.map(|network| Layout::of(network).parameters());
    assert_eq!(parameters, [5_257_536, 5_079_555, 39_429_667]);
}

#[test]
fn the_layouts_have_exactly_the_official_keys_and_shapes() {
    let Some(table) = golden::read("weights_check.json") else {
        return;
    };
    let table: serde_json::Value = serde_json::from_slice(&table).expect("valid table");
    for network in Network::ALL {
        let official: BTreeMap<String, Vec<usize>> = table[network.name()]
            .as_object()
            .expect("the network's table")
            .iter()
            .map(|(key, entry)| {
                let shape = entry["shape"].as_array().expect("a shape");
                let sides = shape
                    .iter()
                    .map(|side| side.as_u64().expect("a side") as usize);
                (key.clone(), sides.collect())
            })
            .collect();
        let ours: BTreeMap<String, Vec<usize>> = Layout::of(network)
            .slots
            .into_iter()
            .filter(|slot| !matches!(slot.role, Role::Counter | Role::Buffer(_)))
            .map(|slot| (slot.key, slot.shape))
            .collect();
        assert_eq!(ours, official, "{network:?}");
    }
}

#[test]
fn the_integer_buffers_are_those_of_the_specification() {
    let of = |network, wanted: fn(&Role) -> bool| {
        let slots = Layout::of(network).slots.into_iter();
        slots.filter(|slot| wanted(&slot.role)).collect::<Vec<_>>()
    };
    let counters = of(Network::Raft, |role| matches!(role, Role::Counter));
    assert_eq!(counters.len(), 17);
    let all = Layout::of(Network::Generator).slots.len();
    let buffers = of(Network::Generator, |role| matches!(role, Role::Buffer(_)));
    assert_eq!((all, buffers.len()), (216, 8));
    for slot in buffers {
        let Role::Buffer(indices) = slot.role else {
            unreachable!()
        };
        assert_eq!(
            (slot.shape.as_slice(), indices.len()),
            ([148].as_slice(), 148)
        );
        // Token (r, c) of copy k is at 45 k + 9 r + c; what section 6 says is kept.
        let kept = |index: i64| {
            let (copy, r, c) = (index / 45, index % 45 / 9, index % 9);
            match copy {
                0 => r >= 2 || c >= 4,
                1 => r >= 2 || c < 5,
                2 => r < 3 || c >= 4,
                _ => r < 3 || c < 5,
            }
        };
        assert_eq!(indices, (0..180).filter(|&i| kept(i)).collect::<Vec<_>>());
    }
}
