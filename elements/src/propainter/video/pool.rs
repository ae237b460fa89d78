//! Buffers of small pools. Whoever keeps all buffers of a pool starves the element that
//! fills them, so what is going to be kept for long is copied out of such a pool.

use gst::{glib::translate::from_glib_none, prelude::*};

/// The most buffers the buffer's pool has; `None` for no pool, or one without a limit.
fn limit(buffer: &gst::BufferRef) -> Option<u32> {
    // SAFETY: `as_ptr` is a valid GstBuffer for the whole call. Its `pool` is either null or
    // a pool that the buffer itself keeps alive, and is set for good before the pool hands
    // the buffer out; `from_glib_none` takes a reference of our own.
    let pool: Option<gst::BufferPool> = unsafe { from_glib_none((*buffer.as_ptr()).pool) };
    let (_, _, _, most) = pool?.config().params()?;
    (most > 0).then_some(most)
}

/// The buffer itself, or a copy of it where its pool has fewer than `needed` buffers.
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
