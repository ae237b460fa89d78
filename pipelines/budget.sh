#!/bin/sh
# Removes from a video file what a still mask covers, within a budget of device memory: bytes, or
# the size of a GPU's memory (4gb, 6gb, 8gb, 12gb, 16gb, 24gb) less half a GiB for the desktop.
# Prints the plan and the reductions of quality.
#
#   budget.sh [--force] VIDEO MASK.png OUT.mp4 8gb|BYTES [property=value ...]
set -eu
. "$(dirname "$0")/files.sh"
force=no
[ "${1:-}" != --force ] || { force=yes && shift; }
video=$1 mask=$2 out=$3 budget=$4
shift 4

case $budget in
*gb) limit="vram-budget=$((${budget%gb} * 1073741824 - 536870912))" ;;
*) limit="vram-budget=$budget" ;;
esac

begin "$out" "$video" "$mask"
encoder "$video"
sound "$video"
# The element logs the plan at INFO, a downgrade at WARNING.
GST_DEBUG=${GST_DEBUG:-propainter:INFO}
export GST_DEBUG
# shellcheck disable=SC2086 # $encode and $sound are several words.
run gst-launch-1.0 -q -e \
    filesrc location="$video" ! decodebin name=d caps="$streams" \
    d. ! video/x-raw ! queue ! videoconvert \
    ! propainter mask-location="$mask" "$limit" "$@" \
    ! videoconvert ! queue ! $encode ! queue ! mp4mux name=mux ! filesink location="$part" \
    $sound
finish
