//! The first section: the machine, the driver and the card, and what is missing.

use std::{env, fs, thread, time::Instant};

use propainter::{
    DeviceChoice,
    internals::{
        cuda,
        cuda_info::{DeviceInfo, DriverInfo},
        isa::Isa,
        memory::meter::Meter,
        self_test::Device,
    },
};
use serde_json::json;

use super::{
    CheckError,
    report::Values,
    steps::{Finding, Steps, Stop},
};
use crate::units;

/// The oldest version of CUDA that a driver must serve: that of release 525.
const OLDEST_CUDA: (u32, u32) = (12, 0);
/// The oldest architecture that the kernels are assembled for in tests.
const OLDEST_SM: (u32, u32) = (7, 5);

/// A device that works.
pub struct OpenDevice {
    pub choice: DeviceChoice,
    pub device: Device,
}

impl OpenDevice {
    pub fn is_cpu(&self) -> bool {
        self.choice == DeviceChoice::Cpu
    }
}

/// Describes the machine and opens the device; returns `None` if it cannot be used.
///
/// # Errors
/// The report cannot be written.
pub fn check(
    choice: DeviceChoice,
    steps: &mut Steps<'_, '_>,
) -> Result<Option<OpenDevice>, CheckError> {
    steps.run("device", "machine", |_| Ok(machine()))?;
    let choice = match choice {
        DeviceChoice::Auto => DeviceChoice::Cuda(0),
        choice => choice,
    };
    if let DeviceChoice::Cuda(n) = choice {
        let mut usable = false;
        steps.run("device", choice.to_string(), |_| {
            let finding = card(n)?;
            usable = finding.problem.is_none();
            Ok(finding)
        })?;
        if !usable {
            return Ok(None);
        }
    }
    let mut opened = None;
    steps.run("device", "opening", |_| {
        // Before the device, whose own context counts too.
        let meter = Meter::open(choice);
        let start = Instant::now();
        let device = choice.open()?;
        let seconds = start.elapsed().as_secs_f64();
        let reading = meter.look();
        opened = Some(OpenDevice { choice, device });
        Ok(Finding {
            summary: match reading.free {
                Some(free) => format!("{} free", units::bytes(free)),
                None => "the driver does not tell the free memory".to_owned(),
            },
            values: object(json!({
                "open_seconds": seconds,
                "free_bytes": reading.free,
                "context_bytes": reading.used,
            })),
            ..Finding::default()
        })
    })?;
    Ok(opened)
}

/// Describes the machine beside the card.
fn machine() -> Finding {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, key: &str| {
        let line = text.lines().find(|line| line.starts_with(key));
        line.and_then(|line| line.split_once(':'))
            .map(|(_, value)| value.trim().to_owned())
    };
    let processor = field(&read("/proc/cpuinfo"), "model name");
    let kernel = read("/proc/sys/kernel/osrelease").trim().to_owned();
    let wsl = kernel.to_lowercase().contains("microsoft");
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let memory = Meter::open(DeviceChoice::Cpu).look();
    let variables = ["CUDA_VISIBLE_DEVICES", "CUDA_PATH", "PROPAINTER_CPU"];
    let variables: Values = variables
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), env::var(name).ok()?.into())))
        .collect();
    Finding {
        summary: format!(
            "{}, {threads} threads{}",
            processor.as_deref().unwrap_or("unknown processor"),
            if wsl { ", WSL" } else { "" }
        ),
        values: object(json!({
            "processor": processor,
            "threads": threads,
            "instruction_set": Isa::best().name(),
            "memory_bytes": memory.total,
            "kernel": kernel,
            "wsl": wsl,
            "variables": variables,
        })),
        problem: None,
    }
}

/// Describes card `n`. A card that cannot be used has a problem, which says what to do.
fn card(n: usize) -> Result<Finding, Stop> {
    let count = cuda::device_count()
        .map_err(|error| Stop::Failed(format!("{error}; --device cpu checks the CPU")))?;
    let driver = DriverInfo::get().unwrap_or_default();
    let Some(info) = DeviceInfo::of(n) else {
        let text = format!("the driver sees {count} CUDA device(s), none of them cuda:{n}");
        return Err(Stop::Failed(text));
    };
    let sm = info.compute_capability;
    let too_old = driver.cuda.is_some_and(|version| version < OLDEST_CUDA);
    let mut missing = Vec::new();
    if sm.is_some_and(|sm| sm < OLDEST_SM) {
        missing.push("the card is older than Turing (sm_75), which was never tried".to_owned());
    }
    if driver.release.is_none() {
        missing.push("NVML is missing, so the memory of this process is not told".to_owned());
    }
    let dotted =
        |version: Option<(u32, u32)>| version.map(|(major, minor)| format!("{major}.{minor}"));
    let name = info.name.as_deref().unwrap_or("unknown card");
    let (sm, cuda) = (dotted(sm), dotted(driver.cuda));
    let mut summary = format!(
        "{name}, sm_{}, {}, driver {}, CUDA {}",
        sm.as_deref().unwrap_or("?").replace('.', ""),
        info.memory
            .map_or_else(|| "memory unknown".to_owned(), units::bytes),
        driver.release.as_deref().unwrap_or("unknown"),
        cuda.as_deref().unwrap_or("unknown"),
    );
    for text in &missing {
        summary += "; ";
        summary += text;
    }
    Ok(Finding {
        problem: too_old.then(|| {
            let cuda = cuda.as_deref().unwrap_or("unknown");
            format!("the driver serves CUDA {cuda} and 12.0 is needed: install NVIDIA's driver 525 or later")
        }),
        values: object(json!({
            "name": info.name,
            "compute_capability": sm,
            "memory_bytes": info.memory,
            "multiprocessors": info.multiprocessors,
            "clock_khz": info.clock_khz,
            "devices": count,
            "driver": driver.release,
            "driver_cuda": cuda,
            "missing": missing,
        })),
        summary,
    })
}

/// Returns the members of a JSON object.
pub fn object(value: serde_json::Value) -> Values {
    match value {
        serde_json::Value::Object(members) => members,
        _ => Values::new(),
    }
}
