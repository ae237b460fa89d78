//! The counts of a device.

use std::collections::BTreeMap;

/// Counts of one device since the start, or since they were reset. Bytes are those the program
/// asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Counts {
    /// Launches that the host asked for: kernels, and graphs, each of them as one.
    pub launches: u64,
    /// Launches of graphs.
    pub graph_launches: u64,
    /// Kernels that ran, those of graphs included.
    pub kernels: u64,
    /// Copies from the host to the device.
    pub uploads: u64,
    /// Uploads from pinned memory.
    pub uploads_pinned: u64,
    /// Bytes of all uploads.
    pub upload_bytes: u64,
    /// Copies from the device to the host.
    pub downloads: u64,
    /// Downloads to pinned memory.
    pub downloads_pinned: u64,
    /// Bytes of all downloads.
    pub download_bytes: u64,
    /// Copies from device memory to device memory.
    pub device_copies: u64,
    /// Bytes of those copies.
    pub device_copy_bytes: u64,
    /// Fills of device memory.
    pub fills: u64,
    /// Calls in which the host waited for a stream.
    pub stream_waits: u64,
    /// Calls in which the host waited for an event.
    pub event_waits: u64,
    /// Calls in which the host waited for a context.
    pub context_waits: u64,
    /// Copies that the host waited for: synchronous ones, and downloads to pageable memory.
    pub waiting_copies: u64,
    /// Events recorded.
    pub events_recorded: u64,
    /// Waits of one stream for another: the host does not wait.
    pub streams_ordered: u64,
    /// Allocations of device memory that succeeded.
    pub allocations: u64,
    /// Allocations that were in the order of a stream.
    pub ordered_allocations: u64,
    /// Allocations that were refused.
    pub refused_allocations: u64,
    /// Allocations that were freed.
    pub frees: u64,
    /// Bytes allocated now.
    pub bytes: u64,
    /// The most bytes allocated at once.
    pub peak_bytes: u64,
    /// Bytes of the largest allocation.
    pub largest_allocation: u64,
    /// Bytes of pinned host memory now.
    pub pinned_bytes: u64,
    /// The most bytes of pinned memory at once.
    pub peak_pinned_bytes: u64,
    /// Modules loaded.
    pub modules: u64,
    /// Streams created.
    pub streams: u64,
    /// Graphs made executable.
    pub graphs: u64,
    /// Launches and copies that were refused for their arguments.
    pub refused_work: u64,
}

impl Counts {
    /// Returns how often the host waited.
    pub fn waits(&self) -> u64 {
        self.stream_waits + self.event_waits + self.context_waits + self.waiting_copies
    }

    /// Adds an allocation.
    pub fn allocated(&mut self, bytes: u64) {
        self.allocations += 1;
        self.largest_allocation = self.largest_allocation.max(bytes);
        self.grow(bytes);
    }

    /// Adds bytes without an allocation of the program's.
    pub fn grow(&mut self, bytes: u64) {
        self.bytes += bytes;
        self.peak_bytes = self.peak_bytes.max(self.bytes);
    }

    /// Sets everything to zero but what is allocated now.
    pub fn reset(&mut self) {
        *self = Self {
            bytes: self.bytes,
            peak_bytes: self.bytes,
            pinned_bytes: self.pinned_bytes,
            peak_pinned_bytes: self.pinned_bytes,
            ..Self::default()
        };
    }
}

impl std::ops::Sub for Counts {
    type Output = Self;

    /// Returns what was counted after `earlier`. What is a state (bytes, peaks, the largest) stays.
    fn sub(self, earlier: Self) -> Self {
        Self {
            launches: self.launches - earlier.launches,
            graph_launches: self.graph_launches - earlier.graph_launches,
            kernels: self.kernels - earlier.kernels,
            uploads: self.uploads - earlier.uploads,
            uploads_pinned: self.uploads_pinned - earlier.uploads_pinned,
            upload_bytes: self.upload_bytes - earlier.upload_bytes,
            downloads: self.downloads - earlier.downloads,
            downloads_pinned: self.downloads_pinned - earlier.downloads_pinned,
            download_bytes: self.download_bytes - earlier.download_bytes,
            device_copies: self.device_copies - earlier.device_copies,
            device_copy_bytes: self.device_copy_bytes - earlier.device_copy_bytes,
            fills: self.fills - earlier.fills,
            stream_waits: self.stream_waits - earlier.stream_waits,
            event_waits: self.event_waits - earlier.event_waits,
            context_waits: self.context_waits - earlier.context_waits,
            waiting_copies: self.waiting_copies - earlier.waiting_copies,
            events_recorded: self.events_recorded - earlier.events_recorded,
            streams_ordered: self.streams_ordered - earlier.streams_ordered,
            allocations: self.allocations - earlier.allocations,
            ordered_allocations: self.ordered_allocations - earlier.ordered_allocations,
            refused_allocations: self.refused_allocations - earlier.refused_allocations,
            frees: self.frees - earlier.frees,
            modules: self.modules - earlier.modules,
            streams: self.streams - earlier.streams,
            graphs: self.graphs - earlier.graphs,
            refused_work: self.refused_work - earlier.refused_work,
            ..self
        }
    }
}

/// The launches of one kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KernelCount {
    /// Runs, those of graphs included.
    pub runs: u64,
    /// Runs in graphs.
    pub in_graphs: u64,
    /// Blocks of the last run.
    pub grid: [u32; 3],
    /// Threads of a block of the last run.
    pub block: [u32; 3],
    /// Bytes of dynamic shared memory of the last run.
    pub shared: u32,
}

/// Kernels by name.
pub type Kernels = BTreeMap<String, KernelCount>;
