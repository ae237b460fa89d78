//! Says which kernel touched what when it leaves its memory: a GPU reports no more than that an
//! address is illegal, and often not even that.

use std::{
    ffi::{c_int, c_void},
    mem, ptr,
    sync::{Mutex, Once},
};

use super::regions;

/// What runs now: the name of a kernel, or a copy.
static RUNNING: Mutex<String> = Mutex::new(String::new());

/// Sees that faults are told from here on.
pub fn watch() {
    static WATCH: Once = Once::new();
    WATCH.call_once(set_handlers);
}

/// Notes what runs from here on.
pub fn running(what: &str) {
    if let Ok(mut running) = RUNNING.lock() {
        running.clear();
        running.push_str(what);
    }
}

fn set_handlers() {
    for signal in [libc::SIGSEGV, libc::SIGBUS] {
        // SAFETY: an action of all zeros is valid. The handler has the signature that SA_SIGINFO
        // asks for; it runs on the thread's own stack, or on the one that Rust has set for it.
        unsafe {
            let mut action: libc::sigaction = mem::zeroed();
            action.sa_sigaction = told as *const () as usize;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
            libc::sigaction(signal, &action, ptr::null_mut());
        }
    }
}

/// Writes what happened, and lets the signal end the process.
extern "C" fn told(signal: c_int, info: *mut libc::siginfo_t, _: *mut c_void) {
    // SAFETY: the kernel passes the information of a fault, which has an address.
    let address = unsafe { (*info).si_addr() } as u64;
    let place = regions::describe(address);
    let place = place.unwrap_or_else(|| "no memory of a device".into());
    let running = RUNNING.try_lock().map(|running| running.clone());
    let running = running.unwrap_or_default();
    let running = match &running[..] {
        "" => "the program",
        running => running,
    };
    // The process ends here, so whoever holds a lock is not waited for.
    eprintln!("virtual GPU: {running} touches {address:#x}, {place}");
    // SAFETY: with the default action the fault, which happens again, ends the process.
    unsafe { libc::signal(signal, libc::SIG_DFL) };
}
