//! `PROPAINTER_CPU`: the kernels, every stage of the networks and a whole clip under the other
//! instruction sets that the machine has, by the vectors of the repository.

use propainter::internals::isa::Isa;
use propainter_tests::cpus::run_under_others;

#[test]
fn kernels_and_stages_match_under_every_instruction_set() {
    let tests = [
        "kernels::attention",
        "kernels::conv2d",
        "kernels::deform_conv",
        "kernels::linear",
        "kernels::precision",
        "kernels::resample",
        "goldens::flow_completion::flow_completion_matches",
        "goldens::flow_completion::completed_flows_match",
        "goldens::generator::soft_split",
        "goldens::generator::feed_forward",
        "goldens::generator::every_stage",
        "goldens::image_propagation",
        "goldens::primitives",
        "goldens::raft::convex",
        "goldens::raft::correlation",
        "goldens::raft::raft_matches",
        "classical::quality::a_fill_without_sources",
    ];
    let passed = run_under_others(&tests);
    let others = Isa::all().len() - 1;
    assert!(passed >= others * tests.len(), "{passed} passed");
}

#[test]
#[ignore = "long: make soak"]
fn a_whole_clip_matches_under_every_instruction_set() {
    let passed = run_under_others(&["e2e::default_windows"]);
    assert_eq!(passed, Isa::all().len() - 1);
}
