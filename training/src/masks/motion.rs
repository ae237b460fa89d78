//! How holes move.

use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};

use crate::random::Random;

/// The standard deviation of a change of speed, and of a speed after a turn, in pixels a frame.
const SPEED: f64 = 1.5;
/// The standard deviation of a change of the angle.
const ANGLE: f64 = 0.25;

/// Returns the row and column of a hole in each frame, by the official rule: half of the holes stand
/// still, the others wander within `ranges` of rows and columns, both from 0.
pub(super) fn wander(random: &mut Random, ranges: [i64; 2], frames: usize) -> Vec<[i64; 2]> {
    let mut place = ranges.map(|range| random.random_range(0..=range));
    let mut speed = 3.0 - 2.0 * random.random::<f64>();
    let mut angle = turn(random);
    let moves = random.random::<bool>();
    let mut places = vec![place];
    for _ in 1..frames {
        if moves {
            let step = [speed * angle.cos(), speed * angle.sin()];
            let next = [0, 1].map(|axis| place[axis] + step[axis] as i64);
            speed += normal(random) * SPEED;
            angle += normal(random) * ANGLE;
            place = [0, 1].map(|axis| next[axis].clamp(0, ranges[axis]));
            if place != next {
                speed = (normal(random) * SPEED).abs();
                angle = turn(random);
            }
        }
        places.push(place);
    }
    places
}

fn turn(random: &mut Random) -> f64 {
    random.random::<f64>() * std::f64::consts::TAU
}

fn normal(random: &mut Random) -> f64 {
    StandardNormal.sample(random)
}
