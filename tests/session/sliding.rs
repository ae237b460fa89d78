//! `mode=sliding` with the networks, through the session.

use std::{
    thread,
    time::{Duration, Instant},
};

use propainter::{Config, Error, InpaintedFrame, Mode, Session};

use super::{assert_whole, inpaint, middle, networks, push, scene};

fn sliding(lookahead: usize) -> Option<Config> {
    Some(Config {
        mode: Mode::Sliding,
        subvideo_length: 30,
        neighbor_length: 4,
        ref_stride: 3,
        lookahead,
        scene_cuts: false,
        ..networks(64, 48)?
    })
}

#[test]
fn a_clip_that_fits_is_what_the_official_procedure_gives() {
    let Some(config) = sliding(12) else {
        return;
    };
    let reference = Config {
        mode: Mode::Reference,
        ..config.clone()
    };
    for frames in [1, 4, 12] {
        let (sliding, reference) = (
            inpaint(config.clone(), frames),
            inpaint(reference.clone(), frames),
        );
        assert_eq!(sliding.len(), frames);
        assert!(sliding == reference, "{frames} frames");
    }
}

#[test]
fn one_comes_out_for_one_that_goes_in_as_early_as_promised() {
    for lookahead in [0, 1, 3] {
        let Some(config) = sliding(lookahead) else {
            return;
        };
        let (scene, mask) = (scene(&config), middle(&config));
        let mut session = Session::open(config).expect("the session opens");
        assert_eq!(session.latency_frames(), lookahead + 1);
        let plan = session.plan().expect("networks have a plan");
        assert!(plan.contains(&format!("lookahead={lookahead}")), "{plan}");
        let (mut done, mut worst): (Vec<InpaintedFrame>, _) = (Vec::new(), 0);
        for t in 0..15 {
            let finals = session.push(scene.frame(t), &mask);
            let finals = finals.expect("the frame is taken");
            if !finals.is_empty() {
                worst = worst.max(t - done.len());
            }
            done.extend(finals);
            assert!(t + 1 - done.len() <= session.latency_frames());
        }
        assert_eq!(worst, session.latency_frames());
        done.extend(session.drain().expect("the rest comes out"));
        assert_whole(&done, &scene, 15);
    }
}

#[test]
fn a_stream_begins_anew_after_its_end() {
    let Some(config) = sliding(3) else {
        return;
    };
    let (scene, mask) = (scene(&config), middle(&config));
    let mut session = Session::open(config).expect("the session opens");
    let first = push(&mut session, &scene, &mask, 8);
    let second = push(&mut session, &scene, &mask, 8);
    assert!(first == second);
}

#[test]
fn a_cancelled_call_returns_long_before_its_work_is_done() {
    let Some(config) = networks(128, 96) else {
        return;
    };
    let config = Config {
        mode: Mode::Reference,
        subvideo_length: 10,
        raft_iterations: 1,
        ..config
    };
    let (scene, mask) = (scene(&config), middle(&config));
    let mut session = Session::open(config).expect("the session opens");
    let mut whole = Duration::ZERO;
    let mut all_at_once = |session: &mut Session| -> Result<Vec<InpaintedFrame>, Error> {
        for t in 0..10 {
            session.push(scene.frame(t), &mask)?;
        }
        let start = Instant::now();
        let done = session.drain();
        whole = start.elapsed();
        done
    };
    all_at_once(&mut session).expect("nothing is in the way");
    let work = whole;
    for part in [0.02, 0.1, 0.3] {
        let cancel = session.cancel_token();
        let (asked, answered) = thread::scope(|scope| {
            for t in 0..10 {
                session
                    .push(scene.frame(t), &mask)
                    .expect("the frame is taken");
            }
            let asked = scope.spawn(move || {
                thread::sleep(work.mul_f64(part));
                cancel.cancel();
                Instant::now()
            });
            let result = session.drain();
            let answered = Instant::now();
            assert!(matches!(result, Err(Error::Cancelled)), "at {part} of it");
            (asked.join().expect("it sleeps"), answered)
        });
        let late = answered.saturating_duration_since(asked);
        println!("{late:?} after it was asked, of {work:?} of work");
        assert!(late < work / 4);
        session.flush();
    }
}

#[test]
fn a_flow_of_many_iterations_is_cancelled_between_them() {
    let Some(config) = networks(64, 48) else {
        return;
    };
    let config = Config {
        // This takes minutes.
        raft_iterations: 20_000,
        ..config
    };
    let (scene, mask) = (scene(&config), middle(&config));
    let mut session = Session::open(config).expect("the session opens");
    session
        .push(scene.frame(0), &mask)
        .expect("the frame is taken");
    let cancel = session.cancel_token();
    let late = thread::scope(|scope| {
        let asked = scope.spawn(move || {
            thread::sleep(Duration::from_millis(300));
            cancel.cancel();
            Instant::now()
        });
        let result = session.push(scene.frame(1), &mask);
        let answered = Instant::now();
        assert!(matches!(result, Err(Error::Cancelled)));
        answered.saturating_duration_since(asked.join().expect("it sleeps"))
    });
    println!("{late:?} after it was asked");
    assert!(late < Duration::from_secs(10));
}
