#!/bin/sh
# Removes a logo, or anything else that a still mask covers, from a video file.
# Sound in AAC is copied; other sound is encoded to AAC.
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
