//! The handles that the driver gives out. They point nowhere, so a handle that is used after its
//! object was destroyed, or in place of another kind, is found.

use std::collections::HashMap;

use crate::status::{Answer, Status};

/// An opaque pointer of the driver's interface (`CUstream`, `CUcontext` and the like).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
#[repr(transparent)]
pub struct Handle(pub u64);

impl Handle {
    /// The null pointer: no context, the default stream.
    pub const NULL: Self = Self(0);
}

/// The objects of one kind that exist.
#[derive(Debug)]
pub struct Table<T> {
    kind: u8,
    last: u64,
    objects: HashMap<Handle, T>,
}

impl<T> Table<T> {
    /// Makes an empty table; `kind` tells its handles from those of other tables.
    pub fn new(kind: u8) -> Self {
        Self {
            kind,
            last: 0,
            objects: HashMap::new(),
        }
    }

    /// Adds an object and returns its handle, which is never used again.
    pub fn insert(&mut self, object: T) -> Handle {
        self.last += 1;
        // An address that no process of x86-64 or AArch64 has.
        let handle = Handle(0x4750_0000_0000_0000 | u64::from(self.kind) << 40 | self.last << 4);
        self.objects.insert(handle, object);
        handle
    }

    /// Returns an object.
    ///
    /// # Errors
    /// `CUDA_ERROR_INVALID_HANDLE`.
    pub fn get(&self, handle: Handle) -> Answer<&T> {
        self.objects.get(&handle).ok_or(Status::INVALID_HANDLE)
    }

    /// Returns an object to be changed; errors as [`get`](Self::get).
    pub fn get_mut(&mut self, handle: Handle) -> Answer<&mut T> {
        self.objects.get_mut(&handle).ok_or(Status::INVALID_HANDLE)
    }

    /// Takes an object out; errors as [`get`](Self::get).
    pub fn remove(&mut self, handle: Handle) -> Answer<T> {
        self.objects.remove(&handle).ok_or(Status::INVALID_HANDLE)
    }

    /// Keeps the objects for which `keep` holds.
    pub fn retain(&mut self, mut keep: impl FnMut(&T) -> bool) {
        self.objects.retain(|_, object| keep(object));
    }

    /// Goes over all objects, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (Handle, &T)> {
        self.objects
            .iter()
            .map(|(handle, object)| (*handle, object))
    }

    /// Goes over all objects, in no order.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.objects.values_mut()
    }
}
