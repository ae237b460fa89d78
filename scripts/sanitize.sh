#!/bin/sh
# AddressSanitizer over the tests that reach unsafe code. Only this workspace's crates are built
# anew, in target/sanitize.
#
#   sanitize.sh [TEST ...]    names of tests of `all`; default: kernels, weights, element
set -eu
cd "$(dirname "$0")/.."
folder=target/sanitize
if [ ! -d $folder/release ] && [ -d target/release ]; then
    mkdir -p $folder
    cp -al target/release $folder/release
fi
[ $# -gt 0 ] || set -- kernels:: classical:: weights:: element::

# GLib and GStreamer keep what they have until the process ends, which is no leak of ours.
export ASAN_OPTIONS=detect_leaks=0
export RUSTC_WORKSPACE_WRAPPER=$PWD/scripts/sanitize-rustc.sh
cargo test --release --workspace --target-dir $folder --lib
# The plugin is not built this way: what loads it is left out.
cargo test --release --workspace --target-dir $folder --test all -- "$@" \
    --skip gst_inspect --skip command --skip fetch --skip two_elements_keep --skip what_an_error_says
