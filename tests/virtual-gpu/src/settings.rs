//! The settings, read from the environment when the library is loaded.
//!
//! | variable | meaning | default |
//! |---|---|---|
//! | `VIRTUAL_GPU_MODE` | `count`: kernels compute nothing; `compute`: they run on the CPU | `count` |
//! | `VIRTUAL_GPU_LATE` | 1: work of a stream runs as late as the driver's interface allows | 0 |
//! | `VIRTUAL_GPU_DEVICES` | number of devices | 1 |
//! | `VIRTUAL_GPU_SM` | architecture: 86 is sm_86 | 86 |
//! | `VIRTUAL_GPU_DRIVER` | version of CUDA that the driver knows: 12080 is 12.8 | 12080 |
//! | `VIRTUAL_GPU_MISSING` | functions that the driver lacks, besides those newer than it, with commas | |
//! | `VIRTUAL_GPU_MEMORY_MIB` | memory of a device | 12288 |
//! | `VIRTUAL_GPU_CONTEXT_MIB` | memory that a context takes | 350 |
//! | `VIRTUAL_GPU_OTHERS_MIB` | memory that other processes take | 0 |
//! | `VIRTUAL_GPU_COMPUTE` | `prohibited`: nobody may compute on the devices; `taken`: one other program | `default` |
//! | `VIRTUAL_GPU_FAIL_ALLOCATION` | the n-th allocation on device 0 fails | |
//! | `VIRTUAL_GPU_FAIL_LAUNCH` | the n-th launch on device 0 reads an illegal address | |
//! | `VIRTUAL_GPU_FAIL_COPY` | the n-th copy between host and device 0 reads an illegal address | |
//! | `VIRTUAL_GPU_FAIL_WAIT` | device 0 fails by the n-th time that the host waits for it or asks it | |
//! | `VIRTUAL_GPU_LARGEST_MIB` | larger allocations fail | |
//! | `VIRTUAL_GPU_NVML` | `off`: NVML does not start | `on` |
//! | `VIRTUAL_GPU_NVML_MEMORY_MIB` | memory of the whole GPU, of which the device is a slice | |
//! | `VIRTUAL_GPU_PROCESSES` | what NVML lists: `own`, `none`, `foreign` (another process id), `no-bytes` | `own` |
//! | `VIRTUAL_GPU_PTX` | folder into which each PTX module is written | |
//! | `VIRTUAL_GPU_CACHE` | folder of translated kernels | a folder of the user's in the temporary one |
//! | `VIRTUAL_GPU_REPORT` | file to which the counts are appended at every mark and at the end | |

use std::{env, path::PathBuf, str::FromStr};

/// What a launch does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It is counted.
    Count,
    /// The kernel is computed, too.
    Compute,
}

/// Who may compute on the devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ComputeMode {
    /// Everybody.
    Default,
    /// Nobody.
    Prohibited,
    /// One process, which is another one.
    Taken,
}

/// What NVML tells of the processes on a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Processes {
    /// This process with its bytes.
    Own,
    /// Nothing, as in a container.
    None,
    /// A process of another id that takes this one's bytes, as from another namespace.
    Foreign,
    /// This process without its bytes, as on Windows.
    NoBytes,
}

/// All settings; see the module.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct Settings {
    pub mode: Mode,
    pub late: bool,
    pub devices: usize,
    pub sm: i32,
    pub driver: i32,
    pub missing: Vec<String>,
    pub memory: u64,
    pub context: u64,
    pub others: u64,
    pub compute: ComputeMode,
    pub fail_allocation: u64,
    pub fail_launch: u64,
    pub fail_copy: u64,
    pub fail_wait: u64,
    pub largest: Option<u64>,
    pub nvml: bool,
    pub nvml_memory: Option<u64>,
    pub processes: Processes,
    pub ptx: Option<PathBuf>,
    pub cache: PathBuf,
    pub report: Option<PathBuf>,
}

impl Settings {
    /// Reads the environment. Ends the process with a line if a value is wrong: a test that
    /// misspells a setting must not pass.
    pub fn read() -> Self {
        const MIB: u64 = 1 << 20;
        let mib = |name| number::<u64>(name).map(|mib| mib * MIB);
        Self {
            mode: choice(
                "MODE",
                &[("count", Mode::Count), ("compute", Mode::Compute)],
            ),
            late: choice("LATE", &[("0", false), ("1", true)]),
            devices: number("DEVICES").unwrap_or(1),
            sm: number("SM").unwrap_or(86),
            driver: number("DRIVER").unwrap_or(12080),
            missing: names("MISSING"),
            memory: mib("MEMORY_MIB").unwrap_or(12288 * MIB),
            context: mib("CONTEXT_MIB").unwrap_or(350 * MIB),
            others: mib("OTHERS_MIB").unwrap_or(0),
            compute: choice(
                "COMPUTE",
                &[
                    ("default", ComputeMode::Default),
                    ("prohibited", ComputeMode::Prohibited),
                    ("taken", ComputeMode::Taken),
                ],
            ),
            fail_allocation: number("FAIL_ALLOCATION").unwrap_or(0),
            fail_launch: number("FAIL_LAUNCH").unwrap_or(0),
            fail_copy: number("FAIL_COPY").unwrap_or(0),
            fail_wait: number("FAIL_WAIT").unwrap_or(0),
            largest: mib("LARGEST_MIB"),
            nvml: choice("NVML", &[("on", true), ("off", false)]),
            nvml_memory: mib("NVML_MEMORY_MIB"),
            processes: choice(
                "PROCESSES",
                &[
                    ("own", Processes::Own),
                    ("none", Processes::None),
                    ("foreign", Processes::Foreign),
                    ("no-bytes", Processes::NoBytes),
                ],
            ),
            ptx: text("PTX").map(PathBuf::from),
            cache: text("CACHE").map_or_else(default_cache, PathBuf::from),
            report: text("REPORT").map(PathBuf::from),
        }
    }
}

fn default_cache() -> PathBuf {
    // SAFETY: the call has no arguments and no effect.
    let user = unsafe { libc::getuid() };
    env::temp_dir().join(format!("virtual-gpu-{user}"))
}

fn text(name: &str) -> Option<String> {
    let value = env::var(format!("VIRTUAL_GPU_{name}")).ok()?;
    (!value.is_empty()).then_some(value)
}

fn names(name: &str) -> Vec<String> {
    let list = text(name).unwrap_or_default();
    let names = list
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty());
    names.map(str::to_owned).collect()
}

fn number<T: FromStr>(name: &str) -> Option<T> {
    let value = text(name)?;
    match value.parse() {
        Ok(number) => Some(number),
        Err(_) => wrong(name, &value, "a whole number"),
    }
}

/// Returns the value of the choice that is set, else the first.
fn choice<T: Copy>(name: &str, choices: &[(&str, T)]) -> T {
    let Some(value) = text(name) else {
        return choices[0].1;
    };
    match choices.iter().find(|(choice, _)| *choice == value) {
        Some((_, chosen)) => *chosen,
        None => {
            let words: Vec<_> = choices.iter().map(|(word, _)| *word).collect();
            wrong(name, &value, &words.join(", "))
        }
    }
}

fn wrong(name: &str, value: &str, wanted: &str) -> ! {
    eprintln!("virtual GPU: VIRTUAL_GPU_{name}={value} is not one of: {wanted}");
    std::process::exit(2);
}
