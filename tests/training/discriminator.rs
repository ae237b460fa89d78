//! The discriminator: spectral norms, and a step on the clips of the vectors. Steps 2 and 3 need the
//! generator's updates; they are tested where both networks are trained together.

use burn::tensor::{DType, Tensor};
use propainter_training::{
    discriminator::{self, Discriminator, LAYERS, convolve, judge},
    loss::{self, DiscriminatorLoss, GeneratorLoss},
    optimizer::{Adam, AdamSettings, MultiStep},
    random::random,
};

use crate::vectors::{
    self, assert_figure, assert_near, assert_steps, by_key, device, figures, frames, host, norm,
    relative, rule_tensor, sliced, slices, vectors,
};

#[test]
fn spectral_norms_iterate_and_pass_gradients_as_the_official_ones() {
    let (Some(tensors), Some(vectors)) = (vectors::discriminator(), vectors("ops_backward")) else {
        return;
    };
    let device = device();
    let mut network = Discriminator::new(tensors, &device);
    let layer = &LAYERS[1];
    let x = rule_tensor("training/ops/spectral/x", [1, 32, 2, 9, 11], &device).require_grad();
    let weights = network.parameters().record(|_| true);
    let first = network.next_pass();
    let out = convolve(&weights, &first, layer, x.clone());
    assert_near(&host(out.clone()), &vectors, "spectral.out1", 1e-5);
    let upstream = rule_tensor("training/ops/spectral/1", out.dims(), &device);
    let mut tape = (out * upstream).sum().backward();
    let dx = host(x.grad_remove(&mut tape).expect("a gradient"));
    assert_near(&dx, &vectors, "spectral.dx1", 1e-5);
    let gradients = weights.gradients(&mut tape);
    let gradient = gradients.get("conv.2.weight_orig").expect("a gradient");
    let gradient = slices(&host(gradient.clone()), 64, 8);
    assert_near(&gradient, &vectors, "spectral.dweight_orig1", 1e-5);
    let state = by_key(network.state());
    for vector in ["u", "v"] {
        let ours = &state[&format!("conv.2.weight_{vector}")];
        assert_near(ours, &vectors, &format!("spectral.{vector}1"), 3e-6);
    }
    let again = |pass| host(convolve(&weights, &pass, layer, x.clone()));
    assert_near(&again(network.next_pass()), &vectors, "spectral.out2", 1e-5);
    assert_near(
        &again(network.same_pass()),
        &vectors,
        "spectral.out_eval",
        1e-5,
    );
}

#[test]
fn a_step_judges_learns_and_iterates_as_the_official_one() {
    let (Some(tensors), Some(vectors), Some(figures), Some(inputs), Some(step)) = (
        vectors::discriminator(),
        vectors("discriminator_step"),
        figures("discriminator_step"),
        vectors("generator_inputs"),
        vectors("generator_step"),
    ) else {
        return;
    };
    let device = device();
    let initial = by_key(tensors.clone());
    let mut network = Discriminator::new(tensors, &device);
    for (key, buffer) in &initial {
        if discriminator::is_buffer(key) {
            assert_near(buffer, &vectors, &format!("initial.{key}"), 1e-7);
        }
    }
    let assert_norms = |norms: Vec<f32>, step: &str, pass: &str, tolerance: f64| {
        let official = figures["sigma"][step][pass].as_array().expect("norms");
        assert_eq!(norms.len(), official.len());
        for (norm, official) in norms.iter().zip(official) {
            let official = official.as_f64().expect("a norm");
            assert_figure(f64::from(*norm), official, 0.0, tolerance, pass);
        }
    };

    let clip = |video: Tensor<5>| video.narrow(0, 0, 1);
    let truth = clip(frames(&inputs, &device));
    let holes = clip(inputs.tensor("masks", &device));
    let predicted = step.tensor::<5>("pred", &device).require_grad();
    let composed = loss::compose(predicted.clone(), truth.clone(), holes.clone());

    // The generator's part: the discriminator is a constant, and does not learn from it.
    let constants = network.parameters().record(|_| false);
    let pass = network.next_pass();
    assert_norms(
        pass.norms(network.parameters()),
        "step1",
        "of_composed_for_generator",
        1e-5,
    );
    let leaf = composed.clone().detach().require_grad();
    let judged = judge(&constants, &pass, leaf.clone());
    assert_near(&host(judged.clone()), &vectors, "gen_clip", 3e-5);
    let mut tape = loss::adversarial(judged).backward();
    let gradient = host(leaf.grad_remove(&mut tape).expect("a gradient"));
    assert_near(&gradient, &vectors, "dgan_dcomposed", 3e-5);
    assert_eq!(constants.gradients(&mut tape).iter().len(), 0);

    let judged = judge(&constants, &pass, composed.clone());
    let generator = GeneratorLoss::new(predicted.clone(), truth.clone(), holes, judged);
    let official = &self::figures("generator_step").expect("beside the others")["losses"]["step1"];
    let values = generator.values();
    for (value, name, floor) in [
        (values.hole, "hole", 0.0),
        (values.rest, "valid", 0.0),
        (values.adversarial, "gan_weighted", 0.01),
        (values.total, "total", 0.0),
    ] {
        let official = official[name].as_f64().expect("a loss");
        assert_figure(f64::from(value), official, floor, 1e-5, name);
    }
    let mut tape = generator.total().backward();
    let gradient = host(predicted.grad_remove(&mut tape).expect("a gradient"));
    assert_near(&gradient, &step, "dtotal_dpred", 1e-5);

    // Its own part.
    let weights = network.parameters().record(|_| true);
    let pass = network.next_pass();
    assert_norms(pass.norms(network.parameters()), "step1", "of_real", 1e-5);
    let real = judge(&weights, &pass, truth);
    let pass = network.next_pass();
    assert_norms(
        pass.norms(network.parameters()),
        "step1",
        "of_composed",
        1e-5,
    );
    let fake = judge(&weights, &pass, composed.detach());
    assert_near(&host(real.clone()), &vectors, "real_clip", 3e-5);
    assert_near(&host(fake.clone()), &vectors, "fake_clip", 3e-5);
    let loss = DiscriminatorLoss::new(real, fake);
    let official = &figures["losses"]["step1"];
    for (value, name) in loss.values().into_iter().zip(["real", "fake", "total"]) {
        let official = official[name].as_f64().expect("a loss");
        assert_figure(f64::from(value), official, 0.01, 1e-5, name);
    }
    let gradients = weights.gradients(&mut loss.total().backward());
    let mut adam = Adam::new(AdamSettings::default());
    let rate = MultiStep::generator().rate(0);
    adam.step(network.parameters_mut(), &gradients, rate);

    let after = by_key(network.state());
    for (key, gradient) in gradients.iter() {
        let parameter = &figures["params"][key];
        let gradient = host(gradient.clone());
        let official = parameter["grad_l2"].as_f64().expect("a norm");
        assert_figure(
            norm(&gradient),
            official,
            0.0,
            5e-5,
            &format!("grad_l2 {key}"),
        );
        let gradient = sliced(&gradient, parameter, "row_step");
        assert_near(&gradient, &vectors, &format!("grad.{key}"), 5e-5);
        let after = sliced(&after[key], parameter, "row_step");
        let name = format!("after1.{key}");
        assert_steps(&after, &vectors.floats(&name), rate, 0.01, &name);
    }
    assert_eq!(gradients.iter().len(), 7);
    for (key, buffer) in &after {
        if discriminator::is_buffer(key) {
            assert_near(buffer, &vectors, &format!("buffer_after1.{key}"), 3e-6);
        }
    }
    // The next step begins with the weights that were learnt.
    let pass = network.next_pass();
    assert_norms(
        pass.norms(network.parameters()),
        "step2",
        "of_composed_for_generator",
        1e-4,
    );
}

/// Convolutions have the type of the clips; parameters, their norms and their gradients stay in 32 bits.
#[test]
fn sixteen_bits_judge_and_learn_nearly_the_same() {
    let (Some(tensors), Some(step)) = (vectors::discriminator(), vectors("generator_step")) else {
        return;
    };
    let device = device();
    let mut network = Discriminator::new(tensors, &device);
    // The first norms are far too small, as u and v begin at random: fp16 would overflow.
    let pass = network.next_pass();
    let run = |numbers: DType| {
        let clips = step.tensor::<5>("pred", &device).cast(numbers);
        let weights = network.parameters().record(|_| true);
        let out = judge(&weights, &pass, clips).cast(DType::F32);
        let mut tape = DiscriminatorLoss::new(out.clone(), out.clone())
            .total()
            .backward();
        let gradients = weights.gradients(&mut tape);
        let gradients = gradients
            .iter()
            .flat_map(|(_, gradient)| host(gradient.clone()));
        (host(out), gradients.collect::<Vec<_>>())
    };
    let (out, gradients) = run(DType::F32);
    // Six layers there and back, each rounding to 2⁻⁹ or 2⁻¹².
    for (numbers, near, near_gradients) in [(DType::BF16, 0.02, 0.1), (DType::F16, 0.003, 0.02)] {
        let (judged, learnt) = run(numbers);
        let errors = [relative(&judged, &out), relative(&learnt, &gradients)];
        println!("{numbers:?}: {errors:?}");
        assert!(
            errors[0] > 0.0 && errors[0] < near,
            "{numbers:?}: {errors:?}"
        );
        assert!(errors[1] < near_gradients, "{numbers:?}: {errors:?}");
    }
}

#[test]
fn a_state_dict_comes_back_as_it_was_given() {
    let Some(tensors) = vectors::discriminator() else {
        return;
    };
    assert_eq!(tensors.len(), 17);
    let network = Discriminator::new(tensors.clone(), &device());
    assert_eq!(network.state(), tensors);
    let parameters = network.parameters().iter();
    let elements = parameters.map(|parameter| parameter.shape.iter().product::<usize>());
    assert_eq!(elements.sum::<usize>(), 4_461_728);
}

#[test]
fn random_weights_have_the_official_distribution() {
    let network = Discriminator::init(&mut random(&[3]), &device());
    for (key, tensor) in network.state() {
        let mean = tensor.data.iter().sum::<f32>() / tensor.data.len() as f32;
        let deviation = norm(&tensor.data) / (tensor.data.len() as f64).sqrt();
        match key.as_str() {
            "conv.10.bias" => assert!(tensor.data.iter().all(|&bias| bias == 0.0)),
            key if discriminator::is_buffer(key) => {
                assert!((norm(&tensor.data) - 1.0).abs() < 1e-5, "{key}");
            }
            _ => assert!(
                mean.abs() < 1e-3 && (deviation / 0.02 - 1.0).abs() < 0.05,
                "{key}"
            ),
        }
    }
    let again = Discriminator::init(&mut random(&[3]), &device());
    assert_eq!(again.state(), network.state());
}
