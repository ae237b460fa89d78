//! A launch: blocks on several threads of the CPU, the threads of a block in turn.

use std::{
    ffi::c_void,
    ptr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use super::{
    object::{Form, Object},
    state::{Block, Thread},
};

/// Why a thread stopped: the first numbers of the list in `state.h`, then faults.
const FINISHED: u32 = 0;
const BARRIER: u32 = 1;
const WARP: u32 = 2;
/// Not a reason: the thread may go on.
const READY: u32 = u32::MAX;

/// The size of `struct Copies` in `state.h`, in bytes.
const COPIES: usize = 8 + 256 * 32;

/// Work below this is not worth another thread.
const WORTH_A_THREAD: Duration = Duration::from_micros(300);

/// The lanes of a warp.
const LANES: usize = 32;

/// A kernel of a loaded module.
pub struct Kernel {
    name: String,
    form: Form,
    text: Arc<str>,
    /// Keeps the code in memory.
    _object: Arc<Object>,
}

impl Kernel {
    pub(super) fn new(form: Form, object: Arc<Object>, text: Arc<str>) -> Self {
        Self {
            name: form.name(),
            form,
            text,
            _object: object,
        }
    }

    /// Returns the kernel's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the number of its parameters.
    pub fn parameters(&self) -> usize {
        self.form.parameters as usize
    }

    /// Runs a grid of blocks; `dynamic_shared` is in bytes.
    ///
    /// # Errors
    ///
    /// Returns the kernel's name and what it did wrong: a block size that it does not take, a barrier
    /// that not all threads reach, an access that is not aligned or beyond shared memory.
    ///
    /// # Safety
    ///
    /// `parameters` leads to as many pointers as the kernel has parameters, each to a value of the
    /// parameter's size; every address that the kernel computes from them and accesses is valid.
    pub unsafe fn launch(
        &self,
        grid: [u32; 3],
        block: [u32; 3],
        dynamic_shared: u32,
        parameters: *mut *mut c_void,
    ) -> Result<(), String> {
        let required = self.form.required;
        if required != [0; 3] && required != block {
            return Err(format!(
                "{}: a block of {block:?} threads, where the kernel takes {required:?}",
                self.name
            ));
        }
        let threads = block.iter().map(|&n| u64::from(n)).product::<u64>();
        if !(1..=1024).contains(&threads) {
            return Err(format!("{}: a block of {block:?} threads", self.name));
        }
        let blocks = grid.iter().map(|&n| u64::from(n)).product::<u64>();
        if blocks == 0 {
            return Err(format!("{}: a grid of {grid:?} blocks", self.name));
        }
        let launch = Launch {
            kernel: self,
            grid,
            block,
            dynamic_shared,
            parameters,
        };
        let begun = Instant::now();
        let mut arena = Arena::new(&launch);
        arena.run(&launch, 0)?;
        let rest = begun
            .elapsed()
            .saturating_mul((blocks - 1).min(1 << 20) as u32);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let workers = if self.form.sequential == 1 || rest < WORTH_A_THREAD {
            1
        } else {
            cores.min(blocks as usize - 1)
        };
        let next = AtomicU64::new(1);
        // The error of the first block that fails, whatever the order in which they run.
        let failed: Mutex<Option<(u64, String)>> = Mutex::new(None);
        let work = |arena: &mut Arena| loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= blocks {
                return;
            }
            if let Err(error) = arena.run(&launch, index) {
                let mut failed = failed.lock().unwrap_or_else(|held| held.into_inner());
                if failed.as_ref().is_none_or(|(other, _)| index < *other) {
                    *failed = Some((index, error));
                }
                next.store(blocks, Ordering::Relaxed);
                return;
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..workers {
                scope.spawn(|| work(&mut Arena::new(&launch)));
            }
            work(&mut arena);
        });
        let failed = failed.into_inner().unwrap_or_else(|held| held.into_inner());
        failed.map_or(Ok(()), |(_, error)| Err(error))
    }

    /// Returns a message with the line of the PTX.
    fn fault(&self, stop: u32, block: &Block) -> String {
        let line = block.line as usize;
        let text = self.text.lines().nth(line.saturating_sub(1)).unwrap_or("");
        let what = match stop {
            3 => "an address that is not aligned",
            4 => "an address beyond shared memory",
            5 => "a trap, or a matrix instruction that not all lanes reach",
            _ => "too many asynchronous copies without a wait",
        };
        format!(
            "{}: line {line}: {what} ({:#x}) in block {:?}: {}",
            self.name,
            block.address,
            block.at,
            text.trim()
        )
    }
}

/// What all blocks of a launch have in common.
struct Launch<'k> {
    kernel: &'k Kernel,
    grid: [u32; 3],
    block: [u32; 3],
    dynamic_shared: u32,
    parameters: *mut *mut c_void,
}

// SAFETY: the parameters are only read, and outlive the launch.
unsafe impl Sync for Launch<'_> {}

/// Memory with the alignment that shared and local variables may have.
#[repr(C, align(128))]
#[derive(Clone, Copy)]
struct Line([u8; 128]);

/// The memory of one block at a time.
struct Arena {
    shared: Vec<Line>,
    shared_size: usize,
    threads: Vec<Thread>,
    states: Vec<u32>,
    /// The threads' frames, local memory and copies: kept for the pointers in `threads`.
    _memory: [Vec<Line>; 3],
}

impl Arena {
    fn new(launch: &Launch<'_>) -> Self {
        let form = &launch.kernel.form;
        let memory = |bytes: usize| vec![Line([0; 128]); bytes.div_ceil(128)];
        let shared_size = match launch.dynamic_shared {
            0 => form.shared,
            more => form.dynamic + more,
        } as usize;
        let count = if form.cooperative == 1 {
            launch.block.iter().product::<u32>() as usize
        } else {
            0
        };
        let local = (form.local as usize).next_multiple_of(16);
        let frame = form.frame as usize;
        let copies = if form.copies == 1 { COPIES } else { 0 };
        let mut memories = [local, frame, copies].map(|size| memory(size * count));
        let [locals, frames, copy_lists] = memories.each_mut().map(|m| m.as_mut_ptr().cast::<u8>());
        let [x, y, _] = launch.block;
        let threads = (0..count).map(|i| {
            let number = i as u32;
            Thread {
                place: [number % x, number / x % y, number / x / y],
                number,
                at: 0,
                mask: 0,
                local: locals.wrapping_add(i * local),
                frame: frames.wrapping_add(i * frame),
                copies: copy_lists.wrapping_add(i * copies),
            }
        });
        Self {
            shared: memory(shared_size),
            shared_size,
            threads: threads.collect(),
            states: vec![READY; count],
            _memory: memories,
        }
    }

    /// Runs one block, given by its number in the grid.
    fn run(&mut self, launch: &Launch<'_>, index: u64) -> Result<(), String> {
        let [x, y, _] = launch.grid.map(u64::from);
        let mut block = Block {
            parameters: launch.parameters,
            shared: self.shared.as_mut_ptr().cast(),
            shared_size: self.shared_size as u64,
            at: [index % x, index / x % y, index / x / y].map(|at| at as u32),
            threads: launch.block,
            grid: launch.grid,
            line: 0,
            address: 0,
        };
        self.shared.fill(Line([0xff; 128]));
        let kernel = launch.kernel;
        if kernel.form.cooperative == 0 {
            // SAFETY: the caller of `launch` vouches for the parameters and the addresses.
            let stop = unsafe { (kernel.form.run)(&mut block, ptr::null_mut()) };
            return match stop {
                FINISHED => Ok(()),
                stop => Err(kernel.fault(stop, &block)),
            };
        }
        for (thread, state) in self.threads.iter_mut().zip(&mut self.states) {
            thread.at = 0;
            *state = READY;
        }
        loop {
            for first in (0..self.threads.len()).step_by(LANES) {
                self.warp(kernel, &mut block, first)?;
            }
            if self.meet(kernel, &block)? {
                return Ok(());
            }
        }
    }

    /// Runs a warp until each of its threads has finished or waits at a barrier of the block.
    fn warp(&mut self, kernel: &Kernel, block: &mut Block, first: usize) -> Result<(), String> {
        let lanes = first..(first + LANES).min(self.threads.len());
        loop {
            for lane in lanes.clone() {
                if self.states[lane] != READY {
                    continue;
                }
                // SAFETY: as in `run`; the thread's memory is that of this arena.
                let stop = unsafe { (kernel.form.run)(block, &mut self.threads[lane]) };
                if stop > WARP {
                    return Err(kernel.fault(stop, block));
                }
                self.states[lane] = stop;
            }
            let Some((at, group)) = self.group(kernel, &lanes)? else {
                return Ok(());
            };
            if let Some(warp) = kernel.form.warp {
                let lanes = &mut self.threads[first..];
                // SAFETY: as in `run`; the frames of the warp's threads lie one after the other.
                let stop = unsafe { warp(block, lanes.as_mut_ptr(), group, at) };
                if stop != 0 {
                    return Err(kernel.fault(stop, block));
                }
            }
            for lane in lanes.clone() {
                if group >> (lane - first) & 1 == 1 {
                    self.states[lane] = READY;
                }
            }
        }
    }

    /// Returns the warp operation that can be done next, and the lanes that take part: the earliest
    /// in the kernel that all wanted lanes have reached.
    fn group(
        &self,
        kernel: &Kernel,
        lanes: &std::ops::Range<usize>,
    ) -> Result<Option<(u32, u32)>, String> {
        let set = |wanted: &dyn Fn(usize) -> bool| -> u32 {
            let members = lanes.clone().filter(|&lane| wanted(lane));
            members.fold(0, |set, lane| set | 1 << (lane - lanes.start))
        };
        let waits = |lane: usize| self.states[lane] == WARP;
        let alive = set(&|lane| self.states[lane] != FINISHED);
        let mut after = 0;
        loop {
            let places = lanes.clone().filter(|&lane| waits(lane));
            let places = places.map(|lane| self.threads[lane].at);
            let Some(at) = places.filter(|&at| at > after).min() else {
                break;
            };
            let here = |lane: usize| waits(lane) && self.threads[lane].at == at;
            let group = set(&here);
            let wanted = lanes.clone().filter(|&lane| here(lane));
            let wanted = wanted.fold(0, |mask, lane| mask | self.threads[lane].mask);
            if wanted & alive & !group == 0 {
                return Ok(Some((at, group)));
            }
            after = at;
        }
        if lanes.clone().any(waits) {
            return Err(format!(
                "{}: a warp operation that not all lanes of its mask reach",
                kernel.name
            ));
        }
        Ok(None)
    }

    /// Lets the threads that have met at a barrier go on. Returns true if all have finished.
    fn meet(&mut self, kernel: &Kernel, block: &Block) -> Result<bool, String> {
        let waiting = self.states.iter().filter(|&&state| state == BARRIER);
        let waiting = waiting.count();
        if waiting == 0 {
            return Ok(true);
        }
        let mut warps = self.threads.chunks(LANES);
        let together = warps.all(|warp| warp.iter().all(|thread| thread.at == warp[0].at));
        if waiting < self.states.len() || !together {
            return Err(format!(
                "{}: a barrier that {waiting} of {} threads reach, in block {:?}",
                kernel.name,
                self.states.len(),
                block.at
            ));
        }
        self.states.fill(READY);
        Ok(false)
    }
}
