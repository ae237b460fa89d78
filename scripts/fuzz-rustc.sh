#!/bin/sh
# A wrapper of rustc for scripts/fuzz.sh: what reads outside input is built with libFuzzer's
# counters and with checks of arithmetic, everything else as always.
case "${CARGO_PKG_NAME:-}:$*" in
    *build_script_build*) exec "$@" ;;
    propainter*:*--crate-name* | image:* | png:* | zune-*:* | fdeflate:* | safetensors:*) ;;
    *) exec "$@" ;;
esac
exec "$@" --cfg fuzzing -Cdebug-assertions -Coverflow-checks -Ccodegen-units=1 -Cstrip=none \
    -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares
