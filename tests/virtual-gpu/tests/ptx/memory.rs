//! Memory: vectors, alignment, shared memory and its poison, local memory, atomic operations,
//! asynchronous copies, variables of the module.

use super::{CACHE, launch, module, one};
use virtual_gpu::ptx::Module;

/// Words that begin at a multiple of 64 bytes.
#[repr(C, align(64))]
#[derive(Clone, Copy)]
struct Line([u32; 16]);

fn run(body: &str, block: u32, input: &[Line], lines: usize) -> Result<Vec<u32>, String> {
    let module = module(body).expect("a known kernel");
    let mut output = vec![Line([0; 16]); lines];
    launch(&module, [1, block], 0, input, &mut output)?;
    Ok(output.iter().flat_map(|line| line.0).collect())
}

fn count() -> Vec<Line> {
    (0..16u32)
        .map(|i| Line(std::array::from_fn(|j| i * 16 + j as u32)))
        .collect()
}

#[test]
fn vectors_of_all_lengths() {
    let body = "ld.global.v8.b32 {%r1, %r2, %r3, %r4, %r5, %r6, %r7, %r8}, [%rd1+32];
        st.global.v8.b32 [%rd2], {%r8, %r7, %r6, %r5, %r4, %r3, %r2, %r1};
        ld.global.v2.b64 {%rd3, %rd4}, [%rd1]; st.global.v2.b64 [%rd2+32], {%rd4, %rd3};
        ld.global.v4.u8 {%rs1, %rs2, %rs3, %rs4}, [%rd1+4];
        st.global.v4.u8 [%rd2+48], {%rs4, %rs3, %rs2, %rs1};
        ld.global.s8 %r9, [%rd1+4]; st.global.u32 [%rd2+52], %r9;";
    let mut input = count();
    input[0].0[1] = 0x0403_0280;
    let out = run(body, 1, &input, 1).expect("a launch");
    let expected = [
        15,
        14,
        13,
        12,
        11,
        10,
        9,
        8,
        2,
        3,
        0,
        0x0403_0280,
        0x8002_0304,
        0xffff_ff80,
    ];
    assert_eq!(out[..14], expected);
}

#[test]
fn an_address_that_is_not_aligned_is_an_error() {
    let body = "ld.global.v4.u32 {%r1, %r2, %r3, %r4}, [%rd1+8];";
    let error = run(body, 1, &count(), 1).expect_err("an error");
    assert!(
        error.contains("not aligned") && error.contains("ld.global.v4.u32"),
        "{error}"
    );
    run("ld.global.v2.u32 {%r1, %r2}, [%rd1+8];", 1, &count(), 1).expect("a launch");
}

#[test]
fn shared_memory_is_poisoned_and_bounded() {
    let body = ".shared .align 16 .b8 tile[64]; mov.u32 %r1, tile; ld.shared.u32 %r2, [%r1+60];
        st.global.u32 [%rd2], %r2; st.shared.u32 [tile+4], 7; cvta.shared.u64 %rd3, %rd10;
        mov.u64 %rd4, tile; cvta.shared.u64 %rd4, %rd4; ld.u32 %r3, [%rd4+4];
        st.global.u32 [%rd2+4], %r3;";
    let out = run(body, 1, &count(), 1).expect("a launch");
    assert_eq!(out[..2], [u32::MAX, 7]);
    let body = ".shared .align 16 .b8 tile[64]; mov.u32 %r1, tile; ld.shared.u32 %r2, [%r1+64];";
    let error = run(body, 1, &count(), 1).expect_err("an error");
    assert!(error.contains("beyond shared memory"), "{error}");
}

#[test]
fn a_launch_adds_shared_memory() {
    let text =
        ".version 8.0\n.target sm_86\n.address_size 64\n.extern .shared .align 16 .b8 more[];
        .visible .entry kernel(.param .u64 in, .param .u64 out) { .reg .b32 %r<9>; .reg .b64 %rd<9>;
        .shared .align 4 .b8 few[12]; ld.param.u64 %rd1, [out]; st.shared.u32 [few+8], 3;
        mov.b32 %r1, more; st.shared.u32 [%r1+252], 4; ld.shared.u32 %r2, [few+8];
        ld.shared.u32 %r3, [more+252]; st.global.v2.u32 [%rd1], {%r2, %r3}; ret; }";
    let module = Module::load(text, CACHE.path()).expect("a module");
    let mut out = [Line([0; 16])];
    launch(&module, [1, 1], 256, &[0u32], &mut out).expect("a launch");
    assert_eq!(out[0].0[..2], [3, 4]);
    launch(&module, [1, 1], 128, &[0u32], &mut out).expect_err("too little");
}

#[test]
fn each_thread_has_local_memory() {
    let body = ".local .align 8 .b8 depot[16]; mov.u64 %rd3, depot; cvta.local.u64 %rd4, %rd3;
        mov.u32 %r1, %tid.x; st.local.u32 [%rd3+4], %r1; ld.u32 %r2, [%rd4+4];
        mul.wide.u32 %rd5, %r1, 4; add.s64 %rd6, %rd2, %rd5; bar.sync 0; ld.local.u32 %r3, [depot+4];
        add.s32 %r2, %r2, %r3; st.global.u32 [%rd6], %r2;";
    let out = run(body, 48, &count(), 3).expect("a launch");
    assert!(
        out.iter().enumerate().all(|(i, &x)| x == 2 * i as u32),
        "{out:?}"
    );
}

#[test]
fn atomic_operations() {
    let body = "atom.global.add.u32 %r20, [%rd1], 5; ld.global.u32 %r21, [%rd1];
        atom.global.cas.b32 %r22, [%rd1], %r21, 9; red.global.max.s32 [%rd1], 11;
        atom.relaxed.gpu.global.exch.b32 %r23, [%rd1], 1;";
    assert_eq!(one(body, [7, 0, 0, 0]), [7, 12, 12, 11]);
    let body = "red.shared.add.f32 [sum], 0f3F000000; bar.sync 0; ld.shared.f32 %f1, [sum];
        st.global.f32 [%rd2], %f1;";
    let body = format!(
        ".shared .align 4 .b8 sum[4]; mov.u32 %r1, %tid.x; setp.eq.s32 %p1, %r1, 0;
        @%p1 st.shared.u32 [sum], 0; bar.sync 0; {body}"
    );
    let out = run(&body, 64, &count(), 1).expect("a launch");
    assert_eq!(f32::from_bits(out[0]), 32.0);
    // Blocks, too, add one after the other.
    let module = module("red.global.add.u32 [%rd2], 1;").expect("a kernel");
    let mut out = [0u32];
    launch(&module, [5000, 33], 0, &[0u32], &mut out).expect("a launch");
    assert_eq!(out, [165_000]);
}

#[test]
fn asynchronous_copies_arrive_when_waited_for() {
    let copy = ".shared .align 16 .b8 tile[32]; mov.u32 %r9, tile;
        cp.async.cg.shared.global [%r9], [%rd1], 16; cp.async.commit_group;
        cp.async.ca.shared.global [%r9+16], [%rd1+16], 8, 4; cp.async.commit_group;";
    let read = "ld.shared.v4.u32 {%r1, %r2, %r3, %r4}, [tile]; st.global.v4.u32 [%rd2], {%r1, %r2, %r3, %r4};
        ld.shared.v2.u32 {%r1, %r2}, [tile+16]; st.global.v2.u32 [%rd2+16], {%r1, %r2};";
    let out = |wait: &str| {
        let out = run(&format!("{copy} {wait} {read}"), 1, &count(), 1);
        out.expect("a launch")[..6].to_vec()
    };
    const POISON: u32 = u32::MAX;
    assert_eq!(out(""), [POISON; 6]);
    assert_eq!(out("cp.async.wait_group 1;"), [0, 1, 2, 3, POISON, POISON]);
    assert_eq!(out("cp.async.wait_group 0;"), [0, 1, 2, 3, 4, 0]);
    assert_eq!(out("cp.async.wait_all;"), [0, 1, 2, 3, 4, 0]);
}

#[test]
fn variables_of_the_module_and_several_entries() {
    let text = ".version 8.0\n.target sm_86\n.address_size 64
        .const .align 4 .b32 table[4] = {1, 2, 0x30, 4};
        .visible .entry other(.param .u64 in) { ret; }
        .visible .entry kernel(.param .u64 in, .param .align 8 .b8 out[8]) .reqntid 4, 1, 1
        { .reg .b32 %r<9>; .reg .b64 %rd<9>; ld.param.u64 %rd1, [out+0];
        mov.u32 %r1, %tid.x; mul.wide.u32 %rd2, %r1, 4; mov.u64 %rd3, table; add.s64 %rd3, %rd3, %rd2;
        ld.const.u32 %r2, [%rd3]; add.s64 %rd1, %rd1, %rd2; st.global.u32 [%rd1], %r2; ret; }";
    let module = Module::load(text, CACHE.path()).expect("a module");
    assert!(module.kernel("other").is_some() && module.kernel("none").is_none());
    let mut out = [0u32; 4];
    launch(&module, [1, 4], 0, &[0u32], &mut out).expect("a launch");
    assert_eq!(out, [1, 2, 0x30, 4]);
    let error = launch(&module, [1, 5], 0, &[0u32], &mut out).expect_err("another block");
    assert!(error.contains("kernel"), "{error}");
}
