//! The pages of a GPU's pools.

use super::Gpu;

/// Pages of one size, from which the pools of a GPU serve all allocations but those of the weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pages {
    /// Bytes of a page.
    pub bytes: u64,
    /// Number of pages.
    pub count: u64,
    /// Bytes by which the pages of other engines in the same pools grow.
    pub growth: u64,
}

impl Pages {
    /// Returns the pages for `working` bytes in allocations of at most `largest` bytes: one, where `gpu`
    /// can allocate it. Each further one leaves up to the largest allocation free at its end.
    pub(super) fn of(working: u64, largest: u64, gpu: Gpu) -> Self {
        let needed = |count: u64| working + (count - 1) * largest;
        let fits = |count: &u64| needed(*count).div_ceil(*count) <= gpu.largest;
        let count = (1..MOST_PAGES).find(fits).unwrap_or(MOST_PAGES);
        let bytes = needed(count).div_ceil(count).max(largest + PAGE_SLACK);
        let bytes = bytes.next_multiple_of(1 << 20).max(gpu.page);
        Self {
            bytes,
            count: (1..count)
                .find(|count| needed(*count) <= count * bytes)
                .unwrap_or(count),
            growth: gpu.others * (bytes - gpu.page),
        }
    }

    /// Returns the bytes of all pages, with the growth of others.
    pub(super) fn all(self) -> u64 {
        self.count * self.bytes + self.growth
    }

    /// Returns the allocation that makes the pools open such pages: they add some room to it.
    pub fn to_open(self) -> u64 {
        self.bytes.saturating_sub(PAGE_SLACK)
    }
}

/// Bytes by which a page of the tensor library is larger than the allocation that it was opened for.
const PAGE_SLACK: u64 = 1 << 20;

/// The most pages that a plan has. A device allocates a quarter of its memory at once.
const MOST_PAGES: u64 = 8;

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn pages(working: u64, largest: u64, gpu: Gpu) -> Pages {
        Pages::of(working * MIB, largest * MIB, gpu)
    }

    #[test]
    fn pages_are_as_few_as_the_device_allows_and_no_smaller_than_those_it_has() {
        let gpu = Gpu {
            context: 0,
            largest: u64::MAX,
            page: 0,
            others: 0,
        };
        let one = pages(1000, 300, gpu);
        assert_eq!(
            (one.bytes, one.count, one.all()),
            (1000 * MIB, 1, 1000 * MIB)
        );
        assert_eq!(pages(200, 200, gpu).bytes, 201 * MIB);
        // Each further page may leave as much as the largest allocation free.
        let largest = 700 * MIB;
        let two = pages(1000, 300, Gpu { largest, ..gpu });
        assert_eq!((two.bytes, two.count), (650 * MIB, 2));
        let page = 400 * MIB;
        let grown = pages(
            1000,
            300,
            Gpu {
                page,
                others: 3,
                ..gpu
            },
        );
        assert_eq!((grown.bytes, grown.all()), (1000 * MIB, 2800 * MIB));
        let page = 4000 * MIB;
        let kept = pages(
            1000,
            300,
            Gpu {
                page,
                others: 3,
                ..gpu
            },
        );
        assert_eq!((kept.bytes, kept.all()), (page, page));
    }

    #[test]
    fn what_opens_a_page_is_smaller_by_what_the_library_adds() {
        assert_eq!(pages(200, 10, Gpu::usual(u64::MAX)).to_open(), 199 * MIB);
    }
}
