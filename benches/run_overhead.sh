#!/bin/bash
# What `propainter run` adds to the element: the same clip through `propainter run`, through the same
# elements in gst-launch-1.0, and through decoder and encoder alone. The three take turns; medians of
# the processor time are printed, and what the program adds in percent of the element's own.
#
#   make && benches/run_overhead.sh CLIP MASK [TURNS] [property=value ...]
#
# CLIP is a video with H.264 and without sound. RELEASE names another folder than target/release.
set -eu
clip=$1 mask=$2 turns=${3:-5}
shift $(($# < 3 ? $# : 3))
release=$(realpath "${RELEASE:-$(dirname "$0")/../target/release}")
folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
mkdir "$folder/plugin"
ln -s "$release/libgstpropainter.so" "$folder/plugin/"
export GST_PLUGIN_PATH=$folder/plugin GST_REGISTRY=$folder/registry
TIMEFORMAT='%U %S'
options=()
for property in model=propagation "$@"; do options+=("--$property"); done

seconds() { # COMMAND...: its processor time
    { time "$@" > "$folder/log" 2>&1 || { cat "$folder/log" > "$folder/failed"; }; } 2> "$folder/time"
    [ ! -e "$folder/failed" ] || { cat "$folder/failed" >&2; exit 1; }
    awk '{ print $1 + $2 }' "$folder/time"
}
launch() { # ELEMENT...: CLIP through decoder, elements and encoder
    gst-launch-1.0 -q filesrc location="$clip" ! parsebin ! decodebin ! queue ! videoconvert "$@" \
        ! videoconvert ! videoconvert ! video/x-raw,format=I420 \
        ! x264enc pass=qual quantizer=16 option-string=bframes=0 ! h264parse ! queue \
        ! mp4mux ! filesink location="$folder/out.mp4"
}
median() { sort -n "$1" | awk '{ a[NR] = $1 } END { print a[int((NR + 1) / 2)] }'; }

for ((turn = 0; turn <= turns; turn++)); do
    program=$(seconds "$release/propainter" run "$clip" --mask "$mask" --force --quiet \
        -o "$folder/run.mp4" "${options[@]}")
    element=$(seconds launch ! propainter mask-location="$mask" model=propagation "$@")
    codecs=$(seconds launch)
    # The first turn fills caches and the registry.
    [ "$turn" = 0 ] && continue
    echo "$program" >> "$folder/program"
    echo "$element" >> "$folder/element"
    echo "$codecs" >> "$folder/codecs"
done
awk -v program="$(median "$folder/program")" -v element="$(median "$folder/element")" \
    -v codecs="$(median "$folder/codecs")" 'BEGIN {
    printf "propainter run %.2f s, elements %.2f s, decoder and encoder %.2f s\n", program, element, codecs
    printf "added: %+.1f %% of the element\n", 100 * (program - element) / (element - codecs)
}'
