//! The children `region0`, `region1`, … of an element, which are the value of `mask-regions`.

use gst::{glib, prelude::*};
use parking_lot::Mutex;

use crate::propainter::masks::regions::{Region, object::PropainterRegion};

/// The regions of one element, which is their parent.
#[derive(Default)]
pub struct RegionChildren(Mutex<Vec<PropainterRegion>>);

/// The changes by [`RegionChildren::set`], to be announced with no lock held.
#[derive(Default)]
pub struct RegionChanges {
    pub changed: Vec<PropainterRegion>,
    pub added: Vec<PropainterRegion>,
    pub removed: Vec<PropainterRegion>,
    /// Holds back the notifications of the children about their parent.
    frozen: Vec<glib::object::PropertyNotificationFreezeGuard>,
}

impl RegionChildren {
    /// Returns the rectangles.
    pub fn regions(&self) -> Vec<Region> {
        self.0.lock().iter().map(PropainterRegion::region).collect()
    }

    /// Returns the children.
    pub fn children(&self) -> Vec<PropainterRegion> {
        self.0.lock().clone()
    }

    /// Adds, changes and removes children so that their rectangles are `wanted`. `parent` is the
    /// element that these regions belong to.
    pub fn set(&self, parent: &gst::Element, wanted: &[Region]) -> RegionChanges {
        let mut changes = RegionChanges::default();
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
            // SAFETY: a parent must outlive its children's pointer to it. Under one lock the child
            // gets its parent and its place in `children`, which it leaves only with `unparent`,
            // here and in `clear`. `clear` runs when the element is disposed of, and again when the
            // regions are dropped. A `Context` drops them before the element, and without a
            // context the element itself drops them, before its memory is freed.
            let adopted = unsafe { child.set_parent(parent) };
            // A new child has no other parent.
            if let Ok(reference) = adopted {
                // The parent's reference, released by `unparent`.
                std::mem::forget(reference);
                children.push(child.clone());
                changes.added.push(child);
            }
        }
        changes
    }

    /// Removes all children.
    pub fn clear(&self) {
        let children = std::mem::take(&mut *self.0.lock());
        for child in children {
            child.unparent();
        }
    }
}

impl Drop for RegionChildren {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::propainter::Propainter;

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
    fn children_have_a_parent_as_long_as_they_are_in_the_list() {
        let element = element();
        let regions = RegionChildren::default();
        let added = regions
            .set(element.upcast_ref(), &[region(1), region(2)])
            .added;
        let parent = Some(element.clone().upcast::<gst::Object>());
        assert!(added.iter().all(|child| child.parent() == parent));
        let changes = regions.set(element.upcast_ref(), &[region(3)]);
        assert_eq!(changes.removed, added[1..]);
        assert_eq!(changes.changed, added[..1]);
        drop(changes);
        assert_eq!(added[1].parent(), None);
        assert_eq!(added[1].ref_count(), 1);
        // Ours, the one in the list and the parent's.
        assert_eq!(added[0].ref_count(), 3);
        assert_eq!(regions.regions(), [region(3)]);
        drop(regions);
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
    fn no_lock_is_held_during_notifications() {
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
    fn threads_may_set_regions_concurrently() {
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
