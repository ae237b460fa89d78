//! Tests of the guard.

use super::*;
use crate::DeviceChoice;
use crate::memory::{budget::reservations::Reservations, meter::Reading};

#[test]
fn a_line_about_memory_is_known_by_the_words_of_library_and_driver() {
    for text in [
        "out of device memory allocating 1073741824 bytes",
        "can't allocate buffer of size 99",
        "Can't allocate 512 bytes: every page size the memory tracks is exhausted",
        "An out-of-memory error happened during launch",
        "CUDA_ERROR_OUT_OF_MEMORY",
    ] {
        let whole = format!("An error happened:\n  {text}\nbacktrace:\n  0: somewhere");
        assert_eq!(out_of_memory_line(&whole), Some(text));
    }
    assert_eq!(out_of_memory_line("CUDA_ERROR_ILLEGAL_ADDRESS"), None);
    let lost = "CUDA_ERROR_ILLEGAL_ADDRESS\nout of memory".to_owned();
    let error = failure(Stage::Flow, lost);
    assert!(matches!(error, Error::DeviceLost { .. }), "{error}");
}

const SMALL: u64 = 100;

/// Returns a guard over two plans, of which the second needs less in the generator. The meter
/// gives these readings.
fn guard(used: &[u64], has_lower_level: bool) -> Guard {
    let readings = used.iter().map(|&used| Reading {
        used,
        ..Reading::default()
    });
    let needs = |bytes| Needs {
        stages: [SMALL, SMALL, SMALL, SMALL, bytes],
        ..Needs::default()
    };
    let small = Plan {
        decoder_rows: 8,
        ..Plan::LARGEST
    };
    let access = DeviceAccess {
        device: Device::flex(),
        meter: Meter::fixed(readings),
        reservation: Arc::new(Reservations::default().reserve(|_| 1000)),
        process_limit: None,
    };
    let usage = Usage {
        budget: 1000,
        ..Usage::default()
    };
    let plans = vec![(Plan::LARGEST, needs(900)), (small, needs(500))];
    Guard::new(access, Faults::default(), plans, has_lower_level, usage)
}

fn run(guard: &mut Guard, stage: Stage) -> Result<u8, Error> {
    guard.watch(stage, || Ok(7))
}

#[test]
fn above_the_budget_the_result_stays_and_the_plan_shrinks() {
    // Where the budget is exceeded, the meter is read again after the pools were trimmed.
    let mut guard = guard(&[800, 1001, 1001, 700], true);
    for (peak, plan) in [(800, 0), (1001, 8), (1001, 8)] {
        assert!(matches!(run(&mut guard, Stage::Generator), Ok(7)));
        assert_eq!(guard.plan().decoder_rows, plan);
        assert_eq!(guard.usage().device_peak, peak);
    }
    let notices = guard.notices();
    assert!(matches!(&notices[..], [Notice::Shrunk { problem, .. }] if problem.contains("1001")));
    assert_eq!(guard.usage().out_of_memory, 0);
}

#[test]
fn exceeding_the_budget_twice_with_the_smallest_plan_needs_a_lower_level() {
    let above = [2000; 8];
    let mut may = guard(&above, true);
    assert!(run(&mut may, Stage::Flow).is_ok());
    assert!(matches!(
        run(&mut may, Stage::Flow),
        Err(Error::OutOfMemory {
            stage: Stage::Flow,
            ..
        })
    ));
    let shrunk = may.shrink(Stage::Flow, "above the budget".to_owned());
    assert!(shrunk.is_err(), "a repetition would take as much memory");
    // Without a lower level it continues, and reports it once.
    let mut may_not = guard(&above, false);
    for _ in 0..3 {
        assert!(run(&mut may_not, Stage::Flow).is_ok());
    }
    assert_eq!(may_not.notices().len(), 1);
}

#[test]
fn a_stage_out_of_memory_runs_with_a_smaller_plan_then_once_more_as_it_is() {
    let mut guard = guard(&[10], true);
    let fail = |guard: &mut Guard| {
        let result = guard.watch(Stage::Generator, || -> Result<(), Error> {
            panic!("out of device memory allocating 5 bytes")
        });
        let Err(Error::OutOfMemory { stage, problem }) = result else {
            panic!("the words are known");
        };
        guard.shrink(stage, problem)
    };
    assert!(fail(&mut guard).is_ok());
    assert_eq!(guard.plan().decoder_rows, 8);
    assert!(fail(&mut guard).is_ok());
    assert!(fail(&mut guard).is_err());
    assert_eq!(guard.usage().out_of_memory, 3);
    assert_eq!(guard.usage().runs, 3);
}

#[test]
fn a_larger_plan_is_tried_again_after_quiet_windows_each_time_later() {
    let mut guard = guard(&[10], true);
    for patience in [PATIENCE, 2 * PATIENCE] {
        guard
            .shrink(Stage::Generator, "none".to_owned())
            .expect("a smaller plan");
        for _ in 1..patience {
            guard.window_done();
            assert_eq!(guard.plan().decoder_rows, 8);
        }
        guard.window_done();
        assert_eq!(guard.plan(), Plan::LARGEST);
    }
    assert_eq!(guard.usage().grown, 2);
}

/// The meter reports the device's memory, and counts a context as used.
#[test]
#[ignore = "needs a CUDA device; on such a machine run `cargo test --release -p propainter -- --ignored`"]
fn a_gpu_reports_its_memory() {
    let meter = Meter::open(DeviceChoice::Cuda(0));
    let total = meter.total().expect("a GPU");
    let device = DeviceChoice::Cuda(0).open().expect("the GPU opens");
    let pools = crate::kernels::pools::Pools::of(&device).expect("a CubeCL device");
    meter.attach(move || pools.reserved());
    let tensor = burn::tensor::Tensor::<1>::ones([32 << 20], &device);
    device.sync().expect("the GPU answers");
    let reading = meter.look();
    eprintln!("{reading:?}");
    assert!(reading.used >= 128 << 20 && reading.used < total);
    assert!(reading.free.is_some_and(|free| free < total));
    drop(tensor);
}
