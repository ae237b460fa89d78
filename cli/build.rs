//! Lets the kit's program find the libraries that are packed beside it.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-link-arg-bin=propainter-check=-Wl,-rpath,$ORIGIN/lib");
}
