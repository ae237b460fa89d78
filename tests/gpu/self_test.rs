//! The self-test that `propainter check` runs.

use propainter::{
    internals::{
        kernels::device::is_cpu,
        self_test::{KERNELS, KernelTest, NetworkTest},
    },
    weights::Network,
};
use propainter_tests::golden::device;

#[test]
fn kernels_pass_the_self_test() {
    let mut failed = Vec::new();
    let mut devices = vec![burn::tensor::Device::flex(), burn::tensor::Device::cpu()];
    if !devices.contains(&device()) {
        devices.push(device());
    }
    for device in devices {
        for test in KERNELS {
            for &dtype in test.dtypes(&device) {
                let error = test.error(&device, dtype);
                println!(
                    "{} {dtype:?} cpu={}: {error:.2e}",
                    test.name,
                    is_cpu(&device)
                );
                if error > KernelTest::tolerance(dtype) {
                    failed.push(format!(
                        "{} {dtype:?} on {device:?}: {error:.2e}",
                        test.name
                    ));
                }
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
            let error = test
                .error(&device, dtype)
                .expect("the device does not fail");
            println!("{} {dtype:?}: {error:.2e}", network.name());
            assert!(
                error <= test.tolerance(dtype),
                "{} {dtype:?}: {error:.2e}",
                network.name()
            );
        }
    }
}
