//! A rectangle of `mask-regions` as an object, so that control bindings can move it.

use std::sync::LazyLock;

use gst::{glib, prelude::*, subclass::prelude::*};
use parking_lot::Mutex;

use crate::propainter::masks::regions::Region;

glib::wrapper! {
    /// A rectangle of the mask: child `region0`, `region1`, … of the element.
    pub struct PropainterRegion(ObjectSubclass<RegionObject>)
        @extends gst::Object;
}

impl PropainterRegion {
    /// Creates the child of this number.
    pub fn new(number: usize, region: Region) -> Self {
        let object: Self = glib::Object::builder()
            .property("name", format!("region{number}"))
            .build();
        object.replace(region);
        object
    }

    /// Returns the rectangle.
    pub fn region(&self) -> Region {
        *self.imp().0.lock()
    }

    /// Sets the rectangle without notifications and returns whether it changed. See
    /// [`Self::notify_all`].
    pub fn replace(&self, region: Region) -> bool {
        std::mem::replace(&mut *self.imp().0.lock(), region) != region
    }

    /// Notifies of all properties at once.
    pub fn notify_all(&self) {
        let _together = self.freeze_notify();
        for name in ["x", "y", "width", "height"] {
            self.notify(name);
        }
    }
}

/// The instance of a [`PropainterRegion`].
#[derive(Default)]
pub struct RegionObject(Mutex<Region>);

#[glib::object_subclass]
impl ObjectSubclass for RegionObject {
    const NAME: &'static str = "GstPropainterRegion";
    type Type = PropainterRegion;
    type ParentType = gst::Object;
}

impl ObjectImpl for RegionObject {
    fn properties() -> &'static [glib::ParamSpec] {
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
            [
                ("x", "X", "Left edge in pixels of the frame", i32::MIN),
                ("y", "Y", "Upper edge in pixels of the frame", i32::MIN),
                ("width", "Width", "Width in pixels of the frame", 0),
                ("height", "Height", "Height in pixels of the frame", 0),
            ]
            .map(|(name, nick, blurb, least)| {
                glib::ParamSpecInt::builder(name)
                    .nick(nick)
                    .blurb(blurb)
                    .minimum(least)
                    .default_value(0)
                    .controllable()
                    .mutable_playing()
                    .build()
            })
            .to_vec()
        });
        &PROPERTIES
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        // The specification rules out other types and negative sides.
        let Ok(number) = value.get::<i32>() else {
            return;
        };
        let mut region = self.0.lock();
        match pspec.name() {
            "x" => region.x = number,
            "y" => region.y = number,
            "width" => region.width = number.unsigned_abs(),
            _ => region.height = number.unsigned_abs(),
        }
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        let [x, y, width, height] = self.0.lock().numbers();
        match pspec.name() {
            "x" => x,
            "y" => y,
            "width" => width,
            _ => height,
        }
        .to_value()
    }
}

impl GstObjectImpl for RegionObject {}
