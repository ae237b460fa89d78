#!/bin/sh
# Takes a logo, or whatever a still mask covers, out of a video file.
# Sound is kept as it is where it is AAC, and is encoded to AAC where it is not.
#
#   logo.sh VIDEO MASK.png OUT.mp4 [property=value ...]
set -eu
video=$1 mask=$2 out=$3
shift 3

# The engine looks ahead, so sound waits longer than a queue's defaults allow.
wait="queue max-size-buffers=0 max-size-bytes=0 max-size-time=0"
case $(gst-discoverer-1.0 "$video" | grep -m 1 "^ *audio" || true) in
"") sound="" ;;
*AAC*) sound="d. ! audio/mpeg ! $wait ! aacparse ! mux." ;;
*) sound="d. ! audio/x-raw ! $wait ! audioconvert ! audioresample ! avenc_aac ! mux." ;;
esac

# shellcheck disable=SC2086 # $sound is several words.
exec gst-launch-1.0 -q -e \
    filesrc location="$video" \
    ! decodebin name=d caps="video/x-raw; audio/mpeg, mpegversion=(int)4; audio/x-raw" \
    d. ! video/x-raw ! queue ! videoconvert \
    ! propainter mask-location="$mask" "$@" \
    ! videoconvert ! queue ! x264enc ! h264parse ! queue ! mp4mux name=mux \
    ! filesink location="$out" \
    $sound
