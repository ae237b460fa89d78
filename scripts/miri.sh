#!/bin/sh
# Miri over the unsafe code that needs neither GStreamer nor a card: the counting allocator and
# the kernels' tiles, in every form whose instructions Miri knows. The engine as a whole pulls in
# a tensor library that Miri cannot run, so a crate of the files themselves is made in target/miri.
#
# Needs a nightly toolchain with the components miri and rust-src.
set -eu
cd "$(dirname "$0")/.."
source=$PWD/propainter/src
mkdir -p target/miri/src
cd target/miri
cat > Cargo.toml <<EOF
[package]
name = "propainter-miri"
edition = "2024"
[workspace]
EOF
cat > src/lib.rs <<EOF
#![allow(dead_code)]

#[path = "$source/frame.rs"]
mod frame;
pub use frame::{Frame, Mask};

#[path = "$source/memory/counting.rs"]
mod counting;

mod propagation {
    #[path = "$source/propagation/kernel.rs"]
    pub mod kernel;
    #[path = "$source/propagation/patch.rs"]
    pub mod patch;
    #[path = "$source/propagation/plane.rs"]
    pub mod plane;
}

mod kernels {
    #[path = "$source/kernels/isa.rs"]
    pub mod isa;
    #[path = "$source/kernels/tile.rs"]
    pub mod tile;
    pub mod conv2d {
$(sed -n '/^pub enum Activation/,/^}/p; /^impl Activation/,/^}/p' "$source/kernels/conv2d.rs" |
    sed '1i #[derive(Clone, Copy, Debug, Default, PartialEq)]')
    }

    #[test]
    fn a_tile_is_the_sum_in_every_form() {
        use conv2d::Activation;
        const K: usize = 5;
        let a = std::array::from_fn::<_, K, _>(|k| std::array::from_fn(|r| (k * 4 + r) as f32 - 9.0));
        let b: Vec<f32> = (0..40).map(|i| (i % 7) as f32 - 3.0).collect();
        // The last one reaches the end of the slice.
        let offsets = [0u32, 3, 8, 1, 8];
        for isa in isa::Isa::all() {
            let mut tile: tile::Tile<4, 2> = [[[1.0; 16]; 2]; 4];
            tile::multiply(isa, &a, &b, &offsets, Activation::Relu, &mut tile);
            for (r, row) in tile.as_flattened().chunks(2).enumerate() {
                for (c, &got) in row.as_flattened().iter().enumerate() {
                    let sum: f32 = (0..K).map(|k| a[k][r] * b[offsets[k] as usize + c]).sum();
                    assert_eq!(got, (1.0 + sum).max(0.0), "{isa:?} {r} {c}");
                }
            }
        }
    }
}
EOF
# The portable forms, then those of AVX2; of AVX-512 Miri lacks the arithmetic.
for features in "-avx2" "+avx2,+fma"; do
    echo "miri: target features '$features'"
    RUSTFLAGS="-Ctarget-feature=$features" cargo +nightly miri test "$@"
done
