//! Modules, kernels and launches.

use std::ffi::{c_char, c_int, c_uint, c_void};

use super::{In, Out, Text, interface};
use crate::{
    driver::Driver,
    driver::execution::work::{Launch, Work},
    handles::Handle,
    settings::Mode,
    status::{Answer, Status},
};

/// The part of `CUlaunchConfig` that is read.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct LaunchConfig {
    grid: [c_uint; 3],
    block: [c_uint; 3],
    shared: c_uint,
    stream: Handle,
}

interface! {
    /// Loads a module.
    fn cuModuleLoadData(module: Out<Handle>, image: Text) |driver| {
        let loaded = driver.load_module(image.bytes()?)?;
        module.set(loaded)
    };

    /// Loads a module with options, which change nothing here.
    fn cuModuleLoadDataEx(
        module: Out<Handle>,
        image: Text,
        _count: c_uint,
        _options: *const c_int,
        _values: *const *const c_void,
    ) |driver| {
        let loaded = driver.load_module(image.bytes()?)?;
        module.set(loaded)
    };

    /// Loads a module from a file.
    fn cuModuleLoad(module: Out<Handle>, path: Text) |driver| {
        let image = std::fs::read(path.str()?).map_err(|_| Status::FILE_NOT_FOUND)?;
        let loaded = driver.load_module(&image)?;
        module.set(loaded)
    };

    /// Unloads a module.
    fn cuModuleUnload(module: Handle) |driver| driver.modules.remove(module).map(drop);

    /// Finds a kernel of a module.
    fn cuModuleGetFunction(function: Out<Handle>, module: Handle, name: Text) |driver| {
        let found = driver.function(module, name.str()?)?;
        function.set(found)
    };

    /// Finds a variable of a module: none is known.
    fn cuModuleGetGlobal_v2(_address: Out<u64>, _bytes: Out<usize>, module: Handle, _name: *const c_char) |driver| {
        driver.modules.get(module)?;
        Err(Status::NOT_FOUND)
    };

    /// Tells how modules are loaded: at once.
    fn cuModuleGetLoadingMode(mode: Out<c_int>) |_driver| mode.set(1);

    /// Tells an attribute of a kernel.
    fn cuFuncGetAttribute(value: Out<c_int>, attribute: c_int, function: Handle) |driver| {
        value.set(driver.function_attribute(function, attribute)?)
    };

    /// Sets an attribute of a kernel.
    fn cuFuncSetAttribute(function: Handle, attribute: c_int, value: c_int) |driver| {
        let context = driver.functions.get(function)?.context;
        driver.usable(context)?;
        driver.set_function_attribute(function, attribute, value)
    };

    /// Sets how the first cache is divided, which changes nothing here.
    fn cuFuncSetCacheConfig(function: Handle, _config: c_int) |driver| driver.functions.get(function).map(drop);

    /// Launches a kernel.
    fn cuLaunchKernel(
        function: Handle,
        grid_x: c_uint,
        grid_y: c_uint,
        grid_z: c_uint,
        block_x: c_uint,
        block_y: c_uint,
        block_z: c_uint,
        shared: c_uint,
        stream: Handle,
        parameters: In<In<u8>>,
        _extra: *const *const c_void,
    ) |driver| {
        let sides = [[grid_x, grid_y, grid_z], [block_x, block_y, block_z]];
        launch(driver, function, sides, shared, stream, parameters)
    };

    /// Launches a kernel whose blocks wait for each other.
    fn cuLaunchCooperativeKernel(
        function: Handle,
        grid_x: c_uint,
        grid_y: c_uint,
        grid_z: c_uint,
        block_x: c_uint,
        block_y: c_uint,
        block_z: c_uint,
        shared: c_uint,
        stream: Handle,
        parameters: In<In<u8>>,
    ) |driver| {
        let sides = [[grid_x, grid_y, grid_z], [block_x, block_y, block_z]];
        launch(driver, function, sides, shared, stream, parameters)
    };

    /// Launches a kernel with attributes, which change nothing here.
    fn cuLaunchKernelEx(
        config: In<LaunchConfig>,
        function: Handle,
        parameters: In<In<u8>>,
        _extra: *const *const c_void,
    ) |driver| {
        let config = config.get()?;
        let sides = [config.grid, config.block];
        launch(driver, function, sides, config.shared, config.stream, parameters)
    };

    /// Tells how many blocks a multiprocessor runs at once.
    fn cuOccupancyMaxActiveBlocksPerMultiprocessor(
        blocks: Out<c_int>,
        function: Handle,
        threads: c_int,
        shared: usize,
    ) |driver| blocks.set(occupancy(driver, function, threads, shared)?);

    /// Tells how many blocks a multiprocessor runs at once.
    fn cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(
        blocks: Out<c_int>,
        function: Handle,
        threads: c_int,
        shared: usize,
        _flags: c_uint,
    ) |driver| blocks.set(occupancy(driver, function, threads, shared)?);

    /// Tells the size of a block that keeps a multiprocessor busy.
    fn cuOccupancyMaxPotentialBlockSize(
        grid: Out<c_int>,
        block: Out<c_int>,
        function: Handle,
        _shared_of_block: *const c_void,
        _shared: usize,
        _limit: c_int,
    ) |driver| {
        driver.functions.get(function)?;
        grid.set(28)?;
        block.set(1024)
    };

    /// Tells the size of a block that keeps a multiprocessor busy.
    fn cuOccupancyMaxPotentialBlockSizeWithFlags(
        grid: Out<c_int>,
        block: Out<c_int>,
        function: Handle,
        _shared_of_block: *const c_void,
        _shared: usize,
        _limit: c_int,
        _flags: c_uint,
    ) |driver| {
        driver.functions.get(function)?;
        grid.set(28)?;
        block.set(1024)
    };

    /// Tells the shared memory left to a block.
    fn cuOccupancyAvailableDynamicSMemPerBlock(bytes: Out<usize>, function: Handle, blocks: c_int, _threads: c_int) |driver| {
        let shared = driver.functions.get(function)?.kernel.shared;
        let room = crate::driver::execution::modules::shared_memory(driver.settings.sm) / blocks.max(1) as u32;
        bytes.set(room.saturating_sub(shared) as usize)
    };

    /// Tells how many clusters run at once.
    fn cuOccupancyMaxActiveClusters(_clusters: Out<c_int>, _function: Handle, _config: *const c_void) |_driver| {
        Err(Status::NOT_SUPPORTED)
    };

    /// Tells the largest cluster.
    fn cuOccupancyMaxPotentialClusterSize(_size: Out<c_int>, _function: Handle, _config: *const c_void) |_driver| {
        Err(Status::NOT_SUPPORTED)
    };
}

fn launch(
    driver: &mut Driver,
    function: Handle,
    [grid, block]: [[u32; 3]; 2],
    shared: u32,
    stream: Handle,
    parameters: In<In<u8>>,
) -> Answer {
    let stream = driver.stream(stream)?;
    let function = driver.functions.get(function)?;
    if driver.streams.get(stream)?.context != function.context {
        return Err(Status::INVALID_HANDLE);
    }
    let (kernel, dynamic_shared) = (function.kernel.clone(), function.dynamic_shared);
    // Where nothing is computed they are not needed.
    let wanted = match driver.settings.mode {
        Mode::Count => &[],
        Mode::Compute => &kernel.parameters[..],
    };
    let copies = wanted.iter().enumerate().map(|(i, &bytes)| {
        let bytes = parameters.at(i)?.bytes(bytes)?;
        // In words of 16 bytes, so that every parameter is aligned as its kernel expects.
        let words = bytes.chunks(16).map(|chunk| {
            let mut word = [0; 16];
            word[..chunk.len()].copy_from_slice(chunk);
            u128::from_ne_bytes(word)
        });
        Ok(words.collect())
    });
    let launch = Launch {
        parameters: copies.collect::<Answer<_>>()?,
        kernel,
        grid,
        block,
        shared,
        breaks: false,
    };
    let device = driver.device_of(stream)?;
    driver.check_launch(device, &launch, dynamic_shared)?;
    driver.submit(stream, Work::Launch(launch))
}

fn occupancy(driver: &Driver, function: Handle, threads: c_int, shared: usize) -> Answer<c_int> {
    let function = driver.functions.get(function)?;
    let room = crate::driver::execution::modules::shared_memory(driver.settings.sm) as usize;
    let by_shared = room / (shared + function.kernel.shared as usize).max(1);
    Ok((1536 / threads.max(1)).min(by_shared.min(16) as c_int))
}
