//! Copies a frame to its place on a canvas, with all its bits.

use gst_video::VideoInfo;
use propainter::Border;

use crate::propainter::video::{
    alpha,
    converter::{ALPHA, Converter, writable},
    layout::{
        bit_fields::{Packing, Unpacked},
        component,
        error::InvalidBuffer,
        readable,
    },
};

/// Copies the frame in `buffer` to its place on `canvas`, which is zero elsewhere and opaque.
/// The border is one of whole chroma samples to the left and to the top.
///
/// # Errors
/// A buffer cannot be mapped, or is too small for its caps.
pub fn place(
    input: &Converter,
    buffer: &gst::BufferRef,
    output: &Converter,
    canvas: &mut gst::BufferRef,
    border: Border,
) -> Result<(), InvalidBuffer> {
    let source = readable(buffer)?;
    if let Some(packing) = output.packing() {
        return place_packed(
            packing,
            (input.info(), buffer),
            &source,
            output,
            canvas,
            border,
        );
    }
    let info = output.info();
    let parts = planes(info).map(|c| {
        let from = component(input.info(), buffer, c)?;
        let to = component(info, canvas, c)?;
        let (across, down) = subsampling(info, c);
        Ok((
            from,
            to,
            border.left >> across,
            border.top >> down,
            input.info().comp_height(c),
        ))
    });
    let parts: Vec<_> = parts.collect::<Result<_, InvalidBuffer>>()?;
    let opaque = output
        .has_alpha()
        .then(|| component(info, canvas, ALPHA as u8))
        .transpose()?;
    let mut bytes = writable(canvas)?;
    bytes.fill(0);
    if let Some(component) = opaque {
        alpha::fill_opaque(output.samples(), &mut bytes, component, info);
    }
    for (from, to, left, top, rows) in parts {
        for y in 0..rows as usize {
            let row = &source[from.row(y)];
            let start = to.row(top + y).start + left * to.step;
            bytes[start..start + row.len()].copy_from_slice(row);
        }
    }
    Ok(())
}

/// Returns for each plane the component whose samples reach farthest in a row.
fn planes(info: &VideoInfo) -> impl Iterator<Item = u8> {
    (0..info.n_planes()).filter_map(|plane| {
        let components = 0..info.n_components() as u8;
        let own = components.filter(|&c| info.comp_plane(c) == plane);
        own.max_by_key(|&c| info.comp_width(c) as i64 * i64::from(info.comp_pstride(c)))
    })
}

/// Returns by how many powers of two a component is smaller than the frame, across and down.
fn subsampling(info: &VideoInfo, component: u8) -> (u32, u32) {
    let format = info.format_info();
    let component = usize::from(component);
    (format.w_sub()[component], format.h_sub()[component])
}

/// Places a frame whose samples are bit fields.
fn place_packed(
    packing: &'static Packing,
    (info, buffer): (&VideoInfo, &gst::BufferRef),
    source: &[u8],
    output: &Converter,
    canvas: &mut gst::BufferRef,
    border: Border,
) -> Result<(), InvalidBuffer> {
    let mut frame = Unpacked::new(packing, info, buffer)?;
    let (rows, components) = (info.height() as usize, frame.components());
    frame.unpack(source, 0..components, 0..rows);
    let mut placed = Unpacked::new(packing, output.info(), canvas)?;
    for c in 0..components {
        let (from, to) = (frame.component(c), placed.component(c));
        if c == ALPHA {
            alpha::fill_opaque(output.samples(), &mut placed.bytes, to, output.info());
        }
        let left = to.step * (border.left >> subsampling(info, c as u8).0);
        for y in 0..rows {
            let row = &frame.bytes[from.row(y)];
            let start = to.row(border.top + y).start + left;
            placed.bytes[start..start + row.len()].copy_from_slice(row);
        }
    }
    let mut bytes = writable(canvas)?;
    bytes.fill(0);
    placed.pack(&mut bytes, 0..output.info().height() as usize);
    Ok(())
}
