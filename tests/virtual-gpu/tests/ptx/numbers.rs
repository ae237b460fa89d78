//! Floating point: rounding of every format, limits, NaN, approximations.

use half::{bf16, f16};

use super::one;

fn f(x: f32) -> u32 {
    x.to_bits()
}

#[test]
fn sums_and_products_round_once() {
    let body = "mov.b32 %f1, %r10; mov.b32 %f2, %r11; mov.b32 %f3, %r12;
        add.rn.f32 %f4, %f1, %f2; mov.b32 %r20, %f4; mul.rn.f32 %f5, %f1, %f2; mov.b32 %r21, %f5;
        fma.rn.f32 %f6, %f1, %f2, %f3; mov.b32 %r22, %f6; div.rn.f32 %f7, %f1, %f2; mov.b32 %r23, %f7;";
    for [a, b, c] in [
        [1.1f32, 3.3, -3.63],
        [1e30, 1e-30, 7.0],
        [1e38, 10.0, 0.0],
        [1e-40, 2.0, 1.0],
    ] {
        let expected = [f(a + b), f(a * b), f(a.mul_add(b, c)), f(a / b)];
        assert_eq!(one(body, [f(a), f(b), f(c), 0]), expected, "{a} {b} {c}");
    }
}

#[test]
fn directed_rounding_goes_down_up_and_to_zero() {
    let body = "mov.b32 %f1, %r10; mov.b32 %f2, %r11;
        add.rm.f32 %f4, %f1, %f2; mov.b32 %r20, %f4; add.rp.f32 %f5, %f1, %f2; mov.b32 %r21, %f5;
        add.rz.f32 %f6, %f1, %f2; mov.b32 %r22, %f6; mov.b32 %f3, 0f3F800000;
        fma.rm.f32 %f7, %f1, %f3, %f2; mov.b32 %r23, %f7;";
    let tiny = f(1e-20);
    let below = f(1.0) - 1;
    assert_eq!(
        one(body, [f(1.0), tiny, 0, 0]),
        [f(1.0), f(1.0) + 1, f(1.0), f(1.0)]
    );
    assert_eq!(
        one(body, [f(1.0), tiny | 1 << 31, 0, 0]),
        [below, f(1.0), below, below]
    );
    let minus = f(-1.0);
    assert_eq!(
        one(body, [minus, tiny, 0, 0]),
        [minus, minus - 1, minus - 1, minus]
    );
}

#[test]
fn smallest_and_largest_leave_a_nan_out() {
    let body = "mov.b32 %f1, %r10; mov.b32 %f2, %r11;
        min.f32 %f3, %f1, %f2; mov.b32 %r20, %f3; max.f32 %f3, %f1, %f2; mov.b32 %r21, %f3;
        max.NaN.f32 %f3, %f1, %f2; mov.b32 %r22, %f3; add.sat.f32 %f3, %f1, %f2; mov.b32 %r23, %f3;";
    let nan = f(f32::NAN);
    assert_eq!(
        one(body, [nan, f(2.0), 0, 0]),
        [f(2.0), f(2.0), 0x7fff_ffff, 0]
    );
    assert_eq!(
        one(body, [f(0.0), f(-0.0), 0, 0]),
        [f(-0.0), f(0.0), f(0.0), 0]
    );
    assert_eq!(one(body, [f(-3.0), f(5.0), 0, 0])[3], f(1.0));
}

#[test]
fn conversions_to_integers_saturate() {
    let body = "mov.b32 %f1, %r10; cvt.rzi.s32.f32 %r20, %f1; cvt.rni.u32.f32 %r21, %f1;
        cvt.rmi.s16.f32 %rs1, %f1; cvt.u32.u16 %r22, %rs1;
        cvt.rpi.s64.f32 %rd10, %f1; cvt.u32.u64 %r23, %rd10;";
    let at = |x: f32| one(body, [f(x), 0, 0, 0]);
    assert_eq!(at(2.5), [2, 2, 2, 3]);
    assert_eq!(at(3.5), [3, 4, 3, 4]);
    assert_eq!(at(-1.5), [u32::MAX, 0, 0xfffe, u32::MAX]);
    assert_eq!(at(1e20), [i32::MAX as u32, u32::MAX, 0x7fff, u32::MAX]);
    assert_eq!(at(-1e20), [1 << 31, 0, 0x8000, 0]);
    assert_eq!(at(f32::NAN), [0; 4]);
}

#[test]
fn whole_numbers_are_rounded_as_asked() {
    let body = "mov.b32 %f1, %r10; cvt.rni.f32.f32 %f2, %f1; mov.b32 %r20, %f2;
        cvt.rmi.f32.f32 %f2, %f1; mov.b32 %r21, %f2; cvt.rn.f32.s32 %f2, %r11; mov.b32 %r22, %f2;
        cvt.rn.f32.u32 %f2, %r11; mov.b32 %r23, %f2;";
    let expected = [
        f(-2.0),
        f(-3.0),
        f(-16_777_217i32 as f32),
        f(4_278_190_079u32 as f32),
    ];
    assert_eq!(
        one(body, [f(-2.5), (-16_777_217i32) as u32, 0, 0]),
        expected
    );
}

#[test]
fn halves_round_to_nearest_even() {
    let body = "mov.b32 %f1, %r10; cvt.rn.f16.f32 %rs1, %f1; cvt.u32.u16 %r20, %rs1;
        cvt.rn.bf16.f32 %rs2, %f1; cvt.u32.u16 %r21, %rs2;
        cvt.f32.f16 %f2, %rs1; mov.b32 %r22, %f2; cvt.rna.tf32.f32 %r23, %f1;";
    let ties = [
        1.0 + 1.0 / 2048.0,
        1.0 + 3.0 / 2048.0,
        1.0 + 1.0 / 256.0,
        1.0 + 3.0 / 256.0,
    ];
    let edges = [
        65504.0,
        65519.9,
        65520.0,
        1e-8,
        5.96e-8,
        6.1e-5,
        1e30,
        f32::INFINITY,
        0.1,
    ];
    for x in ties.into_iter().chain(edges).flat_map(|x| [x, -x]) {
        let half = f16::from_f32(x);
        let out = one(body, [f(x), 0, 0, 0]);
        assert_eq!(out[0], u32::from(half.to_bits()), "{x}");
        assert_eq!(out[1], u32::from(bf16::from_f32(x).to_bits()), "{x}");
        assert_eq!(out[2], f(half.to_f32()), "{x}");
        let rounded = if x.is_infinite() {
            f(x)
        } else {
            (f(x) + 0x1000) & !0x1fff
        };
        assert_eq!(out[3], rounded, "{x}");
    }
}

#[test]
fn packed_halves_are_computed_apart() {
    let body = "mov.b32 %f1, %r10; mov.b32 %f2, %r11; cvt.rn.f16x2.f32 %r20, %f1, %f2;
        add.rn.f16x2 %r21, %r20, %r20; fma.rn.f16x2 %r22, %r20, %r20, %r20; neg.f16x2 %r23, %r20;";
    let [a, b] = [1.2345f32, -77.7];
    let pair = |high: f32, low: f32| {
        let [high, low] = [high, low].map(|x| u32::from(f16::from_f32(x).to_bits()));
        high << 16 | low
    };
    let [ra, rb] = [a, b].map(|x| f16::from_f32(x).to_f32());
    let expected = [
        pair(a, b),
        pair(ra + ra, rb + rb),
        pair(ra * ra + ra, rb * rb + rb),
        pair(-a, -b),
    ];
    assert_eq!(one(body, [f(a), f(b), 0, 0]), expected);
    let body = body.replace("f16x2", "bf16x2");
    let pair = |high: f32, low: f32| {
        let [high, low] = [high, low].map(|x| u32::from(bf16::from_f32(x).to_bits()));
        high << 16 | low
    };
    let [ra, rb] = [a, b].map(|x| bf16::from_f32(x).to_f32());
    let expected = [
        pair(a, b),
        pair(ra + ra, rb + rb),
        pair(ra * ra + ra, rb * rb + rb),
        pair(-a, -b),
    ];
    assert_eq!(one(&body, [f(a), f(b), 0, 0]), expected);
}

#[test]
fn a_fused_half_is_rounded_once() {
    // The product lies half way between two halves; the third number decides, however small.
    let body = "cvt.u16.u32 %rs1, %r10; cvt.u16.u32 %rs2, %r11; cvt.u16.u32 %rs3, %r12;
        fma.rn.f16 %rs4, %rs1, %rs2, %rs3; cvt.u32.u16 %r20, %rs4;
        fma.rn.bf16 %rs4, %rs1, %rs2, %rs3; cvt.u32.u16 %r21, %rs4;
        mov.u32 %r22, 0; mov.u32 %r23, 0;";
    let bits = |x: f32| u32::from(f16::from_f32(x).to_bits());
    let [a, b] = [1.0 + 1.0 / 32.0, 1.0 + 1.0 / 64.0];
    let middle = f16::from_f32(a * b).to_bits();
    assert_eq!(a * b, f16::from_bits(middle).to_f32() + 1.0 / 2048.0);
    for (c, expected) in [(6e-8, middle + 1), (-6e-8, middle), (0.0, middle)] {
        assert_eq!(
            one(body, [bits(a), bits(b), bits(c), 0])[0],
            u32::from(expected),
            "{c}"
        );
    }
    let bits = |x: f32| u32::from(bf16::from_f32(x).to_bits());
    let [a, b] = [1.0 + 1.0 / 8.0, 1.0 + 1.0 / 16.0];
    let middle = bf16::from_f32(a * b - 1.0 / 256.0).to_bits();
    for (c, expected) in [(1e-38, middle + 1), (-1e-38, middle)] {
        let out = one(body, [bits(a), bits(b), bits(c), 0])[1];
        let exact = a * b - bf16::from_bits(middle).to_f32();
        if exact == 1.0 / 256.0 {
            assert_eq!(out, u32::from(expected), "{c}");
        }
    }
}

#[test]
fn approximations_are_near() {
    let body = "mov.b32 %f1, %r10; ex2.approx.f32 %f2, %f1; mov.b32 %r20, %f2;
        abs.f32 %f3, %f1; lg2.approx.f32 %f2, %f3; mov.b32 %r21, %f2;
        sin.approx.f32 %f2, %f1; mov.b32 %r22, %f2; tanh.approx.f32 %f2, %f1; mov.b32 %r23, %f2;";
    for x in [0.3f32, -0.3, 1.7, -5.5, 12.25, -30.0, 1e-3, 100.0] {
        let out = one(body, [f(x), 0, 0, 0]).map(f32::from_bits);
        let expected = [x.exp2(), x.abs().log2(), x.sin(), x.tanh()];
        for (value, expected) in out.iter().zip(expected) {
            assert!(
                (value - expected).abs() <= 2e-7 * expected.abs(),
                "{x}: {value} {expected}"
            );
        }
    }
    let body = "mov.b32 %f1, %r10; cos.approx.f32 %f2, %f1; mov.b32 %r20, %f2;
        rsqrt.approx.f32 %f2, %f1; mov.b32 %r21, %f2; rcp.rn.f32 %f2, %f1; mov.b32 %r22, %f2;
        sqrt.rn.f32 %f2, %f1; mov.b32 %r23, %f2;";
    for x in [0.3f32, 1.7, 12.25, 1e-3] {
        let out = one(body, [f(x), 0, 0, 0]).map(f32::from_bits);
        assert_eq!(out[2..], [1.0 / x, x.sqrt()]);
        assert!(
            (out[0] - x.cos()).abs() < 1e-7 && (out[1] * x.sqrt() - 1.0).abs() < 2e-7,
            "{x}"
        );
    }
}

#[test]
fn subnormals_are_flushed_where_asked() {
    let body = "mov.b32 %f1, %r10; mov.b32 %f2, 0f3F800000; mul.ftz.f32 %f3, %f1, %f2;
        mov.b32 %r20, %f3; mul.f32 %f3, %f1, %f2; mov.b32 %r21, %f3; mov.u32 %r22, 0; mov.u32 %r23, 0;";
    let tiny = f(-1e-40);
    assert_eq!(one(body, [tiny, 0, 0, 0])[..2], [1 << 31, tiny]);
}

#[test]
fn comparisons_know_a_nan() {
    let body = "mov.b32 %f1, %r10; mov.b32 %f2, %r11;
        setp.lt.f32 %p1, %f1, %f2; selp.b32 %r20, 1, 0, %p1;
        setp.geu.f32 %p1, %f1, %f2; selp.b32 %r21, 1, 0, %p1;
        setp.neu.f32 %p1, %f1, %f2; selp.b32 %r22, 1, 0, %p1;
        setp.ne.f32 %p1, %f1, %f2; selp.b32 %r23, 1, 0, %p1;";
    assert_eq!(one(body, [f(1.0), f(2.0), 0, 0]), [1, 0, 1, 1]);
    assert_eq!(one(body, [f(f32::NAN), f(2.0), 0, 0]), [0, 1, 1, 0]);
}

#[test]
fn double_precision() {
    let body = "cvt.rn.f64.s32 %fd1, %r10; mov.f64 %fd2, 0d400921FB54442D18;
        fma.rn.f64 %fd3, %fd1, %fd2, %fd2; mov.b64 {%r20, %r21}, %fd3;
        cvt.rn.f32.f64 %f1, %fd3; mov.b32 %r22, %f1; cvt.rzi.s32.f64 %r23, %fd3;";
    let x = 5f64.mul_add(std::f64::consts::PI, std::f64::consts::PI);
    let bits = x.to_bits();
    let expected = [
        bits as u32,
        (bits >> 32) as u32,
        f(x as f32),
        x as i32 as u32,
    ];
    assert_eq!(one(body, [5, 0, 0, 0]), expected);
}
