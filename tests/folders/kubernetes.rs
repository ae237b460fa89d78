//! The command line of `deploy/kubernetes-job.yaml`, run on this machine for each index.

use std::{fs, process::Command};

use super::{Place, frames, scenes};
use crate::pipelines::{release, tools::output};

/// Returns the arguments of the container in the file, as a list of JSON.
fn arguments() -> Vec<String> {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/kubernetes-job.yaml");
    let text = fs::read_to_string(file).expect("the file");
    let line = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("args: "));
    let list = line.expect("arguments").split('#').next().expect("a list");
    serde_json::from_str(list).expect("a list of strings")
}

#[test]
fn the_pods_of_the_job_make_the_clip_of_one_run() {
    let place = Place::new(&[]);
    let clip = place.at("clip.mkv");
    scenes(&clip, 4, 20);
    crate::pipelines::clips::mask(&place.at("mask.png"), (160, 96), [40, 30, 24, 16]);
    let settings = [
        "--mask",
        "mask.png",
        "--model",
        "propagation",
        "--mode",
        "sliding",
    ];
    let propainter = || {
        let mut command = Command::new(release("propainter"));
        command.current_dir(place.root.path());
        command
    };
    let plan = ["--segment-frames", "20", "-o", "jobs/clip", "--quiet"];
    output(
        propainter()
            .args(["plan", "clip.mkv"])
            .args(settings)
            .args(plan),
    );
    let manifest = fs::read_to_string(place.at("jobs/clip/job.json")).expect("a manifest");
    let manifest: serde_json::Value = serde_json::from_str(&manifest).expect("JSON");
    let segments = manifest["segments"].as_array().expect("a list").len();
    assert_eq!(segments, 4);
    let root = place.root.path().to_str().expect("UTF-8");
    let arguments: Vec<_> = arguments()
        .iter()
        .map(|word| word.replace("/shared", root))
        .collect();
    for index in 0..segments {
        let mut pod = propainter();
        output(
            pod.env("JOB_COMPLETION_INDEX", index.to_string())
                .args(&arguments),
        );
    }
    output(propainter().args(["join", "jobs/clip", "-o", "joined.mkv", "--quiet"]));
    let one = ["--crop-mode", "off", "-o", "one.mkv", "--quiet"];
    output(
        propainter()
            .args(["run", "clip.mkv"])
            .args(settings)
            .args(one),
    );
    assert_eq!(
        frames(&place.at("joined.mkv")),
        frames(&place.at("one.mkv"))
    );
}
