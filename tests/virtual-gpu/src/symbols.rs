//! Functions that older drivers lack.
//!
//! A program sees that a driver is older because `dlsym` does not find the newer functions. The
//! library is built once with all of them; when it is loaded, and before anybody can ask for a
//! function, its initialiser makes those undefined in its own symbol table that the driver of
//! `VIRTUAL_GPU_DRIVER` lacks, or that `VIRTUAL_GPU_MISSING` names. So one file is every driver.

use std::{
    ffi::{c_char, c_int, c_void},
    mem, ptr,
    sync::OnceLock,
};

use crate::driver::driver;

/// The functions that came with CUDA 11.8 or later, with the version that brought them.
const NEWER: &[(&str, c_int)] = &[
    ("cuLaunchKernelEx", 11080),
    ("cuOccupancyMaxActiveClusters", 11080),
    ("cuOccupancyMaxPotentialClusterSize", 11080),
    ("cuCtxGetId", 12000),
    ("cuGetProcAddress_v2", 12000),
    ("cuStreamGetId", 12000),
    ("cuTensorMapEncodeIm2col", 12000),
    ("cuTensorMapEncodeTiled", 12000),
    ("cuCtxSetFlags", 12010),
    ("cuMemAdvise_v2", 12020),
    ("cuMemPrefetchAsync_v2", 12020),
    ("cuCtxCreate_v4", 12050),
    ("cuStreamGetDevice", 12080),
    ("cuEventElapsedTime_v2", 12080),
    ("cuTensorMapEncodeIm2colWide", 12080),
];

/// Returns the version of CUDA that brought a function; 0 for those that have long been there.
pub fn since(name: &str) -> c_int {
    let newer = NEWER.iter().find(|(newer, _)| *newer == name);
    newer.map_or(0, |(_, version)| *version)
}

/// Returns the address of a function of this library that is not missing.
pub fn address(name: &str) -> Option<*const c_void> {
    if !name.starts_with("cu") {
        return None;
    }
    let symbols = symbols()?;
    let symbol = symbols.find(name)?;
    // SAFETY: `find` returns an entry of the table of this library, which stays loaded.
    let value = unsafe { (*symbol).st_value };
    (value != 0).then(|| (symbols.base + value as usize) as *const c_void)
}

/// Runs when the library is loaded.
extern "C" fn load() {
    let (missing, version) = {
        let settings = &driver().settings;
        (settings.missing.clone(), settings.driver)
    };
    let newer = NEWER.iter().filter(|(_, since)| *since > version);
    let newer = newer.map(|(name, _)| *name);
    let hidden = newer.chain(missing.iter().map(String::as_str));
    if let Some(symbols) = symbols() {
        hidden.filter_map(|name| symbols.find(name)).for_each(hide);
    }
    // SAFETY: the function stays loaded until the end of the process.
    unsafe { libc::atexit(end) };
}

extern "C" fn end() {
    driver().report("end");
}

#[used]
#[unsafe(link_section = ".init_array")]
static LOAD: extern "C" fn() = load;

/// The symbol table of this library in memory.
#[derive(Debug)]
struct Symbols {
    /// The address that the library was loaded at.
    base: usize,
    symbols: *mut libc::Elf64_Sym,
    names: *const c_char,
    hashes: *const u32,
}

// SAFETY: the tables are changed only by the initialiser, before anything else runs.
unsafe impl Send for Symbols {}
// SAFETY: as above.
unsafe impl Sync for Symbols {}

/// The head of `struct link_map`.
#[repr(C)]
struct LinkMap {
    base: usize,
    name: *const c_char,
    dynamic: *const [usize; 2],
}

fn symbols() -> Option<&'static Symbols> {
    static SYMBOLS: OnceLock<Option<Symbols>> = OnceLock::new();
    SYMBOLS.get_or_init(Symbols::own).as_ref()
}

impl Symbols {
    /// Finds the table of the library that contains this function.
    fn own() -> Option<Self> {
        const STRTAB: usize = 5;
        const SYMTAB: usize = 6;
        const GNU_HASH: usize = 0x6fff_fef5;
        const RTLD_DL_LINKMAP: c_int = 2;
        // SAFETY: `dladdr1` writes a `Dl_info` and, as asked by the flag, the address of the
        // loader's record of this library, which lives as long as it. The dynamic section ends
        // with a tag of zero.
        unsafe {
            let mut info: libc::Dl_info = mem::zeroed();
            let mut map: *const LinkMap = ptr::null();
            let here = load as *const c_void;
            let out = (&raw mut map).cast();
            if libc::dladdr1(here, &mut info, out, RTLD_DL_LINKMAP) == 0 || map.is_null() {
                return None;
            }
            let base = (*map).base;
            let entry = |tag: usize| {
                let entries = (0..).map(|i| *(*map).dynamic.add(i));
                let found = entries
                    .take_while(|[tag, _]| *tag != 0)
                    .find(|[t, _]| *t == tag);
                // The loader has added the base to these on most architectures.
                found.map(|[_, address]| {
                    if address < base {
                        base + address
                    } else {
                        address
                    }
                })
            };
            Some(Self {
                base,
                symbols: entry(SYMTAB)? as *mut _,
                names: entry(STRTAB)? as *const _,
                hashes: entry(GNU_HASH)? as *const _,
            })
        }
    }

    /// Finds an entry by its name, as the loader does.
    fn find(&self, name: &str) -> Option<*mut libc::Elf64_Sym> {
        let step = |hash: u32, byte| hash.wrapping_mul(33).wrapping_add(u32::from(byte));
        let hash = name.bytes().fold(5381, step);
        // SAFETY: a table of DT_GNU_HASH has four words of head, a filter of 64-bit words, a word a
        // bucket and a word a symbol; the last symbol of a bucket has an odd word.
        unsafe {
            let [buckets, first, filter] = [0, 1, 2].map(|i| *self.hashes.add(i));
            if buckets == 0 {
                return None;
            }
            let table = self.hashes.add(4 + 2 * filter as usize);
            let chain = table.add(buckets as usize);
            let mut i = *table.add((hash % buckets) as usize);
            if i < first {
                return None;
            }
            loop {
                let word = *chain.add((i - first) as usize);
                if word | 1 == hash | 1 {
                    let symbol = self.symbols.add(i as usize);
                    let own = self.names.add((*symbol).st_name as usize);
                    if std::ffi::CStr::from_ptr(own).to_bytes() == name.as_bytes() {
                        return Some(symbol);
                    }
                }
                if word & 1 == 1 {
                    return None;
                }
                i += 1;
            }
        }
    }
}

/// Makes a symbol undefined.
fn hide(symbol: *mut libc::Elf64_Sym) {
    const PAGE: usize = 4096;
    let first = symbol as usize / PAGE * PAGE;
    let end = (symbol as usize + size_of::<libc::Elf64_Sym>()).next_multiple_of(PAGE);
    // SAFETY: the entry lies in a mapping of this library's file that is private to the process.
    // Nothing else runs while the library is initialised.
    unsafe {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        if libc::mprotect(first as *mut _, end - first, protection) == 0 {
            (*symbol).st_value = 0;
            (*symbol).st_shndx = 0;
            libc::mprotect(first as *mut _, end - first, libc::PROT_READ);
        }
    }
}
