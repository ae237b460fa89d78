//! Adam, schedules, the loss scale and accumulation.

use burn::tensor::{Device, Tensor, TensorData};
use propainter::weights::HostTensor;
use propainter_training::{
    optimizer::{Accumulation, Adam, AdamSettings, LossScale, MultiStep},
    parameters::{Gradients, Parameters},
};

use crate::vectors::{assert_steps, figures, sliced, vectors};

fn parameters(tensors: &[(&str, Vec<f32>)]) -> Parameters {
    let tensors = tensors.iter().map(|(key, data)| {
        let (shape, data) = (vec![data.len()], data.clone());
        ((*key).to_owned(), HostTensor { shape, data })
    });
    Parameters::new(tensors, &Device::flex())
}

fn gradients(gradients: &[(&str, Vec<f32>)]) -> Gradients {
    let gradients = gradients.iter().map(|(key, data)| {
        let data = TensorData::new(data.clone(), [data.len()]);
        ((*key).to_owned(), Tensor::from_data(data, &Device::flex()))
    });
    gradients.collect()
}

fn values(parameters: &Parameters, key: &str) -> Vec<f32> {
    let tensors = parameters.to_host();
    let found = tensors.into_iter().find(|(known, _)| known == key);
    found.expect("the parameter").1.data
}

#[test]
fn three_steps_are_those_of_the_official_adam() {
    let Some(vectors) = vectors("ops_backward") else {
        return;
    };
    let mut ours = parameters(&[("p", vectors.floats("adam.p0"))]);
    let mut adam = Adam::new(AdamSettings::default());
    for step in 1..=3 {
        let gradient = vectors.floats(&format!("adam.g{step}"));
        adam.step(&mut ours, &gradients(&[("p", gradient)]), 1e-4);
        let name = format!("adam.p{step}");
        assert_steps(
            &values(&ours, "p"),
            &vectors.floats(&name),
            1e-4,
            1e-3,
            &name,
        );
    }
    assert_eq!(adam.steps(), 3);
    assert_eq!(adam.state().squares["p"].len(), 64);
}

/// The first steps of flow completion and of the generator, from the official gradients.
#[test]
fn first_steps_from_official_gradients_are_the_official_ones() {
    let cases = [
        (
            propainter::weights::Network::FlowCompletion,
            "flow_completion_step",
            0.01,
        ),
        (
            propainter::weights::Network::Generator,
            "generator_step",
            0.2,
        ),
    ];
    for (network, name, tolerance) in cases {
        let (Some(vectors), Some(figures), Some(initial)) = (
            vectors(name),
            figures(name),
            propainter_tests::golden::generated_tensors(network),
        ) else {
            return;
        };
        let rate = match network {
            propainter::weights::Network::FlowCompletion => MultiStep::flow_completion(),
            _ => MultiStep::generator(),
        };
        let mut compared = 0;
        for (key, tensor) in initial {
            let name = format!("grad.{key}");
            if !vectors.keys().contains(&name) {
                continue;
            }
            let parameter = &figures["params"][&key];
            let mut ours = parameters(&[(&key, sliced(&tensor.data, parameter, "row_step"))]);
            let gradient = gradients(&[(&key, vectors.floats(&name))]);
            Adam::new(AdamSettings::default()).step(&mut ours, &gradient, rate.rate(0));
            let after = vectors.floats(&format!("after1.{key}"));
            let name = format!("after1.{key}");
            assert_steps(&values(&ours, &key), &after, rate.rate(0), tolerance, &name);
            compared += 1;
        }
        assert!(compared > 10, "{compared} tensors");
    }
}

#[test]
fn a_resumed_optimiser_goes_on_bit_for_bit() {
    let numbers = |seed: f32| -> Vec<f32> { (0..50).map(|i| (seed * i as f32).sin()).collect() };
    let step = |adam: &mut Adam, ours: &mut Parameters, number: u32| {
        let gradient = gradients(&[("a.w", numbers(number as f32 + 0.3))]);
        adam.step(ours, &gradient, 1e-3)
    };
    let start = || parameters(&[("a.w", numbers(0.1)), ("a.b", numbers(0.2))]);
    let (mut whole, mut adam) = (start(), Adam::new(AdamSettings::default()));
    (0..6).for_each(|number| {
        step(&mut adam, &mut whole, number);
    });
    let (mut parts, mut first) = (start(), Adam::new(AdamSettings::default()));
    (0..3).for_each(|number| {
        step(&mut first, &mut parts, number);
    });
    let mut second = Adam::resume(AdamSettings::default(), first.state(), &parts);
    (3..6).for_each(|number| {
        step(&mut second, &mut parts, number);
    });
    assert_eq!(values(&whole, "a.w"), values(&parts, "a.w"));
    assert_eq!(second.state(), adam.state());
    // Without a gradient nothing moves.
    assert_eq!(values(&whole, "a.b"), numbers(0.2));
}

#[test]
fn held_parameters_and_elements_without_a_gradient_stand_still() {
    let settings = AdamSettings {
        held: vec!["attention.key.bias".to_owned(), "encoder".to_owned()],
        count_still: true,
        ..AdamSettings::default()
    };
    for (key, held) in [
        ("transformer.0.attention.key.bias", true),
        ("attention.key.bias", true),
        ("attention.key.weight", false),
        ("other_attention.key.bias", false),
        ("encoder.layers.0.weight", true),
        ("encoder2.0.weight", false),
    ] {
        assert_eq!(settings.holds(key), held, "{key}");
    }
    let mut ours = parameters(&[("encoder.w", vec![1.0; 3]), ("w", vec![1.0; 4])]);
    let gradient = [
        ("encoder.w", vec![1.0; 3]),
        ("w", vec![1e-3, 0.0, -1.0, 0.0]),
    ];
    let still = Adam::new(settings).step(&mut ours, &gradients(&gradient), 0.1);
    assert_eq!(still, 2);
    assert_eq!(values(&ours, "encoder.w"), [1.0; 3]);
    let moved = values(&ours, "w");
    assert!(
        (moved[0] - 0.9).abs() < 1e-3 && (moved[2] - 1.1).abs() < 1e-3,
        "{moved:?}"
    );
}

#[test]
fn rates_fall_at_milestones_counted_in_finished_steps() {
    let flow = MultiStep::flow_completion();
    for (finished, rate) in [
        (0, 5e-5),
        (299_999, 5e-5),
        (300_000, 1e-5),
        (400_000, 2e-6),
        (599_999, 4e-7),
        (700_000, 8e-8),
    ] {
        assert!(
            (flow.rate(finished) / rate - 1.0).abs() < 1e-12,
            "{finished}"
        );
    }
    let generator = MultiStep::generator();
    assert_eq!(generator.rate(399_999), 1e-4);
    assert!((generator.rate(400_000) / 1e-5 - 1.0).abs() < 1e-12);
}

#[test]
fn the_loss_scale_follows_the_gradients() {
    let clean = || gradients(&[("w", vec![65536.0, 0.0])]);
    let broken = || gradients(&[("a", vec![1.0]), ("w", vec![1.0, f32::INFINITY])]);
    let mut scale = LossScale::dynamic();
    assert_eq!(scale.factor(), 65536.0);
    let unscaled = scale.unscale(clean()).expect("no error").expect("a step");
    let data = unscaled.get("w").expect("a gradient").clone().into_data();
    assert_eq!(data.try_into_vec::<f32>().expect("f32"), [1.0, 0.0]);
    for _ in 1..1999 {
        assert!(scale.unscale(clean()).expect("no error").is_some());
    }
    assert_eq!(scale.factor(), 65536.0);
    assert!(scale.unscale(clean()).expect("no error").is_some());
    assert_eq!(scale.factor(), 131_072.0);
    assert!(scale.unscale(broken()).expect("no error").is_none());
    assert_eq!((scale.factor(), scale.state().skipped), (65536.0, 1));
    // A clean step in between begins the count anew.
    assert!(scale.unscale(clean()).expect("no error").is_some());
    assert_eq!(scale.state().skipped_in_a_row, 0);

    let resumed = LossScale::dynamic().resume(scale.state());
    assert_eq!(resumed, scale);
    assert_eq!(LossScale::off().resume(scale.state()).factor(), 1.0);

    let mut skipped = 0;
    let error = loop {
        match scale.unscale(broken()) {
            Ok(step) => assert!(step.is_none()),
            Err(error) => break error,
        }
        skipped += 1;
    };
    assert_eq!(scale.factor(), 1.0);
    assert!(skipped >= 24, "from 2²⁴ to 1 in {skipped} steps");
    assert!(error.to_string().contains("`w`"), "{error}");
    for broken in [f32::NAN, f32::NEG_INFINITY] {
        let step = LossScale::off().unscale(gradients(&[("w", vec![broken])]));
        assert!(step.expect("no error").is_none());
    }
}

#[test]
fn micro_batches_add_up_to_a_step() {
    let mut sum = Accumulation::new(2);
    assert_eq!(sum.weight(), 0.5);
    assert!(!sum.add(gradients(&[("a", vec![1.0, 2.0])])));
    assert!(sum.add(gradients(&[("a", vec![0.5, 0.25]), ("b", vec![4.0])])));
    let sum = sum.finish();
    let data = |key: &str| sum.get(key).expect("a gradient").clone().into_data();
    let floats = |key: &str| data(key).try_into_vec::<f32>().expect("f32");
    assert_eq!((floats("a"), floats("b")), (vec![1.5, 2.25], vec![4.0]));
}
