#!/bin/sh
# Takes rectangles out of a moving picture: of a video file, or of a live test picture.
# Regions are <<x, y, width, height>, ...> in pixels; FRAMES is the length of the live
# picture (250).
#
#   regions.sh "<<40,30,32,24>,<0,0,8,8>>" OUT.mp4 VIDEO|live [property=value ...]
set -eu
regions=$1 out=$2 video=$3
shift 3

inpaint() {
    exec gst-launch-1.0 -q -e "$@" \
        ! videoconvert ! queue ! x264enc ! h264parse ! mp4mux ! filesink location="$out"
}

if [ "$video" = live ]; then
    inpaint videotestsrc is-live=true pattern=ball num-buffers="${FRAMES:-250}" \
        ! "video/x-raw, format=I420, width=320, height=240, framerate=(fraction)25/1" \
        ! propainter mask-regions="$regions" "$@"
else
    inpaint filesrc location="$video" ! decodebin ! queue ! videoconvert \
        ! propainter mask-regions="$regions" "$@"
fi
