//! Single layers of the networks, beside the same layers in PyTorch.

use std::{
    io::Write,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use propainter::{
    Cancel, DType,
    internals::self_test::layers::{LAYERS, LayerKind},
};
use serde_json::{Value, json};

use super::{
    CheckError, Options,
    correctness::name_of,
    device::{OpenDevice, object},
    report::Values,
    steps::{Finding, Steps, Stop},
};

const SCRIPT: &str = include_str!("pytorch.py");

/// Times the layers here, and in PyTorch if there is a Python with it.
///
/// # Errors
/// The report cannot be written.
pub fn check(
    device: &OpenDevice,
    options: &Options,
    steps: &mut Steps<'_, '_>,
) -> Result<(), CheckError> {
    let dtypes: &[DType] = match device.is_cpu() {
        true => &[DType::F32],
        false => &[DType::F32, DType::Tf32, DType::F16],
    };
    for &dtype in dtypes {
        let mut own = Values::new();
        let name = format!("layers, {}", name_of(dtype));
        steps.run("layers", name, |cancel| {
            for layer in LAYERS {
                cancel.check()?;
                let time = layer.time(&device.device, dtype);
                own.insert(layer.name.to_owned(), (time.as_secs_f64() * 1e3).into());
            }
            Ok(Finding {
                summary: format!("{:.2} ms together", sum(&own)),
                values: object(json!({ "milliseconds": own })),
                problem: None,
            })
        })?;
        let Some(python) = &options.pytorch else {
            continue;
        };
        let name = format!("layers, {}, PyTorch", name_of(dtype));
        steps.run("layers", name, |cancel| {
            let device = match device.is_cpu() {
                true => "cpu".to_owned(),
                false => device.choice.to_string(),
            };
            compare(python, &device, dtype, &own, cancel)
        })?;
    }
    Ok(())
}

fn sum(milliseconds: &Values) -> f64 {
    milliseconds.values().filter_map(Value::as_f64).sum()
}

/// Runs the script and puts its times beside our own.
fn compare(
    python: &Path,
    device: &str,
    dtype: DType,
    own: &Values,
    cancel: &Cancel,
) -> Result<Finding, Stop> {
    let layers: Vec<Value> = LAYERS
        .iter()
        .map(|layer| {
            let stride = match layer.kind {
                LayerKind::Convolution { stride } => Some(stride),
                LayerKind::Linear | LayerKind::Product => None,
            };
            json!({ "name": layer.name, "x": layer.x, "weight": layer.weight, "stride": stride })
        })
        .collect();
    let failed = |error| Stop::Failed(format!("{}: {error}", python.display()));
    let mut child = Command::new(python)
        .args(["-", device, name_of(dtype)])
        .arg(Value::from(layers).to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    if let Some(mut input) = child.stdin.take() {
        // If it cannot be written, Python has ended, and its status says why.
        let _ = input.write_all(SCRIPT.as_bytes());
    }
    wait(&mut child, cancel).map_err(failed)?;
    cancel.check()?;
    let output = child.wait_with_output().map_err(failed)?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        let last = errors
            .trim()
            .lines()
            .last()
            .unwrap_or("no message")
            .to_owned();
        return Err(Stop::Failed(format!("{}: {last}", python.display())));
    }
    let answer = serde_json::from_slice::<Value>(&output.stdout);
    let mut answer = object(answer.map_err(|error| Stop::Failed(error.to_string()))?);
    let theirs = object(answer["milliseconds"].clone());
    answer.insert("own_milliseconds".to_owned(), own.clone().into());
    Ok(Finding {
        summary: format!("{:.2} ms together, here {:.2} ms", sum(&theirs), sum(own)),
        values: answer,
        problem: None,
    })
}

/// Waits until the process ends, or ends it once the time is over. What it prints fits into a pipe.
fn wait(child: &mut Child, cancel: &Cancel) -> std::io::Result<()> {
    while child.try_wait()?.is_none() {
        if cancel.is_cancelled() {
            child.kill()?;
            child.wait()?;
            return Ok(());
        }
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}
