//! Memory that the driver allocates: pinned memory of the host, and memory of a device. Everything works in
//! the context that is current on the thread.

use std::{ffi::c_uint, ptr};

use crate::propainter::video::device::{
    driver::{Copy2d, DevicePointer, Driver, Handle, NOT_READY, Stream, checked},
    transfer::Rows,
};

/// An event, whose context is current when this is dropped.
#[derive(Debug)]
pub struct Event {
    driver: &'static Driver,
    handle: Handle,
}

// SAFETY: the event is this value's own, and may be used on any thread.
unsafe impl Send for Event {}
// SAFETY: as above.
unsafe impl Sync for Event {}

impl Event {
    /// Creates an event.
    ///
    /// # Errors
    /// The device fails.
    pub fn new(driver: &'static Driver) -> Result<Self, String> {
        /// `CU_EVENT_BLOCKING_SYNC | CU_EVENT_DISABLE_TIMING`.
        const FLAGS: c_uint = 1 | 2;
        let mut handle = ptr::null_mut();
        // SAFETY: the result is written to a local of its type.
        checked("cuEventCreate", unsafe {
            (driver.create_event)(&mut handle, FLAGS)
        })?;
        Ok(Self { driver, handle })
    }

    /// Begins to copy rows of the buffer at `from` to `to` on the device, one plane after the other; this
    /// is the event that it is done.
    ///
    /// # Safety
    /// The buffer at `from` holds the rows, there is room for them at `to`, and both stay until
    /// [`Event::wait`] has returned.
    pub unsafe fn begin_copy(
        &self,
        from: DevicePointer,
        rows: &[Rows],
        mut to: DevicePointer,
        stream: Stream,
    ) -> Result<(), String> {
        for &rows in rows {
            let copy = Copy2d::on_device(from, rows, to);
            // SAFETY: the caller's.
            checked("cuMemcpy2DAsync", unsafe {
                (self.driver.copy)(&raw const copy, stream)
            })?;
            to += rows.size() as DevicePointer;
        }
        self.record(stream)
    }

    fn record(&self, stream: Stream) -> Result<(), String> {
        // SAFETY: the event is this value's own.
        checked("cuEventRecord", unsafe {
            (self.driver.record)(self.handle, stream)
        })
    }

    /// Waits until the work before the event is done, if it is not yet.
    ///
    /// # Errors
    /// The device fails.
    pub fn wait(&self) -> Result<(), String> {
        // SAFETY: the event is this value's own.
        unsafe {
            match (self.driver.query)(self.handle) {
                NOT_READY => checked("cuEventSynchronize", (self.driver.wait_event)(self.handle)),
                result => checked("cuEventQuery", result),
            }
        }
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: created in `new`, and not used any more.
        unsafe { (self.driver.destroy_event)(self.handle) };
    }
}

/// Pinned memory of the host with an event. What it holds was freed or never in use by a device when
/// this is dropped; its context is current then.
#[derive(Debug)]
pub struct Pinned {
    driver: &'static Driver,
    bytes: *mut u8,
    size: usize,
    event: Event,
}

// SAFETY: memory and event are this value's own, and may be used on any thread.
unsafe impl Send for Pinned {}
// SAFETY: as above; `&self` only reads the memory.
unsafe impl Sync for Pinned {}

impl Pinned {
    /// Allocates `size` bytes, which is not 0.
    ///
    /// # Errors
    /// There is too little memory, or the device fails.
    pub fn new(driver: &'static Driver, size: usize) -> Result<Self, String> {
        let event = Event::new(driver)?;
        let mut bytes = ptr::null_mut();
        // SAFETY: the result is written to a local of its type.
        unsafe {
            checked("cuMemAllocHost", (driver.pin)(&mut bytes, size))?;
            // The bytes are read as such before a device has written all of them.
            ptr::write_bytes(bytes.cast::<u8>(), 0, size);
        }
        Ok(Self {
            driver,
            bytes: bytes.cast(),
            size,
            event,
        })
    }

    /// Returns the number of bytes.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Returns the bytes. No device writes them: see [`Pinned::wait`].
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: allocated and set in `new`.
        unsafe { std::slice::from_raw_parts(self.bytes, self.size) }
    }

    /// Returns the bytes for writing.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `bytes`.
        unsafe { std::slice::from_raw_parts_mut(self.bytes, self.size) }
    }

    /// Begins to copy rows of the buffer at `from` into this, one plane after the other.
    ///
    /// # Safety
    /// The buffer at `from` holds the rows, and stays until [`Pinned::wait`] has returned. The bytes are
    /// not used until then.
    pub unsafe fn begin_download(
        &mut self,
        from: DevicePointer,
        rows: &[Rows],
        stream: Stream,
    ) -> Result<(), String> {
        let mut to = 0;
        for &rows in rows {
            let end = to + rows.size();
            assert!(end <= self.size, "room for the rows");
            // SAFETY: there is room, as was just checked; the rest is the caller's.
            let copy = Copy2d::to_host(from, rows, unsafe { self.bytes.add(to) });
            // SAFETY: as above.
            checked("cuMemcpy2DAsync", unsafe {
                (self.driver.copy)(&raw const copy, stream)
            })?;
            to = end;
        }
        self.event.record(stream)
    }

    /// Waits until the bytes are there, if they are not yet.
    ///
    /// # Errors
    /// The device fails.
    pub fn wait(&self) -> Result<(), String> {
        self.event.wait()
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        // SAFETY: allocated in `new`, and not used any more.
        unsafe { (self.driver.unpin)(self.bytes.cast()) };
    }
}

/// Device memory. Its context is current when this is dropped.
#[derive(Debug)]
pub struct DeviceBytes {
    driver: &'static Driver,
    address: DevicePointer,
}

impl DeviceBytes {
    /// Allocates `size` bytes, which is not 0.
    ///
    /// # Errors
    /// There is too little memory, or the device fails.
    pub fn new(driver: &'static Driver, size: usize) -> Result<Self, String> {
        let mut address = 0;
        // SAFETY: the result is written to a local of its type.
        checked("cuMemAlloc", unsafe {
            (driver.allocate)(&mut address, size)
        })?;
        Ok(Self { driver, address })
    }

    /// Returns the address.
    pub fn address(&self) -> DevicePointer {
        self.address
    }

    /// Begins to copy the first `size` bytes of `from`.
    ///
    /// # Safety
    /// This holds as many. They stay as they are until the stream has done it.
    pub unsafe fn begin_upload(
        &self,
        from: &Pinned,
        size: usize,
        stream: Stream,
    ) -> Result<(), String> {
        let from = &from.bytes()[..size];
        // SAFETY: the caller's.
        checked("cuMemcpyHtoDAsync", unsafe {
            (self.driver.upload)(self.address, from.as_ptr().cast(), size, stream)
        })
    }
}

impl Drop for DeviceBytes {
    fn drop(&mut self) {
        // SAFETY: allocated in `new`. The driver frees it after the work that uses it.
        unsafe { (self.driver.free)(self.address) };
    }
}
