#!/bin/sh
# Runs all tests, and says at the end what failed and what was skipped. Vectors and film beyond those of
# the repository are read from PROPAINTER_SHARED, or from ../shared: with them only what needs a
# program that is optional is skipped.
#
#   test.sh [ARGUMENT ...]    more arguments of `cargo test`
set -eu
cd "$(dirname "$0")/.."
shared=${PROPAINTER_SHARED:-../shared}
list=target/tmp/skipped.txt
log=target/tmp/test.log
mkdir -p target/tmp
rm -f "$list" "$log"
if [ ! -d "$shared/golden" ] && [ -z "${PROPAINTER_ALLOW_SKIP:-}" ]; then
    export PROPAINTER_ALLOW_SKIP=1
    echo "test: $shared/golden is absent: what needs more than tests/golden holds is skipped and counted"
fi
# Some tests wait for a clock meanwhile, so one more runs than there are cores.
export RUST_TEST_THREADS="${RUST_TEST_THREADS:-$(($(nproc) + 1))}"

# Runs a command, keeps its output for the summary, and notes its failure.
failed=target/tmp/failed
rm -f "$failed"
run() {
    { "$@" 2>&1 || touch "$failed"; } | tee -a "$log"
}

# Without the plugin: with the others it would be built with the entry points of the tests.
run cargo test --release --workspace --exclude gst-plugin-propainter --no-fail-fast "$@"
if [ $# = 0 ]; then
    # The tests of what both builds have, without the networks, and the demo of that build.
    lite="--release --no-default-features --target-dir target/demo -p propainter -p propainter-elements
        -p propainter-cli"
    # Some tests use the plugin as it is installed.
    run cargo build $lite -p gst-plugin-propainter
    run cargo test $lite -p propainter-tests --no-fail-fast
    run make demo DEMO="--output target/demo/out --force"
fi
if [ -s "$list" ]; then
    sort -u "$list"
    echo "test: $(sort -u "$list" | wc -l) skipped"
fi
if [ -e "$failed" ]; then
    echo "test: these failed (the whole output is in $log):"
    # A failed test's own output follows a line with its name, up to the next such line.
    sed -n '/^---- .* ----$/,/^failures:$/p' "$log"
    grep -aE '^test .* FAILED$|^error' "$log" | sort -u
    exit 1
fi
