use propainter::{Precision, Session, internals::synthetic::Scene};
use virtual_gpu::harness;

use super::{FRAMES, config, middle};

/// Work that no stream, event or wait holds back may run at any time. What comes out must not depend
/// on it: the virtual GPU runs each piece at once, and then as late as it may.
#[test]
#[ignore = "long: make gpu-test"]
fn frames_do_not_depend_on_when_their_work_runs() {
    let test = "gpu::driver::late::frames_do_not_depend_on_when_their_work_runs";
    let digests = ["0", "1"].map(|late| {
        let settings = [
            ("VIRTUAL_GPU_MODE", "compute"),
            ("VIRTUAL_GPU_LATE", late),
            ("PROPAINTER_TEST_DEVICE", "cuda:0"),
        ];
        let output = harness::output(test, &settings)?;
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text);
        assert!(
            output.status.success(),
            "late {late}: {}: {text}",
            output.status
        );
        let digest = text.lines().find(|line| line.starts_with("digest"));
        println!("late {late}: {digest:?}");
        Some(digest.expect("a digest").to_owned())
    });
    match digests {
        [Some(early), Some(late)] => assert_eq!(early, late),
        _ => print_digest(),
    }
}

/// Prints a checksum of the frames of a short session.
fn print_digest() {
    let Some(mut config) = config() else { return };
    config.limits.precision = Precision::Fp32;
    let (mask, scene) = (middle(&config), Scene::new(config.width, config.height, 3));
    let mut session = Session::open(config).expect("the session opens");
    let mut done = Vec::new();
    for t in 0..FRAMES {
        done.extend(
            session
                .push(scene.frame(t), &mask)
                .expect("the frame is taken"),
        );
    }
    done.extend(session.drain().expect("the rest comes out"));
    assert_eq!(done.len(), FRAMES);
    let frames: Vec<u8> = done
        .iter()
        .flat_map(|done| done.frame.rgb().to_vec())
        .collect();
    println!("digest {:08x}", crc32fast::hash(&frames));
}
