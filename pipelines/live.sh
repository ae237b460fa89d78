#!/bin/sh
# Removes rectangles from a live stream and sends it to srt://HOST:PORT, rtmp://HOST/APP/KEY or
# rtp://HOST:PORT (H.264, payload 96). SOURCE is a URI that decodebin can read, or `test`, a live test
# pattern; FRAMES is the length of the test pattern (endless).
# Late frames are filled without the networks, so that the stream keeps its pace.
#
#   live.sh SOURCE "<<40,30,32,24>,<0,0,8,8>>" TARGET [property=value ...]
set -eu
source=$1 regions=$2 target=$3
shift 3

case $source in
test)
    from="videotestsrc is-live=true pattern=ball num-buffers=${FRAMES:--1}
        ! video/x-raw, format=I420, width=320, height=240, framerate=(fraction)25/1"
    ;;
*) from="uridecodebin uri=$source ! queue ! videoconvert" ;;
esac

case $target in
srt://*) to="mpegtsmux alignment=7 ! srtsink uri=$target" ;;
rtmp://*) to="flvmux streamable=true ! rtmp2sink location=$target" ;;
rtp://*:*)
    host=${target#rtp://}
    to="rtph264pay config-interval=-1 pt=96 ! udpsink host=${host%:*} port=${host##*:}"
    ;;
*) echo "live.sh: $target is neither srt://, rtmp:// nor rtp://HOST:PORT" >&2 && exit 1 ;;
esac

# 4:2:0, as otherwise the encoder chooses a profile that few players support; 10 bits stay 10.
# shellcheck disable=SC2086 # both are several words.
exec gst-launch-1.0 -q -e $from \
    ! propainter mask-regions="$regions" late-policy=fill "$@" \
    ! videoconvert ! "video/x-raw, format={I420,I420_10LE}" \
    ! x264enc tune=zerolatency speed-preset=veryfast key-int-max=25 ! h264parse ! queue ! $to
