//! Initial weights have the official distributions, and a seed makes them.

use propainter::weights::Network;
use propainter_training::networks::initial;

use super::{device, values};
use crate::vectors::figures;

#[test]
fn parameters_are_in_the_order_of_the_state_dict() {
    let name = |network| match network {
        Network::Generator => "generator_step",
        _ => "flow_completion_step",
    };
    for network in [Network::FlowCompletion, Network::Generator] {
        let Some(figures) = figures(name(network)) else {
            continue;
        };
        let shapes = figures["params"].as_object().expect("an object");
        let parameters = initial(network, 1, &device());
        assert_eq!(parameters.iter().len(), shapes.len());
        for parameter in parameters.iter() {
            let shape: Vec<usize> =
                serde_json::from_value(shapes[&parameter.key]["shape"].clone()).expect("a shape");
            assert_eq!(parameter.shape, shape, "{}", parameter.key);
        }
    }
}

#[test]
fn initial_weights_have_the_official_distributions() {
    for network in [Network::FlowCompletion, Network::Generator] {
        let parameters = initial(network, 5, &device());
        let again = initial(network, 5, &device());
        let other = initial(network, 6, &device());
        let mut differ = 0;
        for (a, (b, c)) in parameters.iter().zip(again.iter().zip(other.iter())) {
            let [a_values, b, c] = [a, b, c].map(|parameter| values(parameter.values.clone()));
            assert_eq!(a_values, b);
            differ += usize::from(a_values != c);
            let (key, count) = (a.key.as_str(), a_values.len() as f64);
            let square = a_values.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>() / count;
            let most = a_values.iter().fold(0.0f32, |most, v| most.max(v.abs()));
            let fan_in: usize = a.shape[1..].iter().product();
            let deformable = key.contains("deform_align.") && !key.contains("conv_offset");
            let (expected, bound) = match network {
                _ if key.contains(".norm") => (f64::from(key.ends_with("weight")), 1.0),
                _ if deformable && key.ends_with("bias") => (0.0, 0.0),
                _ if deformable => (
                    1.0 / (3.0 * fan_in as f64).sqrt(),
                    (fan_in as f64).powf(-0.5),
                ),
                Network::Generator if key.ends_with("bias") => (0.0, 0.0),
                Network::Generator => (0.02, 0.2),
                _ if key.contains("conv_offset.6") => (0.0, 0.0),
                _ if key.ends_with("bias") => continue,
                _ => (
                    1.0 / (3.0 * fan_in as f64).sqrt(),
                    (fan_in as f64).powf(-0.5),
                ),
            };
            let near = expected * 5.0 / count.sqrt();
            assert!(
                (square.sqrt() - expected).abs() <= near,
                "{key}: {}",
                square.sqrt()
            );
            assert!(f64::from(most) <= bound * 1.000_001, "{key}: {most}");
        }
        assert!(differ > 20, "another seed changes {differ} parameters");
    }
}
