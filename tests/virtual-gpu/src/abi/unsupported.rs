//! Functions that programs look for, and that this driver does not do: graphics, textures, memory of
//! other interfaces, video decoding. Descriptions of tensors are made, and hold nothing.

use std::ffi::{c_int, c_uint, c_void};

use super::{Out, interface};
use crate::status::Status;

type Any = *const c_void;

macro_rules! unsupported {
    ($($name:ident($($argument:ident: $type:ty),*);)*) => {
        interface! {$(
            /// Not supported.
            fn $name($($argument: $type),*) |_driver| Err(Status::NOT_SUPPORTED);
        )*}
    };
}

unsupported! {
    cuGraphicsMapResources(_count: c_uint, _resources: Any, _stream: Any);
    cuGraphicsUnmapResources(_count: c_uint, _resources: Any, _stream: Any);
    cuGraphicsUnregisterResource(_resource: Any);
    cuGraphicsResourceSetMapFlags_v2(_resource: Any, _flags: c_uint);
    cuGraphicsSubResourceGetMappedArray(_array: Any, _resource: Any, _index: c_uint, _level: c_uint);
    cuGraphicsResourceGetMappedPointer_v2(_address: Any, _bytes: Any, _resource: Any);
    cuGraphicsGLRegisterImage(_resource: Any, _image: c_uint, _target: c_uint, _flags: c_uint);
    cuGraphicsGLRegisterBuffer(_resource: Any, _buffer: c_uint, _flags: c_uint);
    cuGraphicsEGLRegisterImage(_resource: Any, _image: Any, _flags: c_uint);
    cuGraphicsResourceGetMappedEglFrame(_frame: Any, _resource: Any, _index: c_uint, _level: c_uint);
    cuGLGetDevices_v2(_count: Any, _devices: Any, _room: c_uint, _list: c_int);
    cuTexObjectCreate(_texture: Any, _resource: Any, _description: Any, _view: Any);
    cuTexObjectDestroy(_texture: u64);
    cuArrayCreate_v2(_array: Any, _description: Any);
    cuArrayDestroy(_array: Any);
    cuImportExternalMemory(_memory: Any, _description: Any);
    cuDestroyExternalMemory(_memory: Any);
    cuExternalMemoryGetMappedBuffer(_address: Any, _memory: Any, _description: Any);
    cuImportExternalSemaphore(_semaphore: Any, _description: Any);
    cuDestroyExternalSemaphore(_semaphore: Any);
    cuIpcGetMemHandle(_handle: Any, _address: u64);
    cuIpcCloseMemHandle(_address: u64);
}

// NVIDIA's decoder (`libnvcuvid.so.1`), without which GStreamer has no elements for CUDA memory.
unsupported! {
    cuvidGetDecoderCaps(_caps: Any);
    cuvidCreateDecoder(_decoder: Any, _description: Any);
    cuvidReconfigureDecoder(_decoder: Any, _description: Any);
    cuvidDestroyDecoder(_decoder: Any);
    cuvidDecodePicture(_decoder: Any, _picture: Any);
    cuvidMapVideoFrame64(_decoder: Any, _picture: c_int, _address: Any, _pitch: Any, _parameters: Any);
    cuvidUnmapVideoFrame64(_decoder: Any, _address: u64);
    cuvidCreateVideoParser(_parser: Any, _parameters: Any);
    cuvidParseVideoData(_parser: Any, _packet: Any);
    cuvidDestroyVideoParser(_parser: Any);
    cuvidCtxLockCreate(_lock: Any, _context: Any);
    cuvidCtxLockDestroy(_lock: Any);
    cuvidCtxLock(_lock: Any, _flags: c_uint);
    cuvidCtxUnlock(_lock: Any, _flags: c_uint);
}

interface! {
    /// Starts a profiler, of which there is none.
    fn cuProfilerStart() |_driver| Ok(());

    /// Stops a profiler.
    fn cuProfilerStop() |_driver| Ok(());

    /// Describes a tensor; only its size (128 bytes) is right.
    fn cuTensorMapEncodeTiled(
        map: Out<[u64; 16]>, _kind: c_int, _rank: c_uint, _address: Any, _sides: Any, _strides: Any,
        _box: Any, _steps: Any, _interleave: c_int, _swizzle: c_int, _promotion: c_int, _fill: c_int,
    ) |_driver| map.set([0; 16]);

    /// Describes a tensor; only its size is right.
    fn cuTensorMapEncodeIm2col(
        map: Out<[u64; 16]>, _kind: c_int, _rank: c_uint, _address: Any, _sides: Any, _strides: Any,
        _lower: Any, _upper: Any, _channels: c_uint, _pixels: c_uint, _steps: Any, _interleave: c_int,
        _swizzle: c_int, _promotion: c_int, _fill: c_int,
    ) |_driver| map.set([0; 16]);

    /// Describes a tensor; only its size is right.
    fn cuTensorMapEncodeIm2colWide(
        map: Out<[u64; 16]>, _kind: c_int, _rank: c_uint, _address: Any, _sides: Any, _strides: Any,
        _lower: c_int, _upper: c_int, _channels: c_uint, _pixels: c_uint, _steps: Any,
        _interleave: c_int, _mode: c_int, _swizzle: c_int, _promotion: c_int, _fill: c_int,
    ) |_driver| map.set([0; 16]);
}
