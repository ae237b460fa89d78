#!/bin/sh
# All checks that run no test: format, clippy, documentation, dependencies, spelling, deploy/.
# `cargo-deny`, `typos` and `kubernetes-validate` run where they are installed.
#
#   lint.sh [--install]    --install puts these three into target/tools first
set -eu
cd "$(dirname "$0")/.."
tools=target/tools
if [ "${1:-}" = --install ]; then
    # Debug builds without symbols take 3 CPU minutes together, and run for a second.
    CARGO_PROFILE_DEV_DEBUG=0 cargo install --quiet --locked --debug --root $tools cargo-deny@0.20.2 typos-cli@1.52.0
    # Debian has this module in a package of its own.
    python3 -c "import ensurepip" 2>/dev/null || apt-get install -y -qq python3-venv
    python3 -m venv $tools/python
    $tools/python/bin/pip install --quiet kubernetes-validate==1.37.0
    ln -sf ../python/bin/kubernetes-validate $tools/bin/
fi
PATH=$PWD/$tools/bin:$PATH

# Runs a program that may be absent.
optional() {
    if command -v "$1" >/dev/null; then
        "$@"
    else
        echo "lint: $1 is not installed, so its check is left out; CONTRIBUTING.md says how to install it"
    fi
}

cargo fmt --all -- --check
optional typos
optional cargo-deny --log-level error check --hide-inclusion-graph licenses bans sources
optional kubernetes-validate --strict --quiet deploy/kubernetes-job.yaml
cargo clippy --release --workspace --all-targets -- -D warnings
# What is installed has no entry points of the tests.
if cargo tree -p gst-plugin-propainter -p propainter-cli -e normal --prefix none -f "{p} {f}" | grep -w internals; then
    echo "lint: these would be installed with the feature internals, which is for tests"
    exit 1
fi
RUSTDOCFLAGS="-D warnings" cargo doc --release --workspace --no-deps --document-private-items
