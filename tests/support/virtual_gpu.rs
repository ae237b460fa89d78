//! Tests on the virtual GPU: a driver of our own under the real tensor library.

use virtual_gpu::harness;

/// Whether this process has the virtual GPU for a driver. If not, runs `test` (its full name) in one
/// that has, with `settings` added to its environment (`virtual_gpu::settings` lists them) and with
/// `PROPAINTER_TEST_DEVICE` naming the virtual device.
///
/// # Panics
/// The test fails there.
pub fn virtual_gpu(test: &str, settings: &[(&str, &str)]) -> bool {
    let device = [("PROPAINTER_TEST_DEVICE", "cuda:0")];
    harness::virtual_gpu(test, &[&device, settings].concat())
}
