//! Buffers of small pools. An element that keeps all buffers of a pool starves the element that
//! fills them, so buffers that are kept for long are copied out of such a pool.

use gst::{glib::translate::from_glib_none, prelude::*};

/// Returns the largest number of buffers in the pool of a buffer; `None` without a pool or a limit.
fn limit(buffer: &gst::BufferRef) -> Option<u32> {
    // SAFETY: `as_ptr` is a valid GstBuffer for the whole call. Its `pool` is either null or
    // a pool that the buffer itself keeps alive, and does not change after the pool has handed the
    // buffer out; `from_glib_none` takes a reference of its own.
    let pool: Option<gst::BufferPool> = unsafe { from_glib_none((*buffer.as_ptr()).pool) };
    let (_, _, _, most) = pool?.config().params()?;
    (most > 0).then_some(most)
}

/// Returns the buffer itself, or a copy of it if its pool has fewer than `needed` buffers.
pub fn keep(buffer: gst::Buffer, needed: usize) -> gst::Buffer {
    match limit(&buffer) {
        Some(most) if (most as usize) < needed => buffer.copy_deep().unwrap_or(buffer),
        _ => buffer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(most: u32) -> gst::BufferPool {
        gst::init().unwrap();
        let pool = gst::BufferPool::new();
        let mut config = pool.config();
        config.set_params(None::<&gst::Caps>, 16, 0, most);
        pool.set_config(config).unwrap();
        pool.set_active(true).unwrap();
        pool
    }

    #[test]
    fn a_small_pool_gets_its_buffer_back() {
        let pool = pool(1);
        let buffer = pool.acquire_buffer(None).unwrap();
        assert_eq!(limit(&buffer), Some(1));
        let kept = keep(buffer, 2);
        assert_eq!(limit(&kept), None);
        // Would block for ever if the pool's only buffer was still out.
        pool.acquire_buffer(None).unwrap();
        pool.set_active(false).unwrap();
    }

    #[test]
    fn large_pools_and_none_are_left_alone() {
        for most in [0, 8] {
            let pool = pool(most);
            let buffer = pool.acquire_buffer(None).unwrap();
            let address = buffer.as_ptr();
            let kept = keep(buffer, 8);
            assert_eq!(kept.as_ptr(), address);
            drop(kept);
            pool.set_active(false).unwrap();
        }
        let buffer = gst::Buffer::with_size(16).unwrap();
        let address = buffer.as_ptr();
        assert_eq!(keep(buffer, 8).as_ptr(), address);
    }
}
