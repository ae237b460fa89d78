//! Kernels against their reference forms, and networks against the CPU.

use propainter::{
    DType,
    internals::self_test::{KERNELS, KernelTest, NetworkTest},
    weights::Network,
};
use serde_json::json;

use super::{
    CheckError,
    device::{OpenDevice, object},
    steps::{Finding, Steps},
};

/// Compares every kernel, then every network.
///
/// # Errors
/// The report cannot be written.
pub fn check(device: &OpenDevice, steps: &mut Steps<'_, '_>) -> Result<(), CheckError> {
    let device = &device.device;
    for test in KERNELS {
        for &dtype in test.dtypes(device) {
            let name = format!("{}, {}", test.name, name_of(dtype));
            let tolerance = KernelTest::tolerance(dtype);
            let run = |_: &_| Ok(compared(test.error(device, dtype), tolerance));
            steps.run("kernels", name, run)?;
        }
    }
    for network in Network::ALL {
        let mut prepared = None;
        for &dtype in NetworkTest::dtypes(network, device) {
            let name = format!("{}, {}", network.name(), name_of(dtype));
            steps.run("networks", name, |_| {
                let test = match &mut prepared {
                    Some(test) => test,
                    none => none.insert(NetworkTest::prepare(network)?),
                };
                let error = test.error(device, dtype)?;
                Ok(compared(error, test.tolerance(dtype)))
            })?;
        }
    }
    Ok(())
}

fn compared(error: f64, tolerance: f64) -> Finding {
    let wrong = error > tolerance;
    Finding {
        summary: format!("error {error:.1e} of {tolerance:.1e}"),
        // JSON has no infinity: an error without a number is null.
        values: object(json!({ "error": error, "tolerance": tolerance })),
        problem: wrong.then(|| "the result differs from the expected one".to_owned()),
    }
}

/// Returns the name of a data type, as the property `precision` has it.
pub fn name_of(dtype: DType) -> &'static str {
    match dtype {
        DType::F32 => "fp32",
        DType::Tf32 => "tf32",
        DType::F16 => "fp16",
        DType::Bf16 => "bf16",
    }
}
