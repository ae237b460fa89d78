//! Patches of 8×8 pixels and where they are found again: inverse search with means removed
//! (Kroeger et al. 2016, "Fast Optical Flow using Dense Inverse Search"), over known pixels only.

use super::plane::{Level, MARGIN};

/// Side of a patch in pixels.
pub const SIDE: usize = 8;
/// Patches with fewer known pixels say nothing.
pub const LEAST: f32 = 20.0;

type Pixels = [[f32; SIDE]; SIDE];

/// A patch to be found: luma, its gradient, and 1 where all of it is known.
pub struct Template {
    value: Pixels,
    dx: Pixels,
    dy: Pixels,
    weight: Pixels,
    /// Number of known pixels.
    pub count: f32,
    /// Variance of the known pixels.
    pub variance: f32,
}

impl Template {
    /// The patch whose upper left pixel is (x, y), at most `MARGIN − 1` beyond the picture.
    pub fn new(level: &Level, x: isize, y: isize) -> Self {
        let mut out = Self {
            value: [[0.0; SIDE]; SIDE],
            dx: [[0.0; SIDE]; SIDE],
            dy: [[0.0; SIDE]; SIDE],
            weight: [[0.0; SIDE]; SIDE],
            count: 0.0,
            variance: 0.0,
        };
        let stride = level.stride;
        let first = level.offset(x - 1, y - 1);
        let rows = |plane: &'_ [u8], row: usize| -> [u8; SIDE + 2] {
            let start = first + row * stride;
            let mut bytes = [0; SIDE + 2];
            bytes.copy_from_slice(&plane[start..start + SIDE + 2]);
            bytes
        };
        let mut luma = [rows(&level.luma, 0), rows(&level.luma, 1)];
        let mut valid = [rows(&level.valid, 0), rows(&level.valid, 1)];
        for row in 0..SIDE {
            let (below, known) = (rows(&level.luma, row + 2), rows(&level.valid, row + 2));
            for c in 0..SIDE {
                let at = |byte: u8| f32::from(byte);
                out.value[row][c] = at(luma[1][c + 1]);
                out.dx[row][c] = 0.5 * (at(luma[1][c + 2]) - at(luma[1][c]));
                out.dy[row][c] = 0.5 * (at(below[c + 1]) - at(luma[0][c + 1]));
                let all = valid[1][c] & valid[1][c + 1] & valid[1][c + 2];
                out.weight[row][c] = at(all & valid[0][c + 1] & known[c + 1]);
            }
            out.count += out.weight[row].iter().sum::<f32>();
            luma = [luma[1], below];
            valid = [valid[1], known];
        }
        let (mut sum, mut squares) = (0.0, 0.0);
        for (w, v) in out.weight.iter().flatten().zip(out.value.iter().flatten()) {
            sum += w * v;
            squares += w * v * v;
        }
        if out.count > 0.0 {
            let mean = sum / out.count;
            out.variance = (squares / out.count - mean * mean).max(0.0);
        }
        out
    }
}

/// How a template compares with a place of the other picture.
#[derive(Clone, Copy, Default)]
pub struct Match {
    /// Upper left corner of the place.
    pub x: f32,
    pub y: f32,
    /// Pixels known on both sides; the rest means nothing under [`LEAST`].
    pub count: f32,
    /// Mean squared difference once the means are removed.
    pub residual: f32,
    /// Mean of template − place.
    pub offset: f32,
    /// Smaller eigenvalue of the gradients' matrix, over all pixels.
    pub corner: f32,
}

/// What pulls a search towards a position: `weight` is in units of squared luma.
#[derive(Clone, Copy)]
pub struct Prior {
    pub x: f32,
    pub y: f32,
    pub weight: f32,
}

/// Compares without moving.
pub fn compare(template: &Template, target: &Level, x: f32, y: f32) -> Match {
    let (x, y) = clamp(target, x, y);
    dispatch(template, target, x, y).to_match(x, y)
}

/// Gauss–Newton steps from (x, y), `steps` at most; the match is the last place looked at.
pub fn search(
    template: &Template,
    target: &Level,
    (x, y): (f32, f32),
    prior: Prior,
    steps: usize,
) -> Match {
    let (mut x, mut y) = clamp(target, x, y);
    let start = (x, y);
    let mut sums = dispatch(template, target, x, y);
    let mut best = sums.to_match(x, y);
    for _ in 0..steps {
        if sums.count < LEAST {
            break;
        }
        let (dx, dy) = sums.step(prior, x, y);
        (x, y) = clamp(target, x + dx, y + dy);
        // A patch that runs away was not found.
        if (x - start.0).abs().max((y - start.1).abs()) > SIDE as f32 {
            break;
        }
        sums = dispatch(template, target, x, y);
        let here = sums.to_match(x, y);
        if here.count < LEAST || here.residual > 1.05 * best.residual + 0.01 {
            break;
        }
        best = here;
        if dx.abs().max(dy.abs()) < 0.02 {
            break;
        }
    }
    best
}

/// Keeps all pixels that interpolation touches inside the margin.
fn clamp(level: &Level, x: f32, y: f32) -> (f32, f32) {
    let least = -(MARGIN as f32);
    let most = |side: usize| (side + MARGIN - SIDE - 2) as f32;
    (
        x.max(least).min(most(level.width)),
        y.max(least).min(most(level.height)),
    )
}

#[derive(Clone, Copy, Default)]
struct Sums {
    count: f32,
    d: f32,
    dd: f32,
    x: f32,
    y: f32,
    xx: f32,
    xy: f32,
    yy: f32,
    xd: f32,
    yd: f32,
}

impl Sums {
    /// The matrix (xx, xy, yy) of gradients with their means removed.
    fn matrix(&self) -> (f32, f32, f32) {
        let share = 1.0 / self.count;
        (
            self.xx - self.x * self.x * share,
            self.xy - self.x * self.y * share,
            self.yy - self.y * self.y * share,
        )
    }

    fn to_match(self, x: f32, y: f32) -> Match {
        if self.count < LEAST {
            return Match {
                x,
                y,
                residual: f32::MAX,
                ..Match::default()
            };
        }
        let share = 1.0 / self.count;
        let (xx, xy, yy) = self.matrix();
        let half = 0.5 * (xx - yy);
        Match {
            x,
            y,
            count: self.count,
            residual: (self.dd - self.d * self.d * share).max(0.0) * share,
            offset: -self.d * share,
            corner: (0.5 * (xx + yy) - (half * half + xy * xy).sqrt()).max(0.0),
        }
    }

    fn step(&self, prior: Prior, x: f32, y: f32) -> (f32, f32) {
        let share = 1.0 / self.count;
        let (xx, xy, yy) = self.matrix();
        // One unit keeps flat patches solvable.
        let (xx, yy) = (xx + prior.weight + 1.0, yy + prior.weight + 1.0);
        let bx = prior.weight * (prior.x - x) - (self.xd - self.x * self.d * share);
        let by = prior.weight * (prior.y - y) - (self.yd - self.y * self.d * share);
        let inverse = 1.0 / (xx * yy - xy * xy);
        let limit = |t: f32| t.clamp(-3.0, 3.0);
        (
            limit((yy * bx - xy * by) * inverse),
            limit((xx * by - xy * bx) * inverse),
        )
    }
}

fn dispatch(template: &Template, target: &Level, x: f32, y: f32) -> Sums {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has AVX2, which is all that the function asks for.
        #[expect(unsafe_code, reason = "one kernel compiled for wider registers")]
        return unsafe { sums_avx2(template, target, x, y) };
    }
    sums(template, target, x, y)
}

/// [`sums`] compiled for 8 lanes: the same operations in the same order, so the same bits.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn sums_avx2(template: &Template, target: &Level, x: f32, y: f32) -> Sums {
    sums(template, target, x, y)
}

/// Sums over the pixels known on both sides; d is place − template.
#[inline(always)]
fn sums(template: &Template, target: &Level, x: f32, y: f32) -> Sums {
    let (x0, y0) = (floor(x), floor(y));
    let (u, v) = (x - x0 as f32, y - y0 as f32);
    let start = target.offset(x0, y0);
    let stride = target.stride;
    let luma = &target.luma[start..start + SIDE * stride + SIDE + 1];
    let valid = &target.valid[start..start + SIDE * stride + SIDE + 1];
    let mut lanes = [[0.0f32; SIDE]; 10];
    let mut above = across(luma, valid, 0, stride, u);
    for row in 0..SIDE {
        let below = across(luma, valid, row + 1, stride, u);
        let (value, weight) = (&template.value[row], &template.weight[row]);
        let (dx, dy) = (&template.dx[row], &template.dy[row]);
        for c in 0..SIDE {
            let w = weight[c] * f32::from(above.1[c] & below.1[c]);
            let d = above.0[c] + v * (below.0[c] - above.0[c]) - value[c];
            let (wd, wx, wy) = (w * d, w * dx[c], w * dy[c]);
            lanes[0][c] += w;
            lanes[1][c] += wd;
            lanes[2][c] += wd * d;
            lanes[3][c] += wx;
            lanes[4][c] += wy;
            lanes[5][c] += wx * dx[c];
            lanes[6][c] += wx * dy[c];
            lanes[7][c] += wy * dy[c];
            lanes[8][c] += wx * d;
            lanes[9][c] += wy * d;
        }
        above = below;
    }
    let [count, d, dd, x, y, xx, xy, yy, xd, yd] = lanes.map(|lane| lane.iter().sum());
    Sums {
        count,
        d,
        dd,
        x,
        y,
        xx,
        xy,
        yy,
        xd,
        yd,
    }
}

/// A row interpolated across, and where both pixels are known.
#[inline(always)]
fn across(
    luma: &[u8],
    valid: &[u8],
    row: usize,
    stride: usize,
    u: f32,
) -> ([f32; SIDE], [u8; SIDE]) {
    let luma = &luma[row * stride..row * stride + SIDE + 1];
    let valid = &valid[row * stride..row * stride + SIDE + 1];
    let (mut line, mut known) = ([0.0f32; SIDE], [0u8; SIDE]);
    for c in 0..SIDE {
        let (a, b) = (f32::from(luma[c]), f32::from(luma[c + 1]));
        line[c] = a + u * (b - a);
        known[c] = valid[c] & valid[c + 1];
    }
    (line, known)
}

/// `f32::floor` without a call, for what fits an integer.
#[inline(always)]
pub fn floor(x: f32) -> isize {
    let whole = x as isize;
    whole - isize::from(x < whole as f32)
}
