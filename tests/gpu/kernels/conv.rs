//! Convolutions on a GPU against the reference form.

use burn::tensor::{DType, Device, Tensor};
use propainter::internals::kernels::conv::{
    Activation, ConvGeometry, activate, conv2d_reference,
    cube::{Fusion, GpuConv},
};

use crate::gpu::kernels::support::{assert_close, both, devices, values};

/// A convolution and its input.
struct Case {
    /// Channels of each input.
    inputs: &'static [usize],
    outputs: usize,
    kernel: [usize; 2],
    geometry: ConvGeometry,
    /// Batch, height and width of the inputs.
    size: [usize; 3],
}

impl Case {
    /// Returns a case with one input and padding that keeps the size.
    fn new(inputs: &'static [usize], outputs: usize, kernel: [usize; 2]) -> Self {
        Self {
            inputs,
            outputs,
            kernel,
            geometry: ConvGeometry::padding(kernel[0] / 2, kernel[1] / 2),
            size: [1, 9, 11],
        }
    }

    fn geometry(self, change: impl FnOnce(ConvGeometry) -> ConvGeometry) -> Self {
        Self {
            geometry: change(self.geometry),
            ..self
        }
    }

    fn size(self, size: [usize; 3]) -> Self {
        Self { size, ..self }
    }

    /// Returns weight and bias, with sums of about one.
    fn parameters(&self) -> (Tensor<4>, Tensor<1>) {
        let group_inputs = self.inputs.iter().sum::<usize>() / self.geometry.groups;
        let [rows, columns] = self.kernel;
        let length = (group_inputs * rows * columns) as f32;
        let weight = values([self.outputs, group_inputs, rows, columns], 31);
        (weight / length.sqrt(), values([self.outputs], 32))
    }

    /// Compares the GPU form with the reference form of the concatenated inputs.
    fn compare(&self, device: &Device, dtype: DType, bound: f32) {
        let [batch, height, width] = self.size;
        let (weight, bias) = self.parameters();
        let (weight, seen_weight) = both(weight, device, dtype);
        let (bias, seen_bias) = both(bias, device, dtype);
        let parts = self.inputs.iter().enumerate();
        let parts = parts.map(|(i, &channels)| {
            both(
                values([batch, channels, height, width], 33 + i),
                device,
                dtype,
            )
        });
        let (parts, seen): (Vec<_>, Vec<_>) = parts.unzip();
        let seen = joined(&seen, self.geometry.groups);
        let what = format!(
            "{dtype:?} {:?} → {}, {:?} of {:?}, {:?}",
            self.inputs, self.outputs, self.kernel, self.size, self.geometry
        );
        let conv = GpuConv::new(&weight, &bias, self.geometry).expect("a CubeCL device");
        let expected = conv2d_reference(
            seen,
            seen_weight,
            seen_bias,
            self.geometry,
            Activation::Leaky(0.2),
        );
        let fusion = Fusion {
            activation: Activation::Leaky(0.2),
            ..Fusion::default()
        };
        let out = conv.apply(&parts.iter().collect::<Vec<_>>(), fusion);
        assert_eq!(out.dtype(), dtype, "{what}");
        assert_close(out, &expected, bound, 0.0, &what);
    }
}

/// Concatenates the parts group by group.
fn joined(parts: &[Tensor<4>], groups: usize) -> Tensor<4> {
    let group = |g: usize| {
        parts.iter().map(move |part| {
            let share = part.dims()[1] / groups;
            part.clone().narrow(1, g * share, share)
        })
    };
    Tensor::cat((0..groups).flat_map(group).collect(), 1)
}

/// Runs the cases on every device and in every data type.
fn compare(cases: &[Case]) {
    for (device, kinds) in devices() {
        for (dtype, bound) in kinds {
            for case in cases {
                case.compare(&device, dtype, bound);
            }
        }
    }
}

#[test]
fn convolutions_of_every_geometry_are_those_of_the_reference() {
    let stride = |stride| move |geometry: ConvGeometry| geometry.stride(stride);
    let dilated = |by| move |_| ConvGeometry::padding(by, by).dilation(by);
    compare(&[
        Case::new(&[1], 1, [1, 1]).size([1, 1, 1]),
        Case::new(&[17], 9, [1, 1]).size([2, 7, 5]),
        Case::new(&[13], 12, [3, 3]).geometry(stride(2)),
        Case::new(&[20], 33, [3, 3]).geometry(dilated(2)),
        Case::new(&[12], 8, [3, 3])
            .geometry(dilated(3))
            .size([2, 5, 4]),
        Case::new(&[19], 40, [1, 5]),
        Case::new(&[16], 10, [5, 1]),
        // A convolution in time, without padding.
        Case::new(&[16], 17, [3, 1])
            .geometry(|_| ConvGeometry {
                padding: [0, 0],
                dilation: [2, 1],
                ..ConvGeometry::default()
            })
            .size([1, 7, 35]),
    ]);
}

#[test]
fn convolutions_of_few_channels_are_those_of_the_reference() {
    compare(&[
        Case::new(&[3], 66, [7, 7])
            .geometry(|geometry| geometry.stride(2))
            .size([1, 21, 18]),
        Case::new(&[2], 20, [7, 7]),
        Case::new(&[5], 16, [3, 3])
            .geometry(|geometry| geometry.stride(2))
            .size([2, 9, 8]),
        Case::new(&[3], 7, [5, 5]).geometry(|_| ConvGeometry::padding(0, 0).stride(2)),
        Case::new(&[1], 2, [3, 3]).size([1, 2, 3]),
    ]);
}

#[test]
fn convolutions_with_groups_are_those_of_the_reference() {
    let groups = |groups| move |geometry: ConvGeometry| geometry.groups(groups);
    compare(&[
        Case::new(&[16, 24], 12, [3, 3]).geometry(groups(2)),
        Case::new(&[32, 20], 16, [3, 3])
            .geometry(groups(4))
            .size([2, 5, 6]),
        Case::new(&[16, 8], 80, [3, 3]).geometry(groups(8)),
        Case::new(&[24], 24, [3, 3]).geometry(groups(8)),
    ]);
}

#[test]
fn inputs_are_read_as_one() {
    compare(&[
        Case::new(&[16, 3], 9, [3, 3]),
        Case::new(&[12, 40, 2], 34, [3, 3]).size([2, 6, 5]),
        Case::new(&[17, 16, 2, 1], 12, [3, 3]),
        Case::new(&[16, 16], 20, [1, 5]),
        Case::new(&[16, 16, 2, 1, 1], 12, [3, 3]),
        Case::new(&[2, 1, 1], 12, [1, 1]),
    ]);
}

#[test]
fn the_products_of_many_channels_are_those_of_the_reference() {
    compare(&[
        Case::new(&[324], 130, [1, 1]).size([1, 9, 16]),
        Case::new(&[128, 128], 70, [1, 5]).size([1, 4, 17]),
        Case::new(&[128], 2, [3, 3]).size([1, 9, 15]),
    ]);
}

#[test]
fn views_are_read_where_they_are() {
    for (device, kinds) in devices() {
        for (dtype, bound) in kinds {
            let geometry = ConvGeometry::default();
            let (weight, bias) = (values([9, 13, 3, 3], 41) / 9.0, values([9], 42));
            let (weight, seen_weight) = both(weight, &device, dtype);
            let (bias, seen_bias) = both(bias, &device, dtype);
            let conv = GpuConv::new(&weight, &bias, geometry).expect("a CubeCL device");
            type View = fn(Tensor<4>) -> Tensor<4>;
            let views: [(View, [usize; 4]); 4] = [
                (|x| x.narrow(1, 3, 13), [2, 17, 5, 6]),
                (|x| x.narrow(2, 1, 4).narrow(3, 2, 7), [1, 13, 6, 10]),
                (|x| x.swap_dims(0, 1), [13, 2, 3, 5]),
                (|x| x.permute([0, 3, 1, 2]), [1, 4, 9, 13]),
            ];
            for (view, shape) in views {
                let (x, seen) = both(values(shape, 43), &device, dtype);
                let (x, seen) = (view(x), view(seen));
                let expected = conv2d_reference(
                    seen,
                    seen_weight.clone(),
                    seen_bias.clone(),
                    geometry,
                    Activation::None,
                );
                let out = conv.apply(&[&x], Fusion::default());
                assert_close(out, &expected, bound, 0.0, &format!("{dtype:?} {shape:?}"));
            }
        }
    }
}

#[test]
fn addends_and_activations_are_those_of_the_reference() {
    for (device, kinds) in devices() {
        for (dtype, bound) in kinds {
            let geometry = ConvGeometry::default();
            let (weight, bias) = (values([20, 16, 3, 3], 44) / 9.0, values([20], 45));
            let (weight, seen_weight) = both(weight, &device, dtype);
            let (bias, seen_bias) = both(bias, &device, dtype);
            let (x, seen) = both(values([2, 16, 5, 7], 46), &device, dtype);
            // The addend is a view, too.
            let (addend, seen_addend) = both(values([2, 23, 5, 7], 47), &device, dtype);
            let [addend, seen_addend] = [addend, seen_addend].map(|x| x.narrow(1, 2, 20));
            let conv = GpuConv::new(&weight, &bias, geometry).expect("a CubeCL device");
            for (activation, after) in [
                (Activation::None, Activation::None),
                (Activation::Relu, Activation::Relu),
                (Activation::None, Activation::Leaky(0.1)),
                (Activation::Leaky(0.2), Activation::None),
            ] {
                let fusion = Fusion {
                    activation,
                    addend: Some(addend.clone()),
                    after,
                };
                let sums = conv2d_reference(
                    seen.clone(),
                    seen_weight.clone(),
                    seen_bias.clone(),
                    geometry,
                    activation,
                );
                let expected = activate(sums + seen_addend.clone(), after);
                let what = format!("{dtype:?} {activation:?} {after:?}");
                assert_close(conv.apply(&[&x], fusion), &expected, bound, 0.0, &what);
            }
        }
    }
}

#[test]
fn inputs_of_32_bits_meet_weights_of_16() {
    for (device, _) in devices() {
        let geometry = ConvGeometry::padding(3, 3);
        let (weight, seen_weight) = both(values([20, 2, 7, 7], 48) / 9.0, &device, DType::F16);
        let (bias, seen_bias) = both(values([20], 49), &device, DType::F16);
        let (x, seen) = both(values([1, 2, 6, 9], 50), &device, DType::F32);
        let conv = GpuConv::new(&weight, &bias, geometry).expect("a CubeCL device");
        let out = conv.apply(&[&x], Fusion::default());
        assert_eq!(out.dtype(), DType::F32);
        let expected = conv2d_reference(seen, seen_weight, seen_bias, geometry, Activation::None);
        assert_close(out, &expected, 1e-5, 0.0, "two data types");
    }
}

#[test]
fn weights_of_the_cpu_device_are_left_to_its_own_form() {
    let (weight, bias) = (values([2, 3, 3, 3], 51), values([2], 52));
    assert!(GpuConv::new(&weight, &bias, ConvGeometry::default()).is_none());
}
