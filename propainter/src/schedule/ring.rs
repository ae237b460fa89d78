//! A queue of consecutive items of a stream.

use std::{collections::VecDeque, ops::Range};

/// The items `first..end` of a stream, counted from its start. New ones come in at the end, the
/// oldest are dropped.
#[derive(Debug)]
pub struct Ring<T> {
    first: usize,
    items: VecDeque<T>,
}

impl<T> Default for Ring<T> {
    fn default() -> Self {
        Self::from(0)
    }
}

impl<T> Ring<T> {
    /// Creates a queue whose first item will have the index `first`.
    pub fn from(first: usize) -> Self {
        Self {
            first,
            items: VecDeque::new(),
        }
    }

    /// Adds an item at the end.
    pub fn push(&mut self, item: T) {
        self.items.push_back(item);
    }

    /// Returns item `index`.
    ///
    /// # Panics
    /// If it is not held; the schedule rules that out for the inputs of its tasks.
    pub fn get(&self, index: usize) -> &T {
        &self.items[index - self.first]
    }

    /// As [`get`](Self::get), mutable.
    ///
    /// # Panics
    /// As [`get`](Self::get).
    pub fn get_mut(&mut self, index: usize) -> &mut T {
        &mut self.items[index - self.first]
    }

    /// Returns item `index` if it is held.
    pub fn find(&self, index: usize) -> Option<&T> {
        self.items.get(index.checked_sub(self.first)?)
    }

    /// As [`find`](Self::find), mutable.
    pub fn find_mut(&mut self, index: usize) -> Option<&mut T> {
        self.items.get_mut(index.checked_sub(self.first)?)
    }

    /// Returns the items of a range, all of which are held.
    pub fn range(&self, range: Range<usize>) -> impl Iterator<Item = &T> {
        self.items
            .range(range.start - self.first..range.end - self.first)
    }

    /// Returns the indices of the items held.
    pub fn indices(&self) -> Range<usize> {
        self.first..self.first + self.items.len()
    }

    /// Returns whether no item is held.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Returns the items held, the oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.items.iter()
    }

    /// Returns the items held, mutable, the oldest first.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.items.iter_mut()
    }

    /// Removes and returns every item from `index` on, which is not before the first.
    pub fn take_from(&mut self, index: usize) -> VecDeque<T> {
        let count = index.saturating_sub(self.first).min(self.items.len());
        self.items.split_off(count)
    }

    /// Drops every item before `index`.
    pub fn release_before(&mut self, index: usize) {
        let count = index.saturating_sub(self.first).min(self.items.len());
        self.items.drain(..count);
        self.first += count;
    }
}
