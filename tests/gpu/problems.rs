//! A GPU that cannot be used or fails: one sentence that says what to do, and what follows.

use burn::tensor::{Device, Tensor};
use propainter::{
    Config, DeviceChoice, Error, Limits, Mask, Model, Session,
    internals::{kernels::pools::Pools, memory::meter::Meter, synthetic::Scene},
    memory::{MeterKind, Notice},
};
use propainter_tests::{golden::weights_folder, skip, virtual_gpu::virtual_gpu};
use virtual_gpu::client::Gpu;

/// Opens a device in a process that has the virtual GPU with this setting, and fails unless it is
/// refused with these words.
fn is_refused(test: &str, setting: (&str, &str), device: &str, words: &[&str]) {
    if !virtual_gpu(&format!("gpu::problems::{test}"), &[setting]) {
        return;
    }
    let choice: DeviceChoice = device.parse().expect("a device");
    let error = choice.open().expect_err("it is refused").to_string();
    println!("{error}");
    for words in words {
        assert!(error.contains(words), "{error}");
    }
    assert!(!error.contains('\n') && error.len() < 250, "{error}");
    let (opened, why) = DeviceChoice::Auto.open_and_tell().expect("auto opens");
    if choice == DeviceChoice::Cuda(0) {
        assert_eq!(opened, Device::flex());
        assert!(
            why.is_some_and(|why| error.contains(&why)),
            "auto tells why"
        );
    }
}

#[test]
fn a_driver_that_is_too_old_is_named_with_the_one_that_is_needed() {
    let test = "a_driver_that_is_too_old_is_named_with_the_one_that_is_needed";
    let setting = ("VIRTUAL_GPU_DRIVER", "11040");
    is_refused(test, setting, "cuda:0", &["11.4", "525", "device=cpu"]);
}

#[test]
fn a_device_that_is_not_there_is_named_with_those_that_are() {
    let test = "a_device_that_is_not_there_is_named_with_those_that_are";
    let setting = ("VIRTUAL_GPU_DEVICES", "2");
    is_refused(test, setting, "cuda:5", &["cuda:5", "cuda:0 to cuda:1"]);
}

#[test]
fn a_driver_without_devices_says_where_to_look() {
    let test = "a_driver_without_devices_says_where_to_look";
    let setting = ("VIRTUAL_GPU_DEVICES", "0");
    is_refused(test, setting, "cuda:0", &["CUDA_VISIBLE_DEVICES"]);
}

#[test]
fn a_device_that_nobody_may_use_says_how_to_allow_it() {
    let test = "a_device_that_nobody_may_use_says_how_to_allow_it";
    let setting = ("VIRTUAL_GPU_COMPUTE", "prohibited");
    is_refused(test, setting, "cuda:0", &["prohibited", "-c DEFAULT"]);
}

#[test]
fn a_device_that_another_program_uses_alone_says_what_to_end() {
    let test = "a_device_that_another_program_uses_alone_says_what_to_end";
    let setting = ("VIRTUAL_GPU_COMPUTE", "taken");
    is_refused(test, setting, "cuda:0", &["end that program", "-c DEFAULT"]);
}

#[test]
fn a_device_without_memory_for_a_context_says_whose_to_free() {
    let test = "a_device_without_memory_for_a_context_says_whose_to_free";
    let setting = ("VIRTUAL_GPU_OTHERS_MIB", "12200");
    let words = ["no memory left", "end other programs"];
    is_refused(test, setting, "cuda:0", &words);
}

#[test]
fn a_machine_without_a_driver_says_what_to_install() {
    let choice = DeviceChoice::Cuda(0);
    let Err(error) = choice.open() else {
        skip::optional("this machine has a CUDA driver");
        return;
    };
    let error = error.to_string();
    println!("{error}");
    let words = ["no CUDA driver", "install NVIDIA's driver", "device=cpu"];
    assert!(words.iter().all(|words| error.contains(words)), "{error}");
    assert!(!error.contains('\n') && error.len() < 250, "{error}");
}

/// Returns the settings of a short session with the networks.
fn config(limits: Limits) -> Option<Config> {
    Some(Config {
        model: Model::Propainter,
        weights: Some(weights_folder()?.to_owned()),
        device: DeviceChoice::Cuda(0),
        raft_iterations: 1,
        limits,
        ..Config::new(64, 48)
    })
}

fn mask() -> Mask {
    let mut mask = Mask::empty(64, 48);
    mask.add_rectangle(20, 16, 20, 16);
    mask
}

#[test]
fn a_gpu_whose_context_is_lost_is_not_used_again() {
    let test = "gpu::problems::a_gpu_whose_context_is_lost_is_not_used_again";
    if !virtual_gpu(test, &[]) {
        return;
    }
    let Some(config) = config(Limits::default()) else {
        return;
    };
    let gpu = Gpu::find(0).expect("the virtual GPU");
    let (scene, mask) = (Scene::new(64, 48, 3), mask());
    let mut session = Session::open(config.clone()).expect("the session opens");
    gpu.fail_launch(200);
    let pushed = (0..12).try_for_each(|t| session.push(scene.frame(t), &mask).map(drop));
    let error = pushed.and_then(|()| session.drain().map(drop));
    let error = error.expect_err("the launch failed");
    println!("{error}");
    assert!(matches!(error, Error::DeviceLost { .. }), "{error:?}");
    assert!(error.to_string().contains("restart"), "{error}");
    let launches = gpu.counts().launches;
    drop(session);
    let again = Session::open(config).map(drop).expect_err("it is not used");
    assert!(matches!(again, Error::DeviceLost { .. }), "{again:?}");
    assert_eq!(gpu.counts().launches, launches);
}

#[test]
fn a_budget_above_the_device_is_told_once() {
    let test = "gpu::problems::a_budget_above_the_device_is_told_once";
    if !virtual_gpu(test, &[("VIRTUAL_GPU_MEMORY_MIB", "4096")]) {
        return;
    }
    let limits = Limits {
        vram_budget: 5 << 30,
        ..Limits::default()
    };
    let Some(config) = config(limits) else { return };
    let mut session = Session::open(config).expect("the session opens");
    let (scene, mask) = (Scene::new(64, 48, 3), mask());
    for t in 0..4 {
        session.push(scene.frame(t), &mask).expect("a frame");
    }
    let notices = session.notices();
    let capped = notices.iter().filter_map(|notice| match notice {
        Notice::BudgetCapped { asked, total } => Some((*asked, *total)),
        _ => None,
    });
    assert_eq!(capped.collect::<Vec<_>>(), [(5 << 30, 4 << 30)]);
    assert_eq!(session.stats().memory.budget, 4 << 30);
}

/// Fails unless the meter counts the pools and the context, and the driver's figure is `by_driver`.
fn is_metered(test: &str, setting: (&str, &str), by_driver: bool) {
    if !virtual_gpu(&format!("gpu::problems::{test}"), &[setting]) {
        return;
    }
    let meter = Meter::open(DeviceChoice::Cuda(0));
    let device = DeviceChoice::Cuda(0).open().expect("the GPU opens");
    let pools = Pools::of(&device).expect("a CubeCL device");
    meter.attach(move || pools.reserved());
    let before = meter.used();
    let tensor = Tensor::<1>::ones([32 << 20], &device);
    device.sync().expect("the GPU works");
    let gpu = Gpu::find(0).expect("the virtual GPU");
    let context = 350 << 20;
    println!(
        "{meter:?} {before} {:?} {:?}",
        meter.look(),
        meter.by_driver()
    );
    assert_eq!(meter.kind(), MeterKind::Pools);
    assert!(meter.used() - before >= 128 << 20);
    assert_eq!(meter.used() - meter.context(), gpu.counts().bytes);
    assert!((context..=600 << 20).contains(&meter.context()));
    assert_eq!(meter.by_driver().is_some(), by_driver);
    assert!(meter.free().is_some() && meter.total().is_some());
    drop(tensor);
}

#[test]
fn the_pools_are_metered_and_the_driver_asked() {
    let test = "the_pools_are_metered_and_the_driver_asked";
    is_metered(test, ("VIRTUAL_GPU_PROCESSES", "own"), true);
}

#[test]
fn a_container_lists_no_process_and_the_pools_are_metered() {
    let test = "a_container_lists_no_process_and_the_pools_are_metered";
    is_metered(test, ("VIRTUAL_GPU_PROCESSES", "none"), false);
}

#[test]
fn a_driver_without_figures_for_processes_does_not_matter() {
    let test = "a_driver_without_figures_for_processes_does_not_matter";
    is_metered(test, ("VIRTUAL_GPU_PROCESSES", "no-bytes"), false);
}

#[test]
fn without_nvml_the_pools_are_metered() {
    let test = "without_nvml_the_pools_are_metered";
    is_metered(test, ("VIRTUAL_GPU_NVML", "off"), false);
}

#[test]
fn a_slice_of_a_gpu_is_metered_by_its_pools() {
    let test = "a_slice_of_a_gpu_is_metered_by_its_pools";
    is_metered(test, ("VIRTUAL_GPU_NVML_MEMORY_MIB", "81920"), false);
}
