#!/usr/bin/env python3
"""Takes a logo out of a video, and from a time on another one, while the video plays.

    swap_mask.py VIDEO FIRST.png SECOND.png SECONDS OUT.mp4 [property=value ...]

The mask is a property like any other: whoever holds the element may set it at any time, and each
frame takes the one that is set when it comes in. Here a probe does so at a frame's time; an
application would do it from its user interface.
"""

import sys

import gi

gi.require_version("Gst", "1.0")
from gi.repository import Gst  # noqa: E402 (the version is chosen first)


def main(arguments):
    if len(arguments) < 5:
        sys.exit(__doc__)
    video, first, second, seconds, out = arguments[:5]
    Gst.init(None)
    pipeline = Gst.parse_launch(
        f'filesrc location="{video}" ! decodebin ! videoconvert'
        f' ! propainter name=inpaint mask-location="{first}" {" ".join(arguments[5:])}'
        " ! videoconvert ! queue ! x264enc ! h264parse ! mp4mux"
        f' ! filesink location="{out}"'
    )
    inpaint = pipeline.get_by_name("inpaint")
    swap_at = int(float(seconds) * Gst.SECOND)

    def swap(pad, info):
        # Timestamps need not begin at 0; stream time is what a player shows.
        segment = pad.get_sticky_event(Gst.EventType.SEGMENT, 0).parse_segment()
        if segment.to_stream_time(Gst.Format.TIME, info.get_buffer().pts) < swap_at:
            return Gst.PadProbeReturn.OK
        inpaint.set_property("mask-location", second)
        return Gst.PadProbeReturn.REMOVE

    inpaint.get_static_pad("sink").add_probe(Gst.PadProbeType.BUFFER, swap)

    pipeline.set_state(Gst.State.PLAYING)
    message = pipeline.get_bus().timed_pop_filtered(
        Gst.CLOCK_TIME_NONE, Gst.MessageType.EOS | Gst.MessageType.ERROR
    )
    pipeline.set_state(Gst.State.NULL)
    if message.type == Gst.MessageType.ERROR:
        sys.exit(message.parse_error().gerror.message)


main(sys.argv[1:])
