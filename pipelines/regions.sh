#!/bin/sh
# Removes rectangles from a video file, or from a live test pattern.
# Regions are <<x, y, width, height>, ...> in pixels; FRAMES is the length of the test pattern (250).
#
#   regions.sh [--force] "<<40,30,32,24>,<0,0,8,8>>" OUT.mp4 VIDEO|live [property=value ...]
set -eu
. "$(dirname "$0")/files.sh"
force=no
[ "${1:-}" != --force ] || { force=yes && shift; }
regions=$1 out=$2 video=$3
shift 3

if [ "$video" = live ]; then
    begin "$out"
    # Ctrl-C ends the stream, and the file up to there is complete.
    trap : INT
    gst-launch-1.0 -q -e \
        videotestsrc is-live=true pattern=ball num-buffers="${FRAMES:-250}" \
        ! "video/x-raw, format=I420, width=320, height=240, framerate=(fraction)25/1" \
        ! propainter mask-regions="$regions" "$@" \
        ! videoconvert ! queue ! x264enc ! h264parse ! mp4mux ! filesink location="$part"
else
    begin "$out" "$video"
    encoder "$video"
    sound "$video"
    # shellcheck disable=SC2086 # $encode and $sound are several words.
    run gst-launch-1.0 -q -e \
        filesrc location="$video" ! decodebin name=d caps="$streams" \
        d. ! video/x-raw ! queue ! videoconvert \
        ! propainter mask-regions="$regions" "$@" \
        ! videoconvert ! queue ! $encode ! queue ! mp4mux name=mux ! filesink location="$part" \
        $sound
fi
finish
