//! Shuffles, votes, reductions.

use super::{launch, module, words};

/// Returns the first word that each of these threads leaves, from its number in `%r10`.
fn lanes(count: u32, body: &str) -> Vec<u32> {
    let inputs: Vec<_> = (0..count).map(|i| [i, 0, 0, 0]).collect();
    let body =
        format!("mov.u32 %r20, 0; mov.u32 %r21, 0; mov.u32 %r22, 0; mov.u32 %r23, 0; {body}");
    words(&body, &inputs).iter().map(|words| words[0]).collect()
}

#[test]
fn shuffles_of_every_kind() {
    let all: Vec<u32> = (0..64).collect();
    let expect = |mode: &str, by: u32, limit: u32, from: &dyn Fn(u32) -> u32| {
        let body = format!("shfl.sync.{mode}.b32 %r20, %r10, {by}, {limit}, -1;");
        let expected: Vec<u32> = all.iter().map(|&i| i & !31 | from(i & 31)).collect();
        assert_eq!(lanes(64, &body), expected, "{mode} {by} {limit:#x}");
    };
    expect("bfly", 16, 31, &|lane| lane ^ 16);
    expect("down", 4, 31, &|lane| {
        if lane + 4 < 32 { lane + 4 } else { lane }
    });
    expect("up", 3, 0, &|lane| if lane >= 3 { lane - 3 } else { lane });
    expect("idx", 5, 31, &|_| 5);
    // In segments of eight lanes.
    let segment = 24 << 8;
    expect("down", 3, segment | 7, &|lane| {
        if lane % 8 + 3 < 8 { lane + 3 } else { lane }
    });
    expect("up", 3, segment, &|lane| {
        if lane % 8 >= 3 { lane - 3 } else { lane }
    });
    expect("idx", 2, segment | 7, &|lane| lane / 8 * 8 + 2);
}

#[test]
fn a_shuffle_tells_whether_it_stayed_inside() {
    let body = "shfl.sync.down.b32 %r2|%p1, %r10, 1, 31, -1; selp.b32 %r20, 1, 0, %p1;";
    let out = lanes(32, body);
    assert!(out[..31].iter().all(|&x| x == 1) && out[31] == 0);
}

#[test]
fn a_sum_over_a_warp_in_a_loop() {
    let body = "mov.u32 %r2, 16; mov.u32 %r20, %r10;
        $again: shfl.sync.bfly.b32 %r3, %r20, %r2, 31, -1; add.s32 %r20, %r20, %r3;
        shr.u32 %r2, %r2, 1; setp.ne.s32 %p1, %r2, 0; @%p1 bra $again;";
    assert_eq!(lanes(32, body), [496; 32]);
}

#[test]
fn votes_and_masks() {
    let odd = "and.b32 %r2, %r10, 1; setp.eq.s32 %p1, %r2, 1;";
    let body = |vote: &str| format!("{odd} {vote}");
    let out = lanes(32, &body("vote.sync.ballot.b32 %r20, %p1, -1;"));
    assert_eq!(out, [0xaaaa_aaaa; 32]);
    let any = "vote.sync.any.pred %p2, %p1, -1; vote.sync.all.pred %p3, %p1, -1;
        selp.b32 %r20, 1, 0, %p2; @%p3 add.s32 %r20, %r20, 2;";
    assert_eq!(lanes(32, &body(any)), [1; 32]);
    // The lanes that are there: those of one side of a branch.
    let side = "@%p1 bra $odd; mov.u32 %r20, 0; bra $end; $odd: activemask.b32 %r20; $end:";
    let out = lanes(20, &body(side));
    assert!(
        out.iter()
            .enumerate()
            .all(|(i, &x)| x == if i % 2 == 1 { 0x000a_aaaa } else { 0 })
    );
}

#[test]
fn reductions() {
    for (name, expected) in [
        ("add.u32", 496),
        ("max.s32", 31),
        ("xor.b32", 0),
        ("min.u32", 0),
    ] {
        let body = format!("redux.sync.{name} %r20, %r10, -1;");
        assert_eq!(lanes(32, &body), [expected; 32], "{name}");
    }
}

#[test]
fn lanes_that_never_come_are_an_error() {
    let body = "mov.u32 %r1, %tid.x; setp.lt.u32 %p1, %r1, 7; @%p1 bra $few; bar.sync 0; bra $end;
        $few: shfl.sync.idx.b32 %r2, %r1, 0, 31, -1; bar.sync 0; $end:";
    let module = module(body).expect("a kernel");
    let error = launch(&module, [1, 32], 0, &[0u32], &mut [0u32]).expect_err("an error");
    assert!(error.contains("kernel: a warp operation"), "{error}");
}
