//! The test's side: finds the virtual GPU in the running process, reads its counts and orders
//! failures.

use std::ffi::{CString, c_char, c_int};

use libloading::Library;

use crate::{
    counters::{Counts, KernelCount, Kernels},
    status::Status,
};

/// A device of the virtual GPU in this process.
#[derive(Debug)]
pub struct Gpu {
    library: Library,
    device: c_int,
}

impl Gpu {
    /// Returns device `number` of the virtual GPU; `None` if the driver of this process is another
    /// one, or if there is none.
    pub fn find(number: usize) -> Option<Self> {
        // SAFETY: loading a driver starts nothing. The virtual one stays loaded.
        let library = unsafe { Library::new("libcuda.so.1") }.ok()?;
        let device = c_int::try_from(number).ok()?;
        let gpu = Self { library, device };
        gpu.has(c"virtual_gpu_counts").then_some(gpu)
    }

    /// Whether the driver has a function of this name.
    pub fn has(&self, name: &std::ffi::CStr) -> bool {
        // SAFETY: the symbol is not used.
        unsafe { self.library.get::<*const ()>(name.to_bytes_with_nul()) }.is_ok()
    }

    /// Returns a function of the driver.
    ///
    /// # Panics
    /// The library is not of this build.
    ///
    /// # Safety
    /// `F` is the type with which [`crate::abi::control`] declares it.
    unsafe fn function<F: Copy>(&self, name: &str) -> F {
        // SAFETY: the caller names the type.
        let symbol = unsafe { self.library.get::<F>(name.as_bytes()) };
        *symbol.unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    fn order(&self, name: &str, [n, times]: [u64; 2]) {
        // SAFETY: these functions take a device and up to two numbers; one too many does not harm.
        let status = unsafe {
            let order: extern "C" fn(c_int, u64, u64) -> Status = self.function(name);
            order(self.device, n, times)
        };
        assert_eq!(status, Status::SUCCESS, "{name}");
    }

    /// Returns what was counted since the start, or since the last reset.
    ///
    /// # Panics
    /// There is no such device.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        // SAFETY: the types are those of the declaration.
        let status = unsafe {
            let read: extern "C" fn(c_int, *mut Counts, usize) -> Status =
                self.function("virtual_gpu_counts");
            read(self.device, &mut counts, size_of::<Counts>())
        };
        assert_eq!(
            status,
            Status::SUCCESS,
            "the counts of device {}",
            self.device
        );
        counts
    }

    /// Sets all counts to zero, those of the kernels too, and the peak to what is allocated.
    pub fn reset_counts(&self) {
        self.order("virtual_gpu_reset_counts", [0; 2]);
    }

    /// Sets the peak to what is allocated.
    pub fn reset_peak(&self) {
        self.order("virtual_gpu_reset_peak", [0; 2]);
    }

    /// Lets the `n`-th allocation from now fail (1 is the next); 0 ends this.
    pub fn fail_allocation(&self, n: u64) {
        self.order("virtual_gpu_fail_allocation", [n, 1]);
    }

    /// Lets the `n`-th allocation from now fail and all after it.
    pub fn fail_allocations_from(&self, n: u64) {
        self.order("virtual_gpu_fail_allocation", [n, u64::MAX]);
    }

    /// Lets the `n`-th launch from now read an illegal address (1 is the next); 0 ends this. As on
    /// a GPU the launch succeeds. The host learns of it when it next waits, and every call in the
    /// context fails from then on, until it is destroyed.
    pub fn fail_launch(&self, n: u64) {
        self.order("virtual_gpu_fail_launch", [n, 0]);
    }

    /// Lets the `n`-th copy from now between host and device read an illegal address, as
    /// [`fail_launch`](Self::fail_launch) does for launches.
    pub fn fail_copy(&self, n: u64) {
        self.order("virtual_gpu_fail_copy", [n, 0]);
    }

    /// Lets the device fail by the `n`-th time from now that the host waits for it or asks it; 0 ends
    /// this. That call fails, and every one after it.
    pub fn fail_wait(&self, n: u64) {
        self.order("virtual_gpu_fail_wait", [n, 0]);
    }

    /// Lets allocations of more bytes fail; `None` ends this.
    pub fn limit_allocation(&self, bytes: Option<u64>) {
        self.order(
            "virtual_gpu_limit_allocation",
            [bytes.unwrap_or(u64::MAX), 0],
        );
    }

    /// Sets the bytes that other processes take of each device.
    pub fn set_others(&self, bytes: u64) {
        // SAFETY: the type is that of the declaration.
        unsafe {
            let set: extern "C" fn(u64) -> Status = self.function("virtual_gpu_set_others");
            set(bytes);
        }
    }

    /// Appends the counts to the file of `VIRTUAL_GPU_REPORT`, under a title.
    pub fn mark(&self, title: &str) {
        let title = CString::new(title).unwrap_or_default();
        // SAFETY: the type is that of the declaration, and the title ends with a zero.
        unsafe {
            let mark: extern "C" fn(*const c_char) -> Status = self.function("virtual_gpu_mark");
            mark(title.as_ptr());
        }
    }

    /// Returns the runs of each kernel by name.
    pub fn kernels(&self) -> Kernels {
        // SAFETY: the type is that of the declaration.
        let read: extern "C" fn(c_int, *mut u8, usize) -> usize =
            unsafe { self.function("virtual_gpu_kernels") };
        let lines = text(|text, room| read(self.device, text, room));
        lines.lines().filter_map(kernel).collect()
    }

    /// Returns the PTX of all modules that were loaded, in order.
    pub fn modules(&self) -> Vec<String> {
        // SAFETY: the types are those of the declarations.
        let (count, read): (
            extern "C" fn() -> usize,
            extern "C" fn(usize, *mut u8, usize) -> usize,
        ) = unsafe {
            (
                self.function("virtual_gpu_module_count"),
                self.function("virtual_gpu_module"),
            )
        };
        let modules = (0..count()).map(|n| text(|text, room| read(n, text, room)));
        modules.collect()
    }
}

/// Reads a text whose length its writer returns.
fn text(write: impl Fn(*mut u8, usize) -> usize) -> String {
    let mut bytes = vec![0; write(std::ptr::null_mut(), 0)];
    let length = write(bytes.as_mut_ptr(), bytes.len());
    bytes.truncate(length);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Reads a line that [`crate::driver::kernel_lines`] wrote.
fn kernel(line: &str) -> Option<(String, KernelCount)> {
    let mut fields = line.splitn(6, '\t');
    let mut next = || fields.next();
    let sides = |text: &str| {
        let mut sides = text.split(',').map(|side| side.parse().ok());
        Some([sides.next()??, sides.next()??, sides.next()??])
    };
    let count = KernelCount {
        runs: next()?.parse().ok()?,
        in_graphs: next()?.parse().ok()?,
        grid: sides(next()?)?,
        block: sides(next()?)?,
        shared: next()?.parse().ok()?,
    };
    Some((next()?.into(), count))
}
