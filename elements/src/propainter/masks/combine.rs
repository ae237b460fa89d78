//! The mask of each frame: the union of `mask_sink`, `mask-location`, `mask-regions`, regions of
//! interest and alpha.

use std::sync::Arc;

use propainter::Mask;

use crate::propainter::masks::{
    diagnostics::{MaskObservation, MaskOrigin},
    fit::{Fit, Geometry, fit},
    image_sequence::{ImageMask, MaskFileError},
    orientation::Orientation,
    regions::Region,
    threshold::{Coverage, GrayMask, Threshold, ThresholdCache},
};

/// The sources of a frame's mask besides `mask_sink`: the properties, the metas and the alpha at
/// the time when the frame came. It travels with the frame.
#[derive(Clone, Debug, Default)]
pub struct FrameMasks {
    /// The mask from `mask-location`.
    pub image: ImageMask,
    /// For the masks from `mask-location` and `mask_sink`.
    pub threshold: Threshold,
    /// `mask-regions` and regions of interest.
    pub rectangles: Arc<[Region]>,
    /// The mask from the frame's alpha.
    pub alpha: Option<Arc<Mask>>,
    /// How players show the frame, by the tags of the stream.
    pub orientation: Orientation,
    /// Pixel aspect ratio of the frame, width to height; 0 where it is not known.
    pub pixel_aspect: (u32, u32),
}

/// Combines the masks of a stream.
#[derive(Default)]
pub struct MaskCombiner {
    image_cache: ThresholdCache,
    stream_cache: ThresholdCache,
    regions: Option<RegionMask>,
    empty: Option<Arc<Mask>>,
}

/// The mask of some rectangles.
struct RegionMask {
    regions: Arc<[Region]>,
    mask: Arc<Mask>,
    coverage: Coverage,
}

/// The mask of a frame, and the observations about its sources.
pub struct CombinedMask {
    pub mask: Arc<Mask>,
    pub observations: Vec<MaskObservation>,
}

impl MaskCombiner {
    /// Returns the mask of a frame of `size` pixels; `streamed` is the mask from `mask_sink`. A
    /// single source keeps its own size; several are united at the size of the frame.
    ///
    /// # Errors
    /// The image of `mask-location` is missing or cannot be read.
    pub fn combine(
        &mut self,
        size: (usize, usize),
        masks: &FrameMasks,
        streamed: Option<&Arc<GrayMask>>,
    ) -> Result<CombinedMask, Arc<MaskFileError>> {
        let image = match &masks.image {
            ImageMask::Unset => None,
            ImageMask::Gray(gray) => Some(gray),
            ImageMask::Failed(error) => return Err(error.clone()),
        };
        let frame = Geometry {
            size,
            pixel_aspect: masks.pixel_aspect,
            orientation: masks.orientation,
        };
        let apply = |cache: &mut ThresholdCache, origin, gray: &Arc<GrayMask>| {
            let (orientation, fit) = fit(gray.geometry(), frame);
            let (mask, coverage) = cache.apply(gray, masks.threshold, orientation);
            let observation = MaskObservation {
                origin,
                coverage,
                fit,
                mask: gray.geometry().size,
                frame: size,
                still: gray.info().still,
                unused_alpha: gray.info().unused_alpha,
            };
            (mask, Some(observation))
        };
        let streamed = streamed.map(|gray| apply(&mut self.stream_cache, MaskOrigin::Stream, gray));
        let image = image.map(|gray| apply(&mut self.image_cache, MaskOrigin::Location, gray));
        let regions = (!masks.rectangles.is_empty()).then(|| self.regions(size, &masks.rectangles));
        let (sources, observations): (Vec<_>, Vec<_>) =
            [streamed, image, regions].into_iter().flatten().unzip();
        let observations = observations.into_iter().flatten().collect();
        let mut sources = sources.into_iter().chain(masks.alpha.clone());
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
        Ok(CombinedMask { mask, observations })
    }

    fn regions(
        &mut self,
        (width, height): (usize, usize),
        regions: &Arc<[Region]>,
    ) -> (Arc<Mask>, Option<MaskObservation>) {
        let cached = self.regions.take().filter(|cached| {
            let size = (cached.mask.width(), cached.mask.height());
            cached.regions == *regions && size == (width, height)
        });
        let cached = self.regions.insert(cached.unwrap_or_else(|| {
            let mut mask = Mask::empty(width, height);
            for region in regions.iter() {
                mask.add_rectangle(
                    region.x.into(),
                    region.y.into(),
                    region.width.into(),
                    region.height.into(),
                );
            }
            RegionMask {
                regions: regions.clone(),
                coverage: Coverage::of(&mask),
                mask: Arc::new(mask),
            }
        }));
        // Rectangles without an area are meant to be moved later.
        let meant = regions.iter().any(|r| r.width > 0 && r.height > 0);
        let observation = meant.then_some(MaskObservation {
            origin: MaskOrigin::Regions,
            coverage: cached.coverage,
            fit: Fit::AsStored,
            mask: (width, height),
            frame: (width, height),
            still: false,
            unused_alpha: false,
        });
        (cached.mask.clone(), observation)
    }

    fn empty(&mut self, (width, height): (usize, usize)) -> Arc<Mask> {
        let fits = |mask: &Arc<Mask>| (mask.width(), mask.height()) == (width, height);
        let empty = self.empty.take().filter(fits);
        let empty = empty.unwrap_or_else(|| Arc::new(Mask::empty(width, height)));
        self.empty.insert(empty).clone()
    }
}
