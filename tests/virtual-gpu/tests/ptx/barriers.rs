//! Barriers, and what happens without them.

use super::{launch, module};

#[test]
fn threads_read_what_others_wrote_before_the_barrier() {
    // Each thread passes its number to the thread at the other end, many times.
    let body =
        ".shared .align 4 .b8 row[1024]; mov.u32 %r1, %tid.x; mov.u32 %r2, %r1; mov.u32 %r3, 0;
        shl.b32 %r4, %r1, 2; mov.u32 %r5, 1020; sub.s32 %r5, %r5, %r4; mov.u32 %r7, row;
        add.s32 %r4, %r4, %r7; add.s32 %r5, %r5, %r7;
        $again: st.shared.u32 [%r4], %r2; bar.sync 0; ld.shared.u32 %r6, [%r5];
        add.s32 %r2, %r6, 1; barrier.cta.sync.aligned 0; add.s32 %r3, %r3, 1;
        setp.lt.u32 %p1, %r3, 5; @%p1 bra $again;
        mul.wide.u32 %rd3, %r1, 4; add.s64 %rd4, %rd2, %rd3; st.global.u32 [%rd4], %r2;";
    let module = module(body).expect("a kernel");
    let mut out = [0u32; 256];
    launch(&module, [1, 256], 0, &[0u32], &mut out).expect("a launch");
    let expected: Vec<u32> = (0..256).map(|i| 255 - i + 5).collect();
    assert_eq!(out[..], expected[..]);
}

#[test]
fn a_barrier_that_not_all_reach_is_an_error() {
    let body = "mov.u32 %r1, %tid.x; setp.gt.u32 %p1, %r1, 40; @%p1 ret; bar.sync 0;";
    let module = module(body).expect("a kernel");
    launch(&module, [1, 41], 0, &[0u32], &mut [0u32]).expect("all reach it");
    let error = launch(&module, [3, 64], 0, &[0u32], &mut [0u32]).expect_err("an error");
    assert!(
        error.contains("kernel: a barrier that 41 of 64 threads reach"),
        "{error}"
    );
}

#[test]
fn two_barriers_in_one_warp_are_an_error() {
    let body =
        "mov.u32 %r1, %tid.x; setp.gt.u32 %p1, %r1, 7; @%p1 bra $other; bar.sync 0; bra $end;
        $other: bar.sync 0; $end:";
    let module = module(body).expect("a kernel");
    launch(&module, [1, 32], 0, &[0u32], &mut [0u32]).expect_err("an error");
}

#[test]
fn blocks_give_the_same_on_several_threads() {
    let body = "mov.u32 %r1, %ctaid.x; mov.u32 %r2, %tid.x; mov.u32 %r3, %ntid.x;
        mad.lo.s32 %r4, %r1, %r3, %r2; mul.wide.u32 %rd3, %r4, 4; add.s64 %rd4, %rd2, %rd3;
        mul.lo.s32 %r5, %r4, 17; st.global.u32 [%rd4], %r5;";
    let module = module(body).expect("a kernel");
    let mut out = vec![0u32; 100_000 * 32];
    launch(&module, [100_000, 32], 0, &[0u32], &mut out).expect("a launch");
    assert!(
        out.iter()
            .enumerate()
            .all(|(i, &x)| x == (i as u32).wrapping_mul(17))
    );
}
