#!/bin/sh
# Coverage-guided fuzzing of what reads outside input (tests/support/fuzz.rs), each target for some
# seconds. New inputs go to target/fuzz/out, those that do harm to target/fuzz/bad; what
# tests/fuzz/corpus keeps is the start.
#
#   fuzz.sh [SECONDS [TARGET ...]]    default: 600, all targets
#   fuzz.sh merge [TARGET ...]        adds the small new inputs that cover more to tests/fuzz/corpus
set -eu
cd "$(dirname "$0")/.."
seconds=${1:-600}
[ $# = 0 ] || shift
targets=${*:-checkpoint mask_image caps properties}
folder=target/fuzz

# Its own folder, as the wrapper builds some libraries with counters too; the hundreds of others
# are those of an ordinary build, where there is one.
if [ ! -d $folder/release ] && [ -d target/release ]; then
    mkdir -p $folder
    cp -al target/release $folder/release
    cargo clean --release --target-dir $folder -p propainter -p propainter-elements \
        -p propainter-cli -p propainter-tests -p image -p png -p zune-jpeg -p zune-core -p fdeflate \
        -p tiff -p weezl -p gif -p image-webp
fi
RUSTC_WRAPPER=$PWD/scripts/fuzz-rustc.sh cargo build --release --workspace --example fuzz \
    --target-dir $folder
mkdir -p $folder/bad

for target in $targets; do
    export PROPAINTER_FUZZ="$target"
    corpus=tests/fuzz/corpus/$target
    mkdir -p "$folder/out/$target" "$corpus"
    if [ "$seconds" = merge ]; then
        $folder/release/examples/fuzz -merge=1 -max_len=2048 "$corpus" "$folder/out/$target" \
            2>&1 | tail -n 2
        continue
    fi
    words=""
    [ ! -e "tests/fuzz/$target.dict" ] || words=-dict=tests/fuzz/$target.dict
    nice -n 19 $folder/release/examples/fuzz $words -max_total_time="$seconds" -max_len=8192 \
        -rss_limit_mb=2048 -timeout=10 -print_final_stats=1 -artifact_prefix="$folder/bad/$target-" \
        "$folder/out/$target" "$corpus" >"$folder/$target.log" 2>&1 || {
        tail -n 30 "$folder/$target.log"
        exit 1
    }
    grep -a "DONE\|^stat::" "$folder/$target.log"
done
