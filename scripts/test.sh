#!/bin/sh
# Runs all tests, and says at the end what was skipped. Vectors and film beyond those of the
# repository are read from PROPAINTER_SHARED, or from ../shared: with them nothing is skipped.
#
#   test.sh [ARGUMENT ...]    more arguments of `cargo test`
set -eu
cd "$(dirname "$0")/.."
shared=${PROPAINTER_SHARED:-../shared}
list=target/tmp/skipped.txt
rm -f "$list"
if [ ! -d "$shared/golden" ] && [ -z "${PROPAINTER_ALLOW_SKIP:-}" ]; then
    export PROPAINTER_ALLOW_SKIP=1
    echo "test: $shared/golden is absent: what needs more than tests/golden holds is skipped and counted"
fi
# Some tests wait for a clock meanwhile, so one more runs than there are cores.
export RUST_TEST_THREADS="${RUST_TEST_THREADS:-$(($(nproc) + 1))}"
status=0
cargo test --release --workspace "$@" || status=$?
if [ $# = 0 ]; then
    # The tests of what both builds have, without the networks, and the demo of that build.
    cargo test --release --no-default-features --target-dir target/demo \
        -p propainter -p propainter-elements -p propainter-cli -p gst-plugin-propainter || status=$?
    make demo DEMO="--output target/demo/out --force" || status=$?
fi
if [ -s "$list" ]; then
    sort -u "$list"
    echo "test: $(sort -u "$list" | wc -l) skipped, as PROPAINTER_ALLOW_SKIP=1 allows"
fi
exit $status
