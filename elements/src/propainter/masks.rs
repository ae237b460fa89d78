//! The hole of each frame: the union of what `mask_sink`, `mask-location`, `mask-regions`,
//! regions of interest and alpha say.

use std::sync::Arc;

use propainter::Mask;

use super::{
    gray::{Cut, Cutter, Gray},
    located::Located,
    regions::Region,
};

pub use super::located::LocationError;

/// What a frame's hole is made of besides `mask_sink`: the properties, its metas and its alpha
/// as they were when it came. It travels with the frame.
#[derive(Clone, Debug)]
pub struct FrameMasks {
    pub location: Option<Arc<str>>,
    /// For the images of `mask-location` and the pictures of `mask_sink`.
    pub cut: Cut,
    /// `mask-regions` and regions of interest.
    pub rectangles: Arc<[Region]>,
    pub alpha: Option<Arc<Mask>>,
}

/// Puts the masks of a stream together.
#[derive(Default)]
pub struct Masks {
    located: Option<Located>,
    /// A location that failed while another one was in use.
    refused: Option<Arc<str>>,
    located_cutter: Cutter,
    streamed_cutter: Cutter,
    drawn: Option<(Arc<[Region]>, Arc<Mask>)>,
    empty: Option<Arc<Mask>>,
}

/// A frame's hole, and what to warn about.
pub struct Hole {
    pub mask: Arc<Mask>,
    pub warning: Option<LocationError>,
}

impl Masks {
    /// The hole of frame `index` (since the start or the last seek) of `size` pixels;
    /// `streamed` is what `mask_sink` has for it. One source is passed on at its own size;
    /// several are united at the frame's.
    ///
    /// # Errors
    /// No image at the location. Where another location was in use, its mask stays and the
    /// error is a warning, given once.
    pub fn hole(
        &mut self,
        size: (usize, usize),
        index: u64,
        own: &FrameMasks,
        streamed: Option<&Arc<Gray>>,
    ) -> Result<Hole, LocationError> {
        let (located, warning) = self.located(own.location.as_ref(), index)?;
        let sources = [
            streamed.map(|gray| self.streamed_cutter.cut(gray, own.cut)),
            located.map(|gray| self.located_cutter.cut(&gray, own.cut)),
            (!own.rectangles.is_empty()).then(|| self.drawn(size, &own.rectangles)),
            own.alpha.clone(),
        ];
        let mut sources = sources.into_iter().flatten();
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
        Ok(Hole { mask, warning })
    }

    fn located(
        &mut self,
        location: Option<&Arc<str>>,
        index: u64,
    ) -> Result<(Option<Arc<Gray>>, Option<LocationError>), LocationError> {
        let Some(text) = location else {
            (self.located, self.refused) = (None, None);
            return Ok((None, None));
        };
        let mut warning = None;
        let known = self.located.as_ref().is_some_and(|l| l.is_at(text))
            || self.refused.as_ref() == Some(text);
        if !known {
            match Located::open(text, index) {
                Ok(located) => (self.located, self.refused) = (Some(located), None),
                Err(error) if self.located.is_some() => {
                    self.refused = Some(text.clone());
                    warning = Some(error);
                }
                Err(error) => return Err(error),
            }
        }
        let image = self.located.as_mut().map(|l| l.image(index)).transpose()?;
        Ok((image, warning))
    }

    fn drawn(&mut self, (width, height): (usize, usize), regions: &Arc<[Region]>) -> Arc<Mask> {
        let drawn = self.drawn.as_ref().filter(|(from, mask)| {
            from == regions && (mask.width(), mask.height()) == (width, height)
        });
        if let Some((_, mask)) = drawn {
            return mask.clone();
        }
        let mut mask = Mask::empty(width, height);
        for region in regions.iter() {
            mask.add_rectangle(
                region.x.into(),
                region.y.into(),
                region.width.into(),
                region.height.into(),
            );
        }
        let mask = Arc::new(mask);
        self.drawn = Some((regions.clone(), mask.clone()));
        mask
    }

    fn empty(&mut self, (width, height): (usize, usize)) -> Arc<Mask> {
        let fits = |mask: &Arc<Mask>| (mask.width(), mask.height()) == (width, height);
        let empty = self.empty.take().filter(fits);
        let empty = empty.unwrap_or_else(|| Arc::new(Mask::empty(width, height)));
        self.empty.insert(empty).clone()
    }
}
