#!/bin/sh
# 20,000 frames of 192x128 through the element; fails where resident memory grows.
#
#   soak.sh [--frames N] [--networks [--weights FOLDER]] [property=value ...]
set -eu
cd "$(dirname "$0")/.."
cargo build --release --workspace --exclude gst-plugin-propainter --examples
exec target/release/examples/soak "$@"
