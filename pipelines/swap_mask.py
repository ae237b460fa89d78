#!/usr/bin/env python3
"""Removes a logo from a video, and another one from a given time on, while the video plays.

    swap_mask.py [--force] VIDEO FIRST.png SECOND.png SECONDS OUT.mp4 [property=value ...]

An application may set the property mask-location at any time; each frame takes the mask that is set
when it arrives. Here a probe sets it at a frame's time; an application would do so from its user
interface. The file is written beside its place and renamed once it is complete; --force replaces an
existing file. It holds the video only, no sound.
"""

import os
import signal
import sys
import tempfile

import gi

gi.require_version("Gst", "1.0")
from gi.repository import Gst  # noqa: E402 (the version is chosen first)


def main(arguments):
    force = arguments[:1] == ["--force"]
    arguments = arguments[force:]
    if len(arguments) < 5:
        sys.exit(__doc__)
    out = os.path.realpath(arguments[4])
    if os.path.exists(out):
        for file in arguments[:3]:
            if os.path.exists(file) and os.path.samefile(file, out):
                sys.exit(f"{arguments[4]} is read as {file}: name another output")
        if not os.path.isfile(out) or not force:
            sys.exit(f"{arguments[4]} exists: --force replaces it")
    if not os.path.isdir(os.path.dirname(out)):
        sys.exit(f"{arguments[4]}: there is no such folder; create it first")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    handle, part = tempfile.mkstemp(prefix=".propainter-", dir=os.path.dirname(out))
    os.close(handle)
    umask = os.umask(0)
    os.umask(umask)
    os.chmod(part, 0o666 & ~umask)
    try:
        play(*arguments[:4], part, arguments[5:])
        os.replace(part, out)
    finally:
        if os.path.exists(part):
            os.remove(part)


def play(video, first, second, seconds, out, properties):
    Gst.init(None)
    pipeline = Gst.parse_launch(
        f'filesrc location="{video}" ! decodebin ! videoconvert'
        f' ! propainter name=inpaint mask-location="{first}" {" ".join(properties)}'
        " ! videoconvert ! queue ! x264enc ! h264parse ! mp4mux"
        f' ! filesink location="{out}"'
    )
    inpaint = pipeline.get_by_name("inpaint")
    swap_at = int(float(seconds) * Gst.SECOND)

    def swap(pad, info):
        # Timestamps need not begin at 0; a player shows stream time.
        segment = pad.get_sticky_event(Gst.EventType.SEGMENT, 0).parse_segment()
        if segment.to_stream_time(Gst.Format.TIME, info.get_buffer().pts) < swap_at:
            return Gst.PadProbeReturn.OK
        inpaint.set_property("mask-location", second)
        return Gst.PadProbeReturn.REMOVE

    inpaint.get_static_pad("sink").add_probe(Gst.PadProbeType.BUFFER, swap)

    pipeline.set_state(Gst.State.PLAYING)
    message = None
    try:
        # Python handles Ctrl-C between two calls.
        while message is None:
            message = pipeline.get_bus().timed_pop_filtered(
                200 * Gst.MSECOND, Gst.MessageType.EOS | Gst.MessageType.ERROR
            )
    finally:
        pipeline.set_state(Gst.State.NULL)
    if message.type == Gst.MessageType.ERROR:
        sys.exit(message.parse_error().gerror.message)


main(sys.argv[1:])
