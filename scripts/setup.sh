#!/bin/sh
# Installs what a build, the tests and the demo need on Debian 12, and only what is missing.
#
#   setup.sh [--no-networks]    --no-networks leaves out LLVM, which only the networks need
set -eu
cd "$(dirname "$0")/.."

packages="
    build-essential curl pkg-config meson ninja-build
    libgstreamer1.0-dev libgstreamer-plugins-base1.0-dev
    gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good
    gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly gstreamer1.0-libav
    gstreamer1.0-plugins-base-apps
    ffmpeg python3-gi gir1.2-gstreamer-1.0 gir1.2-gst-plugins-base-1.0"

missing=""
for package in $packages; do
    dpkg -s "$package" >/dev/null 2>&1 || missing="$missing $package"
done
# With what LLVM wants, so that apt-get runs once.
llvm=none
[ "${1:-}" = --no-networks ] || llvm=$(sh scripts/setup-llvm.sh choose)
[ "$llvm" != debian ] || missing="$missing $(sh scripts/setup-llvm.sh missing)"
if [ -n "${missing# }" ]; then
    echo "setup: installing $missing"
    as_root=""
    [ "$(id -u)" = 0 ] || as_root=sudo
    $as_root apt-get update -qq
    # shellcheck disable=SC2086 # $missing is several words.
    DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends $missing
fi
[ "$llvm" = none ] || sh scripts/setup-llvm.sh "$llvm"
