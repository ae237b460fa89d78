//! Lets code that is compiled while the tests run find a function of ours by its name.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-link-arg-tests=-Wl,--export-dynamic-symbol=__truncsfbf2");
}
