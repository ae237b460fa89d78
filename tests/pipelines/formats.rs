//! What decoders deliver goes through the README's line as it is: the element takes the decoder's
//! own caps, changes no sample outside the hole, and the encoder gets all the bits it takes.

use std::sync::{Arc, Mutex};

use gst::prelude::*;
use gst_video::{VideoFormat, VideoInfo};
use propainter::Mask;

use super::{
    clips::{launch, run},
    scripts::text,
    tools::{ffmpeg, output},
};
use crate::element::{
    spots::{colors, spots},
    support::{bytes, init},
};

const HOLE: [u32; 4] = [40, 30, 32, 24];
const FRAMES: usize = 5;

/// Of one pad: its caps and its buffers.
type Seen = Arc<Mutex<(Option<gst::Caps>, Vec<gst::Buffer>)>>;

fn watch(pad: &gst::Pad) -> Seen {
    let seen = Seen::default();
    let notes = seen.clone();
    pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
        let mut notes = notes.lock().unwrap();
        notes.0 = pad.current_caps();
        // A copy: whoever holds a decoder's buffers may starve it.
        let buffer = info.buffer().expect("a buffer");
        notes.1.push(buffer.copy_deep().expect("system memory"));
        gst::PadProbeReturn::Ok
    });
    seen
}

/// Encodes a test image with these arguments of ffmpeg and plays the file through the element.
/// `decoded` is the format that must come to it, and `encoded` the one that x264enc gets.
fn goes_through(name: &str, arguments: &str, decoded: VideoFormat, encoded: VideoFormat) {
    init();
    let folder = tempfile::tempdir().unwrap();
    let clip = folder.path().join(name);
    let mut command = ffmpeg();
    command.args(["-f", "lavfi", "-i", "testsrc2=s=256x144:r=25:d=0.2"]);
    command.args(arguments.split(' ')).arg(&clip);
    output(&mut command);

    let [x, y, width, height] = HOLE;
    let pipeline = launch(&format!(
        "filesrc location=\"{}\" ! decodebin ! videoconvert name=before \
         ! propainter name=inpaint model=propagation device=cpu mask-dilation=0 \
           mask-regions=\"<<{x},{y},{width},{height}>>\" \
         ! videoconvert ! queue ! x264enc name=encoder speed-preset=ultrafast ! fakesink",
        text(&clip)
    ));
    let pad = |element: &str, pad: &str| {
        let element = pipeline.by_name(element).expect("it was named");
        watch(&element.static_pad(pad).expect("the pad"))
    };
    let decoder = pad("before", "sink");
    let (taken, filled) = (pad("inpaint", "sink"), pad("inpaint", "src"));
    let encoder = pad("encoder", "sink");
    run(&pipeline);

    let [decoder, taken, filled, encoder] =
        [decoder, taken, filled, encoder].map(|seen| seen.lock().unwrap().clone());
    let info = |seen: &(Option<gst::Caps>, Vec<gst::Buffer>)| {
        VideoInfo::from_caps(seen.0.as_ref().expect("caps")).expect("raw video")
    };
    assert_eq!(info(&decoder).format(), decoded, "{name}");
    assert_eq!(taken.0, decoder.0, "{name}: nothing is converted before");
    assert_eq!(filled.0, decoder.0, "{name}");
    assert_eq!(info(&encoder).format(), encoded, "{name}");
    assert_eq!(filled.1.len(), FRAMES, "{name}");

    let info = info(&decoder);
    let mut hole = Mask::empty(256, 144);
    hole.add_rectangle(x.into(), y.into(), width.into(), height.into());
    for (before, after) in decoder.1.iter().zip(&filled.1) {
        let inside: Vec<_> = (0..colors(&info))
            .flat_map(|component| spots(&info, before, component))
            .filter(|spot| spot.is_hole(&hole))
            .collect();
        let (mut before, mut after) = (bytes(before), bytes(after));
        assert!(before != after, "{name}: the hole is filled");
        for spot in inside {
            spot.put(&mut before, 0);
            spot.put(&mut after, 0);
        }
        assert!(before == after, "{name}: the rest is identical");
    }
}

#[test]
fn what_editing_codecs_decode_to_is_taken_as_it_is() {
    use VideoFormat::{A44410le, I42010le, I42012le, I42210le, V210, Y44410le};
    let prores = "-c:v prores_ks -profile:v 3 -pix_fmt yuv422p10le";
    goes_through("prores.mov", prores, I42210le, I42210le);
    let with_alpha = "-c:v prores_ks -profile:v 4 -pix_fmt yuva444p10le";
    goes_through("prores4444.mov", with_alpha, A44410le, Y44410le);
    let dnx = "-c:v dnxhd -profile:v dnxhr_hqx -pix_fmt yuv422p10le";
    goes_through("dnx.mxf", dnx, I42210le, I42210le);
    goes_through("v210.mov", "-c:v v210", V210, I42210le);
    let twelve = "-c:v ffv1 -pix_fmt yuv420p12le";
    goes_through("ffv1.mkv", twelve, I42012le, I42010le);
}

#[test]
fn high_bit_depth_of_delivery_codecs_is_taken_as_it_is() {
    use VideoFormat::{I42010le, I42210le, I42212le};
    let hdr = "-c:v libx265 -preset ultrafast -pix_fmt yuv420p10le -x265-params \
               log-level=error:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc";
    goes_through("hdr.mp4", hdr, I42010le, I42010le);
    let high = "-c:v libx264 -preset ultrafast -pix_fmt yuv422p10le";
    goes_through("high422.mp4", high, I42210le, I42210le);
    let vp9 = "-c:v libvpx-vp9 -cpu-used 8 -pix_fmt yuv422p12le";
    goes_through("vp9.webm", vp9, I42212le, I42210le);
}

#[test]
fn alpha_rgb_and_gray_are_taken_as_they_are() {
    use VideoFormat::{A420, Argb, Argb64, Gbr10le, Gray16Le, I420, Uyvy, Y42b, Y444, Y44410le};
    goes_through("qtrle.mov", "-c:v qtrle -pix_fmt argb", Argb, Y444);
    goes_through("png.mov", "-c:v png -pix_fmt rgba64be", Argb64, Y44410le);
    goes_through("a420.mkv", "-c:v ffv1 -pix_fmt yuva420p", A420, I420);
    goes_through("gbr.mkv", "-c:v ffv1 -pix_fmt gbrp10le", Gbr10le, Y44410le);
    goes_through(
        "gray.mkv",
        "-c:v ffv1 -pix_fmt gray16le",
        Gray16Le,
        Y44410le,
    );
    goes_through("uyvy.mov", "-c:v rawvideo -pix_fmt uyvy422", Uyvy, Y42b);
}
