//! The table of docs/training.md is what the byte model says.

use propainter::{DType, weights::Network};
use propainter_training::{
    budget::{Plan, Sizes},
    networks::Computing,
    recompute::Segments,
};

/// Returns the GB that a step of the generator takes on a GPU, without its context.
fn gigabytes(batch: usize, at_once: usize, numbers: DType, segments: Segments) -> f64 {
    let sizes = Sizes {
        network: Network::Generator,
        size: (432, 240),
        local: 10,
        references: 6,
        batch,
    };
    let computing = Computing { numbers, segments };
    let bytes = sizes.bytes(&Plan { at_once, computing });
    bytes.device(true) as f64 / 1e9
}

#[test]
fn the_table_of_the_documentation_is_what_the_model_says() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/training.md");
    let text = std::fs::read_to_string(file).expect("the documentation");
    let mut missing = Vec::new();
    for (name, batch, at_once) in [
        ("1 at once", 1, 1),
        ("2 at once", 2, 2),
        ("4 at once", 4, 4),
        ("8 at once", 8, 8),
        ("8, one at a time", 8, 1),
    ] {
        let cells = [DType::F32, DType::Bf16].map(|numbers| {
            let [kept, again] = [Segments::NONE, Segments::ALL]
                .map(|segments| gigabytes(batch, at_once, numbers, segments));
            format!("{kept:.1} | {again:.1}")
        });
        let row = format!("| {name} | {} |", cells.join(" | "));
        println!("{row}");
        missing.extend((!text.lines().any(|line| line == row)).then_some(row));
    }
    assert!(missing.is_empty(), "{missing:#?}");
    let goal = gigabytes(8, 1, DType::Bf16, Segments::ALL);
    assert!(goal < 4.0, "{goal}");
}
