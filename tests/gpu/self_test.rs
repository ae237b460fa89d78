//! The self-test that `propainter check` runs, on the device that `PROPAINTER_TEST_DEVICE` names.

use propainter::{
    internals::self_test::{KERNELS, KernelTest, NetworkTest},
    weights::Network,
};
use propainter_tests::golden::device;

#[test]
fn kernels_pass_the_self_test() {
    let device = device();
    let mut failed = Vec::new();
    for test in KERNELS {
        for &dtype in test.dtypes(&device) {
            let error = test.error(&device, dtype);
            println!("{} {dtype:?}: {error:.2e}", test.name);
            if error > KernelTest::tolerance(dtype) {
                failed.push(format!("{} {dtype:?}: {error:.2e}", test.name));
            }
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}

#[test]
fn networks_pass_the_self_test() {
    let device = device();
    for network in Network::ALL {
        let test = NetworkTest::prepare(network).expect("the CPU does not fail");
        for &dtype in NetworkTest::dtypes(network, &device) {
            let error = test.error(&device, dtype);
            let error = error.expect("the device does not fail");
            let name = network.name();
            println!("{name} {dtype:?}: {error:.2e}");
            assert!(
                error <= test.tolerance(dtype),
                "{name} {dtype:?}: {error:.2e}"
            );
        }
    }
}
