//! The device that holds the tensors.

use gemm_common::cache::CACHE_INFO;

/// The device that holds the tensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Machine {
    /// The CPU device. Its memory is the host's.
    Cpu {
        /// Number of threads of the pool that computes.
        threads: u64,
        /// Bytes of a processor's L2 cache.
        l2: u64,
    },
    /// A CUDA device, with the library's kernels and ours.
    Gpu(Gpu),
}

/// The properties of a CUDA device that memory depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gpu {
    /// Bytes of the driver's context.
    pub context: u64,
    /// Bytes of the largest single allocation that the tensor library makes.
    pub largest: u64,
    /// Bytes of the pages that its pools have already: they never shrink. 0 if they have none.
    pub page: u64,
    /// Number of pages that other engines have planned in the same pools. Larger pages replace theirs.
    pub others: u64,
}

impl Gpu {
    /// Returns a device of `total` bytes as it usually is: the library allocates at most a quarter of
    /// it at once.
    pub fn usual(total: u64) -> Self {
        Self {
            context: 500 << 20,
            largest: total / 4,
            page: 0,
            others: 0,
        }
    }
}

impl Machine {
    /// Returns whether the machine is a CUDA device.
    pub fn is_gpu(self) -> bool {
        matches!(self, Self::Gpu(_))
    }

    /// Returns the bytes of the largest single allocation.
    pub fn largest_allocation(self) -> u64 {
        match self {
            Self::Cpu { .. } => u64::MAX,
            Self::Gpu(gpu) => gpu.largest,
        }
    }

    /// Returns the CPU device of this machine. The cache size is the one that the tensor library's
    /// matrix product relies on, correct or not.
    pub fn this_cpu() -> Self {
        Self::Cpu {
            threads: rayon::current_num_threads() as u64,
            l2: CACHE_INFO[1].cache_bytes as u64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_a_cache_and_threads() {
        let Machine::Cpu { threads, l2 } = Machine::this_cpu() else {
            panic!("a processor");
        };
        assert_eq!(threads, rayon::current_num_threads() as u64);
        assert!((64 << 10..=64 << 20).contains(&l2), "{l2} bytes");
    }
}
