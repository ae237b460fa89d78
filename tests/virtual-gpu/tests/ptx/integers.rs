//! Integers: overflow, shifts beyond the width, fields, high halves.

use super::{module, one};

#[test]
fn sums_and_products_wrap() {
    let body = "add.s32 %r20, %r10, %r11; mul.lo.s32 %r21, %r10, %r11;
        mul.hi.s32 %r22, %r10, %r11; mul.hi.u32 %r23, %r10, %r11;";
    let [a, b] = [i32::MAX, -3];
    let out = one(body, [a as u32, b as u32, 0, 0]);
    let high = ((i64::from(a) * i64::from(b)) >> 32) as u32;
    let high_unsigned = ((u64::from(a as u32) * u64::from(b as u32)) >> 32) as u32;
    assert_eq!(
        out,
        [
            a.wrapping_add(b) as u32,
            a.wrapping_mul(b) as u32,
            high,
            high_unsigned
        ]
    );
}

#[test]
fn wide_products_keep_all_bits() {
    let body = "mul.wide.s32 %rd10, %r10, %r11; mov.b64 {%r20, %r21}, %rd10;
        mad.wide.u32 %rd11, %r10, %r11, %rd10; mov.b64 {%r22, %r23}, %rd11;";
    let [a, b] = [-7i32, 1 << 30];
    let signed = i64::from(a) * i64::from(b);
    let sum = (u64::from(a as u32) * u64::from(b as u32)).wrapping_add(signed as u64);
    let out = one(body, [a as u32, b as u32, 0, 0]);
    let halves = |x: u64| [x as u32, (x >> 32) as u32];
    assert_eq!([out[0], out[1]], halves(signed as u64));
    assert_eq!([out[2], out[3]], halves(sum));
}

#[test]
fn shifts_beyond_the_width_leave_nothing_but_the_sign() {
    let body = "shl.b32 %r20, %r10, %r11; shr.u32 %r21, %r10, %r11; shr.s32 %r22, %r10, %r11;
        cvt.u64.u32 %rd10, %r10; shl.b64 %rd10, %rd10, %r11; cvt.u32.u64 %r23, %rd10;";
    let x = 0x8000_0001u32;
    assert_eq!(one(body, [x, 1, 0, 0]), [2, x >> 1, 0xc000_0000, 2]);
    for by in [32, 33, 64, 255, u32::MAX] {
        assert_eq!(one(body, [x, by, 0, 0]), [0, 0, u32::MAX, 0], "{by}");
    }
}

#[test]
fn fields_are_taken_and_put() {
    let body = "bfe.u32 %r20, %r10, %r11, %r12; bfe.s32 %r21, %r10, %r11, %r12;
        bfi.b32 %r22, %r10, %r13, %r11, %r12; brev.b32 %r23, %r10;";
    let x = 0x00a5_0000u32;
    assert_eq!(
        one(body, [x, 16, 8, 0]),
        [0xa5, 0xffff_ffa5, 0, x.reverse_bits()]
    );
    assert_eq!(
        one(body, [5, 4, 3, u32::MAX])[2],
        0xffff_ffdf & !0x70 | 0x50
    );
    // No bits, bits beyond the end, a place beyond the end.
    assert_eq!(one(body, [x, 3, 0, 9])[..3], [0, 0, 9]);
    assert_eq!(one(body, [0x8000_0000, 28, 8, 0])[..2], [8, 0xffff_fff8]);
    assert_eq!(one(body, [0x8000_0000, 40, 8, 7])[..3], [0, u32::MAX, 7]);
}

#[test]
fn bits_are_counted_and_combined() {
    let body = "clz.b32 %r20, %r10; popc.b32 %r21, %r10;
        lop3.b32 %r22, %r10, %r11, %r12, 0xe8; prmt.b32 %r23, %r10, %r11, 0x7531;";
    assert_eq!(one(body, [0, 0, 0, 0]), [32, 0, 0, 0]);
    let [a, b, c] = [0x1234_5678, 0x9abc_def0, 0x0f0f_0f0f];
    let majority = (a & b) | (a & c) | (b & c);
    assert_eq!(
        one(body, [a, b, c, 0]),
        [3, a.count_ones(), majority, 0x9ade_1256]
    );
    let body = "shf.l.wrap.b32 %r20, %r10, %r11, %r12; shf.r.wrap.b32 %r21, %r10, %r11, %r12;
        shf.l.clamp.b32 %r22, %r10, %r11, %r12; shf.r.clamp.b32 %r23, %r10, %r11, %r12;";
    let whole = u64::from(b) << 32 | u64::from(a);
    let [left, right] = [(whole << 4 >> 32) as u32, (whole >> 4) as u32];
    assert_eq!(one(body, [a, b, 4, 0]), [left, right, left, right]);
    assert_eq!(one(body, [a, b, 36, 0]), [left, right, a, b]);
}

#[test]
fn divisions_never_stop_the_cpu() {
    let body = "div.s32 %r20, %r10, %r11; rem.s32 %r21, %r10, %r11;
        div.u32 %r22, %r10, %r11; rem.u32 %r23, %r10, %r11;";
    assert_eq!(
        one(body, [(-7i32) as u32, 2, 0, 0])[..2],
        [(-3i32) as u32, u32::MAX]
    );
    assert_eq!(
        one(body, [1 << 31, u32::MAX, 0, 0]),
        [1 << 31, 0, 0, 1 << 31]
    );
    assert_eq!(one(body, [5, 0, 0, 0])[0], u32::MAX);
}

#[test]
fn integers_are_narrowed_and_held_within_limits() {
    let body = "cvt.s32.s8 %r20, %r10; cvt.u32.u16 %r21, %r10;
        cvt.sat.s8.s32 %r22, %r10; cvt.sat.u8.s32 %r23, %r10;";
    let out = one(body, [0xffff_8180, 0, 0, 0]);
    assert_eq!(out[..2], [0xffff_ff80, 0x8180]);
    assert_eq!([out[2] as u8, out[3] as u8], [0x80, 0]);
    let out = one(body, [300, 0, 0, 0]);
    assert_eq!([out[2] as u8, out[3] as u8], [127, 255]);
}

#[test]
fn comparisons_tell_signs() {
    let body = "setp.lt.s32 %p1, %r10, %r11; selp.b32 %r20, 1, 0, %p1;
        setp.lo.u32 %p2|%p3, %r10, %r11; selp.b32 %r21, 1, 0, %p2; selp.b32 %r22, 1, 0, %p3;
        setp.gt.and.s32 %p4, %r11, %r10, !%p2; selp.b32 %r23, 1, 0, %p4;";
    assert_eq!(one(body, [u32::MAX, 1, 0, 0]), [1, 0, 1, 1]);
    assert_eq!(one(body, [1, 2, 0, 0]), [1, 1, 0, 0]);
}

#[test]
fn branches_loops_and_tables_of_targets() {
    // The sum of the odd numbers below the first word, and a switch.
    let body = "mov.u32 %r20, 0; mov.u32 %r2, 0;
        $next: setp.ge.u32 %p1, %r2, %r10; @%p1 bra $done;
        and.b32 %r3, %r2, 1; setp.eq.s32 %p2, %r3, 1; @%p2 add.s32 %r20, %r20, %r2;
        add.s32 %r2, %r2, 1; bra.uni $next;
        $done: mov.u32 %r21, 9; $list: .branchtargets $zero, $one;
        setp.gt.u32 %p3, %r11, 1; @%p3 bra $end; brx.idx %r11, $list;
        $zero: mov.u32 %r21, 5; bra $end;
        $one: mov.u32 %r21, 6;
        $end: mov.u32 %r22, 0; mov.u32 %r23, 0;";
    for (choice, expected) in [(0, 5), (1, 6), (2, 9)] {
        assert_eq!(one(body, [10, choice, 0, 0])[..2], [25, expected]);
    }
}

#[test]
fn an_unknown_instruction_is_quoted() {
    let error = module("frobnicate.b32 %r1, %r2;").err().expect("an error");
    assert!(
        error.contains("kernel") && error.contains("frobnicate.b32 %r1, %r2;"),
        "{error}"
    );
    let error = module("add.foo.s32 %r1, %r2, %r3;")
        .err()
        .expect("an error");
    assert!(error.contains("add.foo.s32"), "{error}");
}
