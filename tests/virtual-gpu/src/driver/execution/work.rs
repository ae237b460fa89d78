//! The work of streams and graphs, and how it is done.

use std::{
    ffi::{c_int, c_void},
    sync::Arc,
    time::Instant,
};

use super::modules::{Kernel, shared_memory};
use crate::{
    driver::Driver,
    driver::memory::{faults, regions},
    handles::Handle,
    settings::Mode,
    status::{Answer, Status},
};

/// A piece of work.
#[derive(Clone, Debug)]
pub enum Work {
    /// Runs a kernel.
    Launch(Launch),
    /// Copies memory.
    Copy(Copy),
    /// Fills memory.
    Fill(Fill),
    /// Calls a function of the program's.
    Call(Callback),
    /// Reaches an event.
    Reach(Handle),
    /// Waits for a stream's work with this number.
    Await(Handle, u64),
    /// Frees memory.
    Free(u64),
    /// Runs a graph.
    Graph(Arc<[Work]>),
    /// Takes memory, which is there from the start; only seen in graphs.
    Allocate,
    /// Fails, as a test has ordered.
    Break(Status),
}

/// A launch of a kernel.
#[derive(Clone, Debug)]
pub struct Launch {
    /// The kernel.
    pub kernel: Arc<Kernel>,
    /// Blocks.
    pub grid: [u32; 3],
    /// Threads of a block.
    pub block: [u32; 3],
    /// Bytes of dynamic shared memory.
    pub shared: u32,
    /// The bytes of each parameter.
    pub parameters: Vec<Box<[u128]>>,
    /// Whether it reads an illegal address, as a test has ordered.
    pub breaks: bool,
}

/// One side of a copy.
#[derive(Clone, Debug)]
pub enum Side {
    /// Host memory: address, and whether it is pinned.
    Host(u64, bool),
    /// Bytes of pageable host memory, which the driver takes when the copy is ordered.
    Staged(Arc<[u8]>),
    /// Device memory.
    Device(u64),
}

/// A copy of rows.
#[derive(Clone, Debug)]
pub struct Copy {
    /// Where from, and bytes from one row to the next.
    pub source: (Side, u64),
    /// Where to, and bytes from one row to the next.
    pub target: (Side, u64),
    /// Bytes of a row.
    pub width: u64,
    /// Rows.
    pub height: u64,
}

/// A fill of rows with a pattern.
#[derive(Clone, Debug)]
pub struct Fill {
    /// The first byte.
    pub address: u64,
    /// Bytes from one row to the next.
    pub pitch: u64,
    /// The pattern.
    pub pattern: Vec<u8>,
    /// Patterns in a row.
    pub width: u64,
    /// Rows.
    pub height: u64,
}

/// A function of the program's and its argument.
#[derive(Clone, Debug)]
pub struct Callback {
    /// `CUhostFn`.
    pub function: extern "C" fn(*mut c_void),
    /// The address of what it gets.
    pub data: u64,
}

/// Where work comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A stream.
    Stream,
    /// A graph, which was counted as a whole.
    Graph,
}

impl Copy {
    /// Returns whether one side is host memory.
    fn crosses_the_bus(&self) -> bool {
        !matches!(
            (&self.source.0, &self.target.0),
            (Side::Device(_), Side::Device(_))
        )
    }
}

impl Work {
    /// Returns the `CUgraphNodeType` of this work in a graph.
    pub fn node_kind(&self) -> c_int {
        match self {
            Self::Launch(_) | Self::Break(_) => 0,
            Self::Copy(_) => 1,
            Self::Fill(_) => 2,
            Self::Call(_) => 3,
            Self::Graph(_) => 4,
            Self::Reach(_) | Self::Await(..) => 5,
            Self::Allocate => 10,
            Self::Free(_) => 11,
        }
    }
}

impl Driver {
    /// Counts work that a stream is given, and decides whether it fails.
    ///
    /// # Errors
    /// `CUDA_ERROR_INVALID_HANDLE` if the context is gone.
    pub fn count(&mut self, context: Handle, mut work: Work) -> Answer<Work> {
        let device = self.contexts.get(context)?.device;
        let device = &mut self.devices[device];
        match &mut work {
            Work::Launch(launch) => {
                device.counts.launches += 1;
                launch.breaks = device.failures.breaks_launch();
            }
            Work::Graph(work) => {
                device.counts.launches += 1;
                device.counts.graph_launches += 1;
                if device.failures.breaks_launch() {
                    let mut copies = work.to_vec();
                    for copy in &mut copies {
                        if let Work::Launch(launch) = copy {
                            launch.breaks = true;
                        }
                    }
                    *work = copies.into();
                }
            }
            Work::Copy(copy) if copy.crosses_the_bus() && device.failures.breaks_copy() => {
                work = Work::Break(Status::ILLEGAL_ADDRESS);
            }
            _ => {}
        }
        Ok(work)
    }

    /// Does a piece of work. The work of a context that has failed is left.
    ///
    /// # Errors
    /// `CUDA_ERROR_INVALID_VALUE` if memory is not allocated as it must be.
    pub fn perform(&mut self, context: Handle, ticket: u64, work: &Work, origin: Origin) -> Answer {
        let found = self.contexts.get(context)?;
        let broken = found.failing.or(found.failed).is_some();
        let device = found.device;
        match work {
            Work::Reach(event) => {
                if let Ok(event) = self.events.get_mut(*event) {
                    event.reached = Some(Instant::now());
                }
                Ok(())
            }
            Work::Free(address) => self.free(*address),
            _ if broken => Ok(()),
            Work::Launch(launch) => self.perform_launch(context, device, launch, origin),
            Work::Copy(copy) => self.perform_copy(device, copy),
            Work::Fill(fill) => self.perform_fill(device, fill),
            Work::Break(status) => {
                self.contexts.get_mut(context)?.failing = Some(*status);
                Ok(())
            }
            Work::Call(callback) => {
                (callback.function)(callback.data as *mut c_void);
                Ok(())
            }
            Work::Await(stream, last) if *stream != Handle::NULL => match self.streams.get(*stream)
            {
                Ok(_) => self.run(*stream, (*last).min(ticket)),
                Err(_) => Ok(()),
            },
            Work::Graph(work) => self.perform_graph(context, ticket, work),
            Work::Await(..) | Work::Allocate => Ok(()),
        }
    }

    /// Checks a launch as a driver does.
    ///
    /// # Errors
    /// `CUDA_ERROR_INVALID_VALUE`, which is counted.
    pub fn check_launch(&mut self, device: usize, launch: &Launch, dynamic_shared: u32) -> Answer {
        let Launch {
            kernel,
            grid,
            block,
            shared,
            ..
        } = launch;
        let threads = block.iter().map(|&side| u64::from(side)).product::<u64>();
        let blocks_fit = grid[0] <= i32::MAX as u32 && grid[1] <= 65535 && grid[2] <= 65535;
        let threads_fit = threads <= 1024 && block[2] <= 64;
        let none = grid.contains(&0) || block.contains(&0);
        let declared = kernel.threads.is_none_or(|sides| match kernel.required {
            true => sides == *block,
            false => threads <= sides.iter().map(|&side| u64::from(side)).product(),
        });
        let room = shared_memory(self.settings.sm);
        let shared_fits = *shared <= dynamic_shared && shared + kernel.shared <= room;
        if none || !blocks_fit || !threads_fit || !declared || !shared_fits {
            self.counts(device).refused_work += 1;
            eprintln!(
                "virtual GPU: refused: {} with grid {grid:?}, block {block:?}, {shared} bytes shared",
                kernel.name
            );
            return Err(Status::INVALID_VALUE);
        }
        Ok(())
    }

    fn perform_launch(
        &mut self,
        context: Handle,
        device: usize,
        launch: &Launch,
        origin: Origin,
    ) -> Answer {
        let counters = &mut self.devices[device];
        counters.counts.kernels += 1;
        let name = &launch.kernel.name;
        if !counters.kernels.contains_key(name) {
            counters.kernels.insert(name.clone(), Default::default());
        }
        if let Some(kernel) = counters.kernels.get_mut(name) {
            kernel.runs += 1;
            kernel.in_graphs += u64::from(origin == Origin::Graph);
            (kernel.grid, kernel.block) = (launch.grid, launch.block);
            kernel.shared = launch.shared;
        }
        let status = match (launch.breaks, self.settings.mode) {
            (true, _) => Some(Status::ILLEGAL_ADDRESS),
            (false, Mode::Count) => None,
            (false, Mode::Compute) => compute(launch),
        };
        if let Some(status) = status {
            self.contexts.get_mut(context)?.failing = Some(status);
        }
        Ok(())
    }

    fn perform_copy(&mut self, device: usize, copy: &Copy) -> Answer {
        let (width, height) = (copy.width, copy.height);
        let bytes = width * height;
        if bytes == 0 {
            return Ok(());
        }
        for (side, pitch) in [&copy.source, &copy.target] {
            if let Side::Device(address) = side {
                regions::check(*address, pitch * (height - 1) + width)?;
            }
        }
        let counts = self.counts(device);
        match (&copy.source.0, &copy.target.0) {
            (Side::Device(_), Side::Device(_)) => {
                counts.device_copies += 1;
                counts.device_copy_bytes += bytes;
            }
            (Side::Device(_), target) => {
                counts.downloads += 1;
                counts.download_bytes += bytes;
                counts.downloads_pinned += u64::from(matches!(target, Side::Host(_, true)));
            }
            (source, _) => {
                counts.uploads += 1;
                counts.upload_bytes += bytes;
                counts.uploads_pinned += u64::from(matches!(source, Side::Host(_, true)));
            }
        }
        faults::running("a copy");
        let address = |side: &Side| match side {
            Side::Host(address, _) | Side::Device(address) => *address,
            Side::Staged(bytes) => bytes.as_ptr() as u64,
        };
        let (source, target) = (address(&copy.source.0), address(&copy.target.0));
        for row in 0..height {
            let source = (source + row * copy.source.1) as *const u8;
            let target = (target + row * copy.target.1) as *mut u8;
            // SAFETY: device memory was checked above. The program says that host memory has these
            // rows, as it says to NVIDIA's driver. `copy` allows rows that overlap.
            unsafe { std::ptr::copy(source, target, width as usize) };
        }
        faults::running("");
        Ok(())
    }

    fn perform_fill(&mut self, device: usize, fill: &Fill) -> Answer {
        let size = fill.pattern.len() as u64;
        let row = fill.width * size;
        if row * fill.height == 0 {
            return Ok(());
        }
        regions::check(fill.address, fill.pitch * (fill.height - 1) + row)?;
        self.counts(device).fills += 1;
        faults::running("a fill");
        for y in 0..fill.height {
            let start = (fill.address + y * fill.pitch) as *mut u8;
            // SAFETY: these bytes are allocated, as was just checked; only kernels and copies use
            // them, and those run under the driver's lock.
            let row = unsafe { std::slice::from_raw_parts_mut(start, row as usize) };
            for cell in row.chunks_exact_mut(fill.pattern.len()) {
                cell.copy_from_slice(&fill.pattern);
            }
        }
        faults::running("");
        Ok(())
    }
}

/// Computes a kernel; returns the failure that the context gets.
fn compute(launch: &Launch) -> Option<Status> {
    let name = &launch.kernel.name;
    faults::running(name);
    let computed = launch.kernel.computed.as_ref();
    let kernel = computed.and_then(|module| module.0.kernel(name));
    let Some(kernel) = kernel else {
        eprintln!("virtual GPU: {name} was not translated");
        return Some(Status::LAUNCH_FAILED);
    };
    let parameters = launch.parameters.iter();
    let mut parameters: Vec<_> = parameters.map(|p| p.as_ptr() as *mut c_void).collect();
    // SAFETY: each parameter was copied with the size that the kernel declares.
    let done = unsafe {
        kernel.launch(
            launch.grid,
            launch.block,
            launch.shared,
            parameters.as_mut_ptr(),
        )
    };
    faults::running("");
    match done {
        Ok(()) => None,
        Err(error) => {
            eprintln!("virtual GPU: {name}: {error}");
            Some(Status::LAUNCH_FAILED)
        }
    }
}
