//! Small kernels written by hand, for each family of instructions.

mod barriers;
mod integers;
mod matrices;
mod memory;
mod numbers;
mod warps;

use std::{ffi::c_void, sync::LazyLock};

use virtual_gpu::ptx::Module;

/// The folder of compiled kernels, removed after the tests.
static CACHE: LazyLock<tempfile::TempDir> =
    LazyLock::new(|| tempfile::tempdir().expect("a folder"));

/// Returns a module of one kernel `kernel(in, out)`; `body` finds the addresses in `%rd1` and `%rd2`,
/// and registers of all kinds.
fn module(body: &str) -> Result<Module, String> {
    let text = format!(
        ".version 8.0\n.target sm_86\n.address_size 64\n\
         .visible .entry kernel(.param .u64 in, .param .u64 out)\n{{\n\
         .reg .b64 %rd<40>;\n.reg .b32 %r<100>;\n.reg .b16 %rs<40>;\n\
         .reg .f32 %f<40>;\n.reg .f64 %fd<40>;\n.reg .pred %p<20>;\n\
         ld.param.u64 %rd1, [in];\nld.param.u64 %rd2, [out];\n{body}\nret;\n}}\n"
    );
    Module::load(&text, CACHE.path())
}

/// Launches `kernel` with the addresses of an input and of an output.
fn launch<I, O>(
    module: &Module,
    [grid, block]: [u32; 2],
    shared: u32,
    input: &[I],
    output: &mut [O],
) -> Result<(), String> {
    let (mut input, mut output) = (input.as_ptr(), output.as_mut_ptr());
    let mut parameters = [
        (&raw mut input).cast::<c_void>(),
        (&raw mut output).cast::<c_void>(),
    ];
    let kernel = module.kernel("kernel").expect("the module's kernel");
    // SAFETY: both are addresses of slices that are as long as the tests' kernels need.
    unsafe { kernel.launch([grid, 1, 1], [block, 1, 1], shared, parameters.as_mut_ptr()) }
}

/// Runs one thread for each element: it finds four words in `%r10` to `%r13`, and leaves four in
/// `%r20` to `%r23`.
fn words(body: &str, inputs: &[[u32; 4]]) -> Vec<[u32; 4]> {
    let body = format!(
        "mov.u32 %r1, %tid.x;\nmul.wide.u32 %rd3, %r1, 16;\n\
         add.s64 %rd4, %rd1, %rd3;\nadd.s64 %rd5, %rd2, %rd3;\n\
         ld.global.v4.u32 {{%r10, %r11, %r12, %r13}}, [%rd4];\n\
         {body}\nst.global.v4.u32 [%rd5], {{%r20, %r21, %r22, %r23}};"
    );
    #[repr(align(16))]
    #[derive(Clone, Copy)]
    struct Words([u32; 4]);
    let module = module(&body).expect("a known kernel");
    let inputs: Vec<Words> = inputs.iter().map(|words| Words(*words)).collect();
    let mut outputs = vec![Words([0; 4]); inputs.len()];
    let shape = [1, inputs.len() as u32];
    launch(&module, shape, 0, &inputs, &mut outputs).expect("a launch");
    outputs.iter().map(|words| words.0).collect()
}

/// Runs one thread on four words.
fn one(body: &str, input: [u32; 4]) -> [u32; 4] {
    words(body, &[input])[0]
}
