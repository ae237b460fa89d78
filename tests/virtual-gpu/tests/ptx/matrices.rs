//! Matrix instructions against plain products; the layouts of fragments are those of NVIDIA's manual.

use half::{bf16, f16};

use super::{launch, module};

/// Returns small numbers that every format holds, and whose sums are exact.
fn matrix(rows: usize, columns: usize, seed: usize) -> Vec<f32> {
    let value = |i: usize| ((i * 7 + seed * 13) % 17) as f32 - 8.0;
    (0..rows * columns).map(value).collect()
}

fn product(a: &[f32], b: &[f32], c: &[f32], n: usize, k: usize) -> Vec<f32> {
    let sum = |i: usize| {
        let (row, column) = (i / n, i % n);
        let terms = (0..k).map(|j| a[row * k + j] * b[j * n + column]);
        c[i] + terms.sum::<f32>()
    };
    (0..c.len()).map(sum).collect()
}

/// Packs a value of each format into the bits of a register.
fn bits(kind: &str, x: f32) -> u32 {
    match kind {
        "f16" => u32::from(f16::from_f32(x).to_bits()),
        "bf16" => u32::from(bf16::from_f32(x).to_bits()),
        _ => x.to_bits(),
    }
}

#[test]
fn mma_is_the_product() {
    for (kind, k) in [
        ("f16", 16),
        ("bf16", 16),
        ("f16", 8),
        ("bf16", 8),
        ("tf32", 8),
        ("tf32", 4),
    ] {
        let each = if kind == "tf32" { 1 } else { 2 };
        let (a, b, c) = (matrix(16, k, 1), matrix(k, 8, 2), matrix(16, 8, 3));
        // The registers of each lane, by the manual.
        let (of_a, of_b) = (2 * k / (4 * each), k / (4 * each));
        let pack = |value: &dyn Fn(usize) -> f32| {
            (0..each).fold(0, |word, e| word | bits(kind, value(e)) << (16 * e))
        };
        let mut input = Vec::new();
        for lane in 0..32usize {
            let (group, in_group) = (lane / 4, lane % 4);
            for r in 0..of_a {
                let row = group + 8 * (r % 2);
                input.push(pack(&|e| {
                    a[row * k + in_group * each + e + 4 * each * (r / 2)]
                }));
            }
            for r in 0..of_b {
                input.push(pack(&|e| {
                    b[(in_group * each + e + 4 * each * r) * 8 + group]
                }));
            }
            for i in 0..4 {
                input.push(c[(group + 8 * (i / 2)) * 8 + in_group * 2 + i % 2].to_bits());
            }
        }
        let list = |from: usize, count: usize| {
            let names: Vec<String> = (from..from + count).map(|r| format!("%r{r}")).collect();
            names.join(", ")
        };
        let all = of_a + of_b + 4;
        let mut body = format!(
            "mov.u32 %r1, %laneid; mul.wide.u32 %rd3, %r1, {}; add.s64 %rd4, %rd1, %rd3;",
            all * 4
        );
        for r in 0..all {
            body += &format!("ld.global.b32 %r{}, [%rd4+{}];", 10 + r, 4 * r);
        }
        body += &format!(
            "mma.sync.aligned.m16n8k{k}.row.col.f32.{kind}.{kind}.f32 {{{}}}, {{{}}}, {{{}}}, {{{}}};",
            list(50, 4),
            list(10, of_a),
            list(10 + of_a, of_b),
            list(10 + of_a + of_b, 4)
        );
        body += "mul.wide.u32 %rd3, %r1, 16; add.s64 %rd4, %rd2, %rd3; st.global.b32 [%rd4], %r50;
            st.global.b32 [%rd4+4], %r51; st.global.b32 [%rd4+8], %r52; st.global.b32 [%rd4+12], %r53;";
        let mut out = [0f32; 128];
        launch(
            &module(&body).expect("a kernel"),
            [1, 32],
            0,
            &input,
            &mut out,
        )
        .expect("a launch");
        let expected = product(&a, &b, &c, 8, k);
        for lane in 0..32 {
            for i in 0..4 {
                let place = (lane / 4 + 8 * (i / 2)) * 8 + lane % 4 * 2 + i % 2;
                assert_eq!(
                    out[lane * 4 + i],
                    expected[place],
                    "{kind} {k} lane {lane} {i}"
                );
            }
        }
    }
}

#[test]
fn wmma_is_the_product() {
    for (kind, [m, n, k], of_a, of_b) in [
        ("f16", [16, 16, 16], 8, 8),
        ("f16", [32, 8, 16], 8, 8),
        ("f16", [8, 32, 16], 8, 8),
        ("bf16", [16, 16, 16], 4, 4),
        ("bf16", [8, 32, 16], 2, 8),
        ("tf32", [16, 16, 8], 4, 4),
    ] {
        let (a, b, c) = (matrix(m, k, 1), matrix(k, n, 2), matrix(m, n, 3));
        let list = |from: usize, count: usize| {
            let names: Vec<String> = (from..from + count).map(|r| format!("%r{r}")).collect();
            names.join(", ")
        };
        let memory = if kind == "tf32" { 4 } else { 2 };
        let shape = format!("m{m}n{n}k{k}");
        let types = if kind == "f16" {
            String::from("f32.f32")
        } else {
            format!("f32.{kind}.{kind}.f32")
        };
        let (b_at, c_at) = (m * k * memory, (m * k + k * n) * memory);
        // B by columns: it lies transposed.
        let body = format!(
            "add.s64 %rd3, %rd1, {b_at}; add.s64 %rd4, %rd1, {c_at};
            wmma.load.a.sync.aligned.row.{shape}.global.{kind} {{{a}}}, [%rd1], {k};
            wmma.load.b.sync.aligned.col.{shape}.global.{kind} {{{b}}}, [%rd3], {k};
            wmma.load.c.sync.aligned.row.{shape}.global.f32 {{{c}}}, [%rd4], {n};
            wmma.mma.sync.aligned.row.col.{shape}.{types} {{{d}}}, {{{a}}}, {{{b}}}, {{{c}}};
            wmma.store.d.sync.aligned.row.{shape}.global.f32 [%rd2], {{{d}}}, {n};",
            a = list(10, of_a),
            b = list(20, of_b),
            c = list(30, 8),
            d = list(40, 8)
        );
        let mut bytes: Vec<u8> = Vec::new();
        let mut put = |x: f32, size: usize| {
            bytes.extend(&bits(if size == 4 { "f32" } else { kind }, x).to_le_bytes()[..size])
        };
        a.iter().for_each(|&x| put(x, memory));
        (0..n * k).for_each(|i| put(b[i % k * n + i / k], memory));
        c.iter().for_each(|&x| put(x, 4));
        let words: Vec<[u32; 4]> = bytes
            .chunks(16)
            .map(|chunk| {
                std::array::from_fn(|i| {
                    u32::from_le_bytes(chunk[4 * i..4 * i + 4].try_into().expect("four"))
                })
            })
            .collect();
        #[repr(align(16))]
        #[derive(Clone, Copy)]
        struct Aligned(#[expect(dead_code)] [u32; 4]);
        #[repr(align(16))]
        struct Out([f32; 256]);
        let words: Vec<Aligned> = words.into_iter().map(Aligned).collect();
        let mut out = [Out([0.0; 256])];
        launch(
            &module(&body).expect("a kernel"),
            [1, 32],
            0,
            &words,
            &mut out,
        )
        .expect("a launch");
        assert_eq!(
            out[0].0[..],
            product(&a, &b, &c, n, k)[..],
            "{kind} {shape}"
        );
    }
}

#[test]
fn tiles_are_loaded_and_stored() {
    for (count, transposed) in [(1, false), (2, false), (4, false), (4, true), (2, true)] {
        let trans = if transposed { ".trans" } else { "" };
        let names: Vec<String> = (20..20 + count).map(|r| format!("%r{r}")).collect();
        // Each lane fills four bytes of every matrix, gives the place of one row, and stores again
        // what it got, the other way round.
        let mut body = String::from(
            ".shared .align 16 .b8 tile[1024]; mov.u32 %r1, %laneid; shl.b32 %r2, %r1, 2;
            mul.wide.u32 %rd3, %r1, 4; add.s64 %rd4, %rd1, %rd3; add.s64 %rd5, %rd2, %rd3;
            mov.u32 %r3, tile; add.s32 %r4, %r3, %r2; shl.b32 %r5, %r1, 4; add.s32 %r5, %r5, %r3;",
        );
        for i in 0..count {
            body += &format!(
                "ld.global.u32 %r6, [%rd4+{0}]; st.shared.u32 [%r4+{0}], %r6;",
                i * 128
            );
        }
        body += &format!(
            "bar.warp.sync -1;
            ldmatrix.sync.aligned.m8n8.x{count}{trans}.shared.b16 {{{0}}}, [%r5];
            stmatrix.sync.aligned.m8n8.x{count}.shared.b16 [%r5+512], {{{0}}}; bar.warp.sync -1;",
            names.join(", ")
        );
        for i in 0..count {
            body += &format!(
                "st.global.u32 [%rd5+{0}], %r{1}; ld.shared.u32 %r6, [%r4+{2}]; st.global.u32 [%rd5+{3}], %r6;",
                i * 128,
                20 + i,
                512 + i * 128,
                512 + i * 128
            );
        }
        let input: Vec<u16> = (0..256).collect();
        #[repr(align(16))]
        struct Words([u16; 512]);
        let mut out = [Words([0; 512])];
        #[repr(align(16))]
        struct In(#[expect(dead_code)] [u16; 256]);
        let input = [In(input.try_into().expect("as long"))];
        launch(
            &module(&body).expect("a kernel"),
            [1, 32],
            0,
            &input,
            &mut out,
        )
        .expect("a launch");
        for i in 0..count * 64 {
            let (tile, row, column) = (i / 64, i / 8 % 8, i % 8);
            let from = if transposed {
                column * 8 + row
            } else {
                row * 8 + column
            };
            let expected = (tile * 64 + from) as u16;
            assert_eq!(out[0].0[i], expected, "x{count}{trans} {i}");
            assert_eq!(out[0].0[256 + i], expected, "stored x{count}{trans} {i}");
        }
    }
}
