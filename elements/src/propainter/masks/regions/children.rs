//! The children `region0`, `region1`, … of an element.

use gst::{glib, prelude::*};
use parking_lot::Mutex;

use crate::propainter::{
    Propainter,
    masks::regions::{Region, object::PropainterRegion},
};

/// A part of one element, which is the parent of all that is in here.
#[derive(Default)]
pub struct Family(Mutex<Vec<PropainterRegion>>);

/// What [`Family::set`] did, to be told with no lock held.
#[derive(Default)]
pub struct Changes {
    pub changed: Vec<PropainterRegion>,
    pub added: Vec<PropainterRegion>,
    pub removed: Vec<PropainterRegion>,
    /// Hold back what children have to say of their parent.
    frozen: Vec<glib::object::PropertyNotificationFreezeGuard>,
}

impl Family {
    pub fn regions(&self) -> Vec<Region> {
        self.0.lock().iter().map(PropainterRegion::region).collect()
    }

    pub fn children(&self) -> Vec<PropainterRegion> {
        self.0.lock().clone()
    }

    /// Makes, changes and removes children until they are what is `wanted`, all at once.
    /// `parent` is the element that the family is a part of.
    pub fn set(&self, parent: &Propainter, wanted: &[Region]) -> Changes {
        let mut changes = Changes::default();
        let mut children = self.0.lock();
        let kept = children.len().min(wanted.len());
        for child in children.drain(kept..) {
            changes.frozen.push(child.freeze_notify());
            child.unparent();
            changes.removed.push(child);
        }
        for (child, &region) in children.iter().zip(wanted) {
            if child.replace(region) {
                changes.changed.push(child.clone());
            }
        }
        for (number, &region) in wanted.iter().enumerate().skip(kept) {
            let child = PropainterRegion::new(number, region);
            changes.frozen.push(child.freeze_notify());
            // SAFETY: a parent must outlive its children's knowing of it. Under one lock the
            // child gets its parent and its place in `children`, which it leaves with
            // `unparent` only, here and in `clear`. That runs at the latest when the element's
            // own parts are dropped, before the element's memory goes.
            let adopted = unsafe { child.set_parent(parent) };
            // A new child has no other parent.
            if let Ok(reference) = adopted {
                // The parent's own, given back by `unparent`.
                std::mem::forget(reference);
                children.push(child.clone());
                changes.added.push(child);
            }
        }
        changes
    }

    /// Lets all children go.
    pub fn clear(&self) {
        let children = std::mem::take(&mut *self.0.lock());
        for child in children {
            child.unparent();
        }
    }
}

impl Drop for Family {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(x: i32) -> Region {
        Region {
            x,
            ..Region::default()
        }
    }

    fn element() -> Propainter {
        gst::init().unwrap();
        glib::Object::new()
    }

    #[test]
    fn children_have_a_parent_for_as_long_as_they_are_in_the_family() {
        let element = element();
        let family = Family::default();
        let added = family.set(&element, &[region(1), region(2)]).added;
        let parent = Some(element.clone().upcast::<gst::Object>());
        assert!(added.iter().all(|child| child.parent() == parent));
        let changes = family.set(&element, &[region(3)]);
        assert_eq!(changes.removed, added[1..]);
        assert_eq!(changes.changed, added[..1]);
        drop(changes);
        assert_eq!(added[1].parent(), None);
        assert_eq!(added[1].ref_count(), 1);
        // Ours, the family's and the parent's.
        assert_eq!(added[0].ref_count(), 3);
        assert_eq!(family.regions(), [region(3)]);
        drop(family);
        assert_eq!(added[0].parent(), None);
        assert_eq!(added[0].ref_count(), 1);
    }

    #[test]
    fn children_outlive_their_element_without_a_parent() {
        let element = element();
        let regions = gst::Array::new([gst::Array::new([1, 2, 3, 4])]);
        element.set_property("mask-regions", regions);
        let child = element.child_by_name("region0").unwrap();
        let child = child.downcast::<PropainterRegion>().unwrap();
        assert!(child.parent().is_some());
        let weak = element.downgrade();
        drop(element);
        assert!(weak.upgrade().is_none(), "children do not keep it");
        assert_eq!(child.parent(), None);
        assert_eq!(child.ref_count(), 1);
    }

    #[test]
    fn no_lock_is_held_while_others_are_told() {
        let element = element();
        element.connect_deep_notify(None, |element, _, _| {
            element.property_value("mask-regions");
        });
        element.connect_child_removed(|element, _, _| {
            element.property_value("mask-regions");
        });
        for count in [3, 1, 2, 0] {
            let regions = vec![gst::Array::new([count, 2, 3, 4]); count as usize];
            element.set_property("mask-regions", gst::Array::new(regions));
            assert_eq!(element.children_count(), count as u32);
        }
    }

    #[test]
    fn threads_may_set_regions_at_once() {
        let element = element();
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let element = &element;
                scope.spawn(move || {
                    for round in 0..200 {
                        let count = (thread + round) % 5;
                        let regions = vec![gst::Array::new([round, 2, 3, 4]); count as usize];
                        element.set_property("mask-regions", gst::Array::new(regions));
                    }
                });
            }
        });
        let count = element.children_count();
        for index in 0..count {
            let child = element.child_by_index(index).unwrap();
            let child = child.downcast::<PropainterRegion>().unwrap();
            assert_eq!(child.name(), format!("region{index}"));
            assert!(child.parent().is_some());
        }
    }
}
