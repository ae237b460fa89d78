//! The gradient of a picture.

/// The weights of the blur: a Gaussian of standard deviation 2 over five pixels.
fn blur_weights() -> [f32; 5] {
    let weights = [-2.0, -1.0, 0.0, 1.0, 2.0f32].map(|x| (-x * x / 8.0).exp());
    let sum: f32 = weights.iter().sum();
    weights.map(|weight| weight / sum)
}

/// Blurs a picture and returns the length and the direction of its gradient at each pixel. Directions
/// are multiples of 45° from −4 to 4: 0 to the right, 2 down.
pub fn gradient(picture: &[f32], width: usize, height: usize) -> (Vec<f32>, Vec<i8>) {
    let blurred = blur(picture, width, height);
    let at = |x: isize, y: isize| {
        let (x, y) = (
            x.clamp(0, width as isize - 1),
            y.clamp(0, height as isize - 1),
        );
        blurred[y as usize * width + x as usize]
    };
    let mut lengths = Vec::with_capacity(picture.len());
    let mut angles = Vec::with_capacity(picture.len());
    for y in 0..height as isize {
        for x in 0..width as isize {
            let difference =
                |across: &dyn Fn(isize) -> f32| across(-1) + 2.0 * across(0) + across(1);
            let gx = difference(&|i| at(x + 1, y + i) - at(x - 1, y + i));
            let gy = difference(&|i| at(x + i, y + 1) - at(x + i, y - 1));
            lengths.push((gx * gx + gy * gy + 1e-6).sqrt());
            let eighths = gy.atan2(gx).to_degrees() / 45.0;
            angles.push(eighths.round_ties_even() as i8);
        }
    }
    (lengths, angles)
}

/// Blurs along rows, then along columns. The picture is reflected at its borders, whose pixels are
/// not repeated.
fn blur(picture: &[f32], width: usize, height: usize) -> Vec<f32> {
    let weights = blur_weights();
    let reflect = |at: isize, len: usize| {
        let last = len as isize - 1;
        let at = at.abs();
        (if at > last { 2 * last - at } else { at }).clamp(0, last) as usize
    };
    let sum = |sample: &dyn Fn(isize) -> f32| {
        let terms = weights
            .iter()
            .zip(-2..)
            .map(|(weight, i)| weight * sample(i));
        terms.sum::<f32>()
    };
    let mut rows = Vec::with_capacity(picture.len());
    for row in picture.chunks_exact(width) {
        let blurred = |x| sum(&|i| row[reflect(x as isize + i, width)]);
        rows.extend((0..width).map(blurred));
    }
    let mut blurred = Vec::with_capacity(picture.len());
    for y in 0..height {
        let column = |x| sum(&|i| rows[reflect(y as isize + i, height) * width + x]);
        blurred.extend((0..width).map(column));
    }
    blurred
}
