//! Weights by the rule: those that the golden vectors were made with.

use propainter::weights::{Network, generated_tensors};
use propainter_tests::golden;

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
            let first = first.iter().filter_map(|value| value.as_f64());
            assert!(first.zip(values()).all(|(a, b)| a == b), "{key}");
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
