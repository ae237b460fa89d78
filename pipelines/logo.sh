#!/bin/sh
# Takes a logo, or whatever a still mask covers, out of a video file.
# Sound is kept as it is where it is AAC, and is encoded to AAC where it is not.
#
#   logo.sh [--force] VIDEO MASK.png OUT.mp4 [property=value ...]
set -eu
. "$(dirname "$0")/files.sh"
force=no
[ "${1:-}" != --force ] || { force=yes && shift; }
video=$1 mask=$2 out=$3
shift 3

begin "$out" "$video" "$mask"
encoder "$video"
sound "$video"
# shellcheck disable=SC2086 # $encode and $sound are several words.
run gst-launch-1.0 -q -e \
    filesrc location="$video" \
    ! decodebin name=d caps="$streams" \
    d. ! video/x-raw ! queue ! videoconvert \
    ! propainter mask-location="$mask" "$@" \
    ! videoconvert ! queue ! $encode ! queue ! mp4mux name=mux \
    ! filesink location="$part" \
    $sound
finish
