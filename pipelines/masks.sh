#!/bin/sh
# Removes objects from numbered frames, with one mask for each frame through the pad mask_sink, and
# writes an MP4 file. Both patterns are those of printf, such as frames/%05d.jpg; FPS is the frame
# rate (25).
#
#   masks.sh [--force] FRAMES MASKS OUT.mp4 [property=value ...]
set -eu
. "$(dirname "$0")/files.sh"
force=no
[ "${1:-}" != --force ] || { force=yes && shift; }
frames=$1 masks=$2 out=$3
shift 3

# multifilesrc needs the caps of the images.
images() {
    case $1 in
    *.jpg | *.jpeg) echo "image/jpeg, framerate=(fraction)${FPS:-25}/1" ;;
    *.png) echo "image/png, framerate=(fraction)${FPS:-25}/1" ;;
    *) fail "$1 is neither .png nor .jpg" ;;
    esac
}
frame_caps=$(images "$frames")
mask_caps=$(images "$masks")

begin "$out" "$frames" "$masks"
# Images are in full range, which players of MP4 files do not expect.
run gst-launch-1.0 -q -e \
    multifilesrc location="$frames" caps="$frame_caps" ! decodebin ! queue ! videoconvert \
    ! propainter name=inpaint "$@" \
    ! videoconvert ! video/x-raw,colorimetry=bt709 ! x264enc ! h264parse \
    ! mp4mux ! filesink location="$part" \
    multifilesrc location="$masks" caps="$mask_caps" ! decodebin ! queue ! videoconvert \
    ! inpaint.mask_sink
finish
