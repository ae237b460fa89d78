//! Frames in CUDA memory. All work goes into the stream of a frame's memory, in the context that
//! GStreamer made it in, so the order is kept without waiting. The host waits once, before a written frame
//! goes on; a download is asked for when it is needed, and waited for only if it is not there yet.

use std::{ffi::c_void, sync::Arc};

use parking_lot::Mutex;

use crate::propainter::video::device::{
    driver::{DevicePointer, Driver, Stream},
    gst_cuda::{CudaContext, GstCuda, Place},
    memory::{DeviceBytes, Event, Pinned},
    merge::MergeKernel,
    transfer::{Bits, DeviceCopy, DeviceTransfer, Download, Rows},
};

/// Memory for new bits grows by whole multiples of this.
const STEP: usize = 1 << 20;

/// The libraries, loaded once.
#[derive(Debug)]
pub struct Libraries {
    pub driver: Driver,
    pub gst: GstCuda,
}

impl Libraries {
    /// Loads both; `None` if one is missing.
    pub fn load() -> Option<Self> {
        Some(Self {
            driver: Driver::load()?,
            gst: GstCuda::load()?,
        })
    }
}

/// The frames of one stream.
#[derive(Debug)]
pub struct CudaFrames {
    libraries: &'static Libraries,
    /// What the context of the last frame has.
    resources: Mutex<Option<Arc<Resources>>>,
}

impl CudaFrames {
    /// Returns what frames of a stream need. Everything else is allocated when the first one comes.
    pub fn new(libraries: &'static Libraries) -> Self {
        Self {
            libraries,
            resources: Mutex::default(),
        }
    }

    /// Returns what a context has.
    fn resources(&self, context: CudaContext) -> Arc<Resources> {
        let mut resources = self.resources.lock();
        match &*resources {
            Some(known) if known.context == context => known.clone(),
            // The frames come from another device from here on.
            _ => {
                let new = Arc::new(Resources {
                    libraries: self.libraries,
                    context,
                    idle: Mutex::default(),
                    events: Mutex::default(),
                    writer: Mutex::default(),
                });
                resources.insert(new).clone()
            }
        }
    }
}

impl DeviceTransfer for CudaFrames {
    fn read(&self, buffer: &gst::BufferRef, rows: &[Rows]) -> Result<Box<dyn Download>, String> {
        let Place {
            address,
            context,
            stream,
        } = self.libraries.gst.readable(buffer, rows)?;
        let resources = self.resources(context);
        let size = rows.iter().map(|rows| rows.size()).sum();
        let pinned = resources.run(|| {
            let mut pinned = resources.pinned(size)?;
            // SAFETY: the buffer holds the rows. Memory is freed after the work that uses it, and who has
            // the buffer drops the download before anyone writes.
            unsafe { pinned.begin_download(address, rows, stream) }?;
            Ok(pinned)
        })?;
        Ok(Box::new(CudaDownload {
            resources,
            pinned: Some(pinned),
            size,
        }))
    }

    fn is_in(&self, buffer: &gst::BufferRef, context: *mut c_void) -> Result<bool, String> {
        let place = self.libraries.gst.readable(buffer, &[])?;
        Ok(place.context.handle(&self.libraries.gst) == context)
    }

    fn copy(
        &self,
        buffer: &gst::BufferRef,
        rows: &[Rows],
        target: DevicePointer,
    ) -> Result<Box<dyn DeviceCopy>, String> {
        let Place {
            address,
            context,
            stream,
        } = self.libraries.gst.readable(buffer, rows)?;
        let resources = self.resources(context);
        let event = resources.run(|| {
            let known = resources.events.lock().pop();
            let event = known.map_or_else(|| Event::new(&self.libraries.driver), Ok)?;
            // SAFETY: as for a download; the target has room.
            unsafe { event.begin_copy(address, rows, target, stream) }?;
            Ok(event)
        })?;
        Ok(Box::new(CudaCopy {
            resources,
            event: Some(event),
        }))
    }

    fn write(&self, buffer: &mut gst::BufferRef, rows: &[Rows], bits: &Bits) -> Result<(), String> {
        let Place {
            address,
            context,
            stream,
        } = self.libraries.gst.writable(buffer, rows)?;
        let resources = self.resources(context);
        resources.run(|| {
            let mut writer = resources.writer.lock();
            let writer = Writer::ready(&mut writer, &self.libraries.driver, bits.new.len())?;
            // SAFETY: the buffer holds the rows, and stays while this waits.
            unsafe { writer.write(address, rows, bits, stream) }
        })
    }
}

/// What is kept in a context from frame to frame.
#[derive(Debug)]
struct Resources {
    libraries: &'static Libraries,
    context: CudaContext,
    /// Memory for downloads that is not in use.
    idle: Mutex<Vec<Pinned>>,
    /// Events that nobody waits for.
    events: Mutex<Vec<Event>>,
    writer: Mutex<Option<Writer>>,
}

impl Resources {
    fn run<T>(&self, body: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
        self.context.run(&self.libraries.gst, body)
    }

    /// Returns memory for a download of `size` bytes, with the context current.
    fn pinned(&self, size: usize) -> Result<Pinned, String> {
        let idle = self.idle.lock().pop();
        match idle.filter(|pinned| pinned.size() >= size) {
            Some(pinned) => Ok(pinned),
            None => Pinned::new(&self.libraries.driver, size),
        }
    }
}

impl Drop for Resources {
    fn drop(&mut self) {
        let (idle, events, writer) = (
            std::mem::take(self.idle.get_mut()),
            std::mem::take(self.events.get_mut()),
            self.writer.get_mut().take(),
        );
        // Freed while the context is current, if it still can be.
        let _ = self.run(|| {
            drop((idle, events, writer));
            Ok(())
        });
    }
}

/// A download, with the memory it goes to.
#[derive(Debug)]
struct CudaDownload {
    resources: Arc<Resources>,
    /// Only gone while this is dropped.
    pinned: Option<Pinned>,
    size: usize,
}

impl Download for CudaDownload {
    fn bytes(&self) -> Result<&[u8], String> {
        let pinned = self.pinned.as_ref().ok_or("the download is gone")?;
        self.resources.run(|| pinned.wait())?;
        Ok(&pinned.bytes()[..self.size])
    }
}

impl Drop for CudaDownload {
    fn drop(&mut self) {
        let Some(pinned) = self.pinned.take() else {
            return;
        };
        let resources = &self.resources;
        // Memory whose download failed is not used again.
        let _ = resources.run(|| {
            pinned.wait()?;
            resources.idle.lock().push(pinned);
            Ok(())
        });
    }
}

/// A copy within the device.
#[derive(Debug)]
struct CudaCopy {
    resources: Arc<Resources>,
    /// Only gone while this is dropped.
    event: Option<Event>,
}

impl DeviceCopy for CudaCopy {
    fn wait(&self) -> Result<(), String> {
        let event = self.event.as_ref().ok_or("the copy is gone")?;
        self.resources.run(|| event.wait())
    }
}

impl Drop for CudaCopy {
    fn drop(&mut self) {
        let Some(event) = self.event.take() else {
            return;
        };
        let resources = &self.resources;
        let _ = resources.run(|| {
            event.wait()?;
            resources.events.lock().push(event);
            Ok(())
        });
    }
}

/// Writes bits: the kernel, and memory for the bits on the host and on the device.
#[derive(Debug)]
struct Writer {
    driver: &'static Driver,
    kernel: MergeKernel,
    host: Pinned,
    device: DeviceBytes,
}

impl Writer {
    /// Makes the writer ready for two blocks of `size` bytes, with the context current.
    fn ready<'a>(
        writer: &'a mut Option<Self>,
        driver: &'static Driver,
        size: usize,
    ) -> Result<&'a mut Self, String> {
        let room = (2 * size).next_multiple_of(STEP);
        let old = writer.take();
        let ready = match old {
            Some(old) if old.host.size() >= room => old,
            old => {
                let kernel = match old {
                    Some(old) => old.kernel,
                    None => MergeKernel::new(driver)?,
                };
                Self {
                    driver,
                    kernel,
                    host: Pinned::new(driver, room)?,
                    device: DeviceBytes::new(driver, room)?,
                }
            }
        };
        Ok(writer.insert(ready))
    }

    /// Writes into rows of the buffer at `target` and waits.
    ///
    /// # Safety
    /// The buffer holds the rows.
    unsafe fn write(
        &mut self,
        target: DevicePointer,
        rows: &[Rows],
        bits: &Bits,
        stream: Stream,
    ) -> Result<(), String> {
        let size = bits.new.len();
        let (new, kept) = self.host.bytes_mut().split_at_mut(size);
        new.copy_from_slice(&bits.new);
        kept[..size].copy_from_slice(&bits.kept);
        let first = self.device.address();
        // SAFETY: there is room for both blocks, and nobody else uses it. The rows are the caller's, and
        // everything is waited for.
        let begun = unsafe {
            self.device
                .begin_upload(&self.host, 2 * size, stream)
                .and_then(|()| {
                    let mut at = first;
                    rows.iter().try_for_each(|&rows| {
                        let blocks = [at, at + size as DevicePointer];
                        at += rows.size() as DevicePointer;
                        self.kernel.begin(target, rows, blocks, stream)
                    })
                })
        };
        begun.and(self.driver.wait(stream))
    }
}
