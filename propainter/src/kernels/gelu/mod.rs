//! GELU by the error function: x/2 · (1 + erf(x/√2)).

#[cfg(feature = "training")]
mod backward;
mod cpu;
mod cube;

use burn::tensor::{Tensor, activation};

use super::upcast::in_f32;

/// Applies GELU to every element.
pub fn gelu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    #[cfg(feature = "training")]
    if x.is_autodiff() {
        return backward::gelu(&x);
    }
    cpu::gelu(&x)
        .or_else(|| cube::gelu(&x))
        .unwrap_or_else(|| gelu_reference(x))
}

/// Computes [`gelu`] with the tensor library's operation.
pub fn gelu_reference<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    in_f32(x, activation::gelu)
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;

    #[test]
    fn both_forms_agree() {
        let values: Vec<f32> = (-80_000..=80_000).map(|i| i as f32 * 1e-4).collect();
        let shape = [values.len()];
        let x: Tensor<1> = Tensor::from_data(TensorData::new(values, shape), &Device::flex());
        let floats = |x: Tensor<1>| x.into_data().try_into_vec::<f32>().unwrap();
        let forms = floats(gelu(x.clone()))
            .into_iter()
            .zip(floats(gelu_reference(x.clone())));
        for ((fast, reference), x) in forms.zip(floats(x)) {
            // Twice the error of a rounding.
            let bound = 4e-7 * x.abs();
            assert!(
                (fast - reference).abs() <= bound,
                "{x}: {fast} against {reference}"
            );
        }
    }

    #[test]
    fn what_is_no_number_stays_none() {
        let x: Tensor<1> = Tensor::from_data([f32::NAN, f32::INFINITY, 0.0], &Device::flex());
        let out = gelu(x).into_data().try_into_vec::<f32>().unwrap();
        assert!(out[0].is_nan());
        assert_eq!(out[1..], [f32::INFINITY, 0.0]);
    }
}
