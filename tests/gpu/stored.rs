//! Tensors that are stored between stages: on CubeCL's CPU runtime, whose pools work as those of a GPU
//! do, and on the device that `PROPAINTER_TEST_DEVICE` names.

use burn::tensor::{DType, Device, Tensor};
use propainter::internals::{
    kernels::pools::Pools,
    networks::stored::{Placement, StoredTensor, settle},
};
use propainter_tests::golden;

const COUNT: usize = 24;
const SHAPE: [usize; 4] = [1, 2, 512, 250];
const BYTES: u64 = 4 * 2 * 512 * 250;

fn devices() -> Vec<Device> {
    let mut devices = vec![Device::cpu()];
    let named = golden::device();
    if !devices.contains(&named) && named != Device::flex() {
        devices.push(named);
    }
    devices
}

fn computed(device: &Device, value: usize) -> Tensor<4> {
    Tensor::<4>::ones(SHAPE, (device, DType::F32)) * value as f32
}

/// Returns the bytes that this test's pools have after they freed those that are not in use. Each
/// thread has pools of its own.
fn reserved(device: &Device) -> u64 {
    device.sync().expect("the device works");
    device.memory_cleanup();
    Pools::of(device)
        .expect("a CubeCL device")
        .reserved_in_stream()
}

fn values(stored: &StoredTensor) -> Vec<f32> {
    let data = stored.get().into_data();
    data.try_into_vec().expect("floats")
}

#[test]
fn tensors_stored_on_the_host_leave_the_device() {
    for device in devices() {
        let before = reserved(&device);
        let put = |i| StoredTensor::put(computed(&device, i), Placement::Host);
        let stored: Vec<_> = (0..COUNT).map(|i| put(i).expect("stored")).collect();
        // One more is on its way while it is read, and a page is larger than what it holds.
        let most = before + 4 * BYTES;
        let now = reserved(&device);
        assert!(now <= most, "{now} bytes, {before} before: {device:?}");
        let host: u64 = stored.iter().map(StoredTensor::host_bytes).sum();
        assert_eq!(host, COUNT as u64 * BYTES);
        for (i, stored) in stored.iter().enumerate() {
            let values = values(stored);
            assert!(values.iter().all(|&value| value == i as f32), "{i}");
        }
        let now = reserved(&device);
        assert!(now <= most, "{now} bytes after reading: {device:?}");
    }
}

#[test]
fn tensors_stored_on_the_device_stay_there_until_they_are_moved() {
    for device in devices() {
        let before = reserved(&device);
        let put = |i| StoredTensor::put(computed(&device, i), Placement::Device);
        let mut stored: Vec<_> = (0..COUNT).map(|i| put(i).expect("stored")).collect();
        settle(&stored).expect("the device works");
        let all = COUNT as u64 * BYTES;
        assert!(reserved(&device) >= before + all);
        assert!(stored.iter().all(|stored| stored.host_bytes() == 0));
        for stored in &mut stored {
            stored.move_to(Placement::Host).expect("moved");
        }
        assert!(reserved(&device) <= before + 4 * BYTES);
        assert_eq!(values(&stored[7])[..2], [7.0, 7.0]);
    }
}

#[test]
fn a_view_that_is_stored_does_not_keep_the_whole() {
    for device in devices() {
        reserved(&device);
        let pools = Pools::of(&device).expect("a CubeCL device");
        let before = pools.used_in_stream();
        let stored = {
            let all = Tensor::cat((0..COUNT).map(|i| computed(&device, i)).collect(), 0);
            StoredTensor::put(all.narrow(0, 3, 1), Placement::Device).expect("stored")
        };
        settle([&stored]).expect("the device works");
        reserved(&device);
        assert!(pools.used_in_stream() <= before + 2 * BYTES);
        assert_eq!(values(&stored)[0], 3.0);
    }
}

#[test]
fn an_allocation_that_fails_is_known_when_the_stage_ends() {
    for device in devices() {
        let pools = Pools::of(&device).expect("a CubeCL device");
        // More than the largest allocation; it is reported at the result and not where it was asked
        // for.
        let rows = pools.largest_allocation().div_ceil(4 * 1024) as usize + 1;
        let tensor = Tensor::<4>::empty([1, 1, rows, 1024], (&device, DType::F32));
        let stored = StoredTensor::put(tensor, Placement::Device);
        let settled = stored.and_then(|stored| settle([&stored]));
        assert!(settled.is_err(), "{device:?}");
    }
}
