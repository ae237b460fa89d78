//! The hole of each frame: the union of what `mask_sink`, `mask-location`, `mask-regions`,
//! regions of interest and alpha say.

use std::sync::Arc;

use propainter::Mask;

use crate::propainter::masks::{
    diagnostics::{Origin, Seen},
    fit::{Fit, Shape, fit},
    image_sequence::Image,
    orientation::Turn,
    regions::Region,
    threshold::{Cut, Cutter, Extent, Gray},
};

pub use crate::propainter::masks::image_sequence::LocationError;

/// What a frame's hole is made of besides `mask_sink`: the properties, its metas and its alpha
/// as they were when it came. It travels with the frame.
#[derive(Clone, Debug, Default)]
pub struct FrameMasks {
    /// What `mask-location` has for it.
    pub image: Image,
    /// For the images of `mask-location` and the pictures of `mask_sink`.
    pub cut: Cut,
    /// `mask-regions` and regions of interest.
    pub rectangles: Arc<[Region]>,
    pub alpha: Option<Arc<Mask>>,
    /// What a player does with the frame, by the stream's tags.
    pub shown: Turn,
    /// Width to height of the frame's pixels.
    pub pixel: (u32, u32),
}

/// Puts the masks of a stream together.
#[derive(Default)]
pub struct Masks {
    located_cutter: Cutter,
    streamed_cutter: Cutter,
    drawn: Option<Drawn>,
    empty: Option<Arc<Mask>>,
}

/// Rectangles as a mask.
struct Drawn {
    regions: Arc<[Region]>,
    mask: Arc<Mask>,
    extent: Extent,
}

/// A frame's hole, and the masks it is made of, which may be odd.
pub struct Hole {
    pub mask: Arc<Mask>,
    pub seen: Vec<Seen>,
}

impl Masks {
    /// The hole of a frame of `size` pixels; `streamed` is what `mask_sink` has for it. One
    /// source is passed on at its own size; several are united at the frame's.
    ///
    /// # Errors
    /// No image at the location.
    pub fn hole(
        &mut self,
        size: (usize, usize),
        own: &FrameMasks,
        streamed: Option<&Arc<Gray>>,
    ) -> Result<Hole, Arc<LocationError>> {
        let located = match &own.image {
            Image::None => None,
            Image::Gray(gray) => Some(gray),
            Image::Failed(error) => return Err(error.clone()),
        };
        let frame = Shape {
            size,
            pixel: own.pixel,
            shown: own.shown,
        };
        let cut = |cutter: &mut Cutter, origin, gray: &Arc<Gray>| {
            let (turn, fit) = fit(gray.shape(), frame);
            let (mask, extent) = cutter.cut(gray, own.cut, turn);
            let seen = Seen {
                origin,
                extent,
                fit,
                mask: gray.shape().size,
                frame: size,
                still: gray.about().still,
                unused_alpha: gray.about().unused_alpha,
            };
            (mask, Some(seen))
        };
        let streamed = streamed.map(|gray| cut(&mut self.streamed_cutter, Origin::Stream, gray));
        let located = located.map(|gray| cut(&mut self.located_cutter, Origin::Location, gray));
        let drawn = (!own.rectangles.is_empty()).then(|| self.drawn(size, &own.rectangles));
        let (sources, seen): (Vec<_>, Vec<_>) =
            [streamed, located, drawn].into_iter().flatten().unzip();
        let seen = seen.into_iter().flatten().collect();
        let mut sources = sources.into_iter().chain(own.alpha.clone());
        let mask = match (sources.next(), sources.next()) {
            (None, _) => self.empty(size),
            (Some(only), None) => only,
            (Some(first), Some(second)) => {
                let mut all = first.resized(size.0, size.1);
                for source in [second].into_iter().chain(sources) {
                    all.union(&source.resized(size.0, size.1));
                }
                Arc::new(all)
            }
        };
        Ok(Hole { mask, seen })
    }

    fn drawn(
        &mut self,
        (width, height): (usize, usize),
        regions: &Arc<[Region]>,
    ) -> (Arc<Mask>, Option<Seen>) {
        let drawn = self.drawn.take().filter(|drawn| {
            let size = (drawn.mask.width(), drawn.mask.height());
            drawn.regions == *regions && size == (width, height)
        });
        let drawn = self.drawn.insert(drawn.unwrap_or_else(|| {
            let mut mask = Mask::empty(width, height);
            for region in regions.iter() {
                mask.add_rectangle(
                    region.x.into(),
                    region.y.into(),
                    region.width.into(),
                    region.height.into(),
                );
            }
            Drawn {
                regions: regions.clone(),
                extent: Extent::of(&mask),
                mask: Arc::new(mask),
            }
        }));
        // Rectangles without an area are there to be moved.
        let meant = regions.iter().any(|r| r.width > 0 && r.height > 0);
        let seen = meant.then_some(Seen {
            origin: Origin::Regions,
            extent: drawn.extent,
            fit: Fit::AsItIs,
            mask: (width, height),
            frame: (width, height),
            still: false,
            unused_alpha: false,
        });
        (drawn.mask.clone(), seen)
    }

    fn empty(&mut self, (width, height): (usize, usize)) -> Arc<Mask> {
        let fits = |mask: &Arc<Mask>| (mask.width(), mask.height()) == (width, height);
        let empty = self.empty.take().filter(fits);
        let empty = empty.unwrap_or_else(|| Arc::new(Mask::empty(width, height)));
        self.empty.insert(empty).clone()
    }
}
