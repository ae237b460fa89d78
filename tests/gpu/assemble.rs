//! Our own kernels through NVIDIA's assembler: each is valid on every architecture, keeps its values in
//! registers and stays small.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::Path,
    process::Command,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use propainter_tests::skip;
use virtual_gpu::{
    assemble::{Assembler, INSTALL, Usage},
    harness,
};

/// Bytes of PTX that a module of ours may have.
const LARGEST: usize = 200_000;

/// The architectures that CubeCL compiles for here, and those that its PTX is assembled for. Newer
/// GPUs take what was compiled for older ones, but CubeCL writes other instructions for them.
const TARGETS: [(u32, &[u32]); 2] = [(75, &[75]), (86, &[80, 86, 89, 90, 100, 120])];

/// Kernels that spill four bytes, and where. To be emptied.
const KNOWN: [(&str, &[u32]); 2] = [
    ("product_kernel_f_f16_w_f16_s_f32", &[86, 89]),
    ("product_kernel_f_bf16_w_bf16_s_f32", &[86, 89]),
];

#[test]
fn our_kernels_assemble_without_new_spills() {
    let Some(assembler) = Assembler::find() else {
        skip::optional(INSTALL);
        return;
    };
    let ours = our_kernels();
    let mut work = Vec::new();
    for (compiled, targets) in TARGETS {
        let modules = modules(compiled, &ours);
        let seen: BTreeSet<&str> = modules.keys().map(String::as_str).collect();
        assert!(
            !seen.is_empty(),
            "no module of ours was loaded on sm_{compiled}"
        );
        for text in modules.into_values() {
            for &target in targets.iter().filter(|target| assembler.knows(**target)) {
                work.push((text.clone(), target));
            }
        }
    }
    let (mut usages, errors) = assemble(&assembler, &work);
    usages.sort_by(|a, b| (&a.kernel, a.architecture).cmp(&(&b.kernel, b.architecture)));
    usages.iter().for_each(|usage| println!("{usage}"));
    println!("{} assemblies", work.len());
    let is_known = |usage: &Usage| {
        let here = |(kernel, architectures): &(&str, &[u32])| {
            usage.kernel.starts_with(kernel) && architectures.contains(&usage.architecture)
        };
        usage.spill_stores.max(usage.spill_loads) <= 4 && KNOWN.iter().any(here)
    };
    let spills = |usage: &&Usage| usage.spill_stores + usage.spill_loads > 0 && !is_known(usage);
    let large = |usage: &&Usage| usage.ptx >= LARGEST;
    let table = |wanted: &dyn Fn(&&Usage) -> bool| {
        let lines = usages.iter().filter(wanted).map(ToString::to_string);
        lines.collect::<Vec<_>>().join("\n")
    };
    assert!(errors.is_empty(), "{}", errors.join("\n"));
    let (spilled, larger) = (table(&spills), table(&large));
    assert!(spilled.is_empty(), "these spill registers:\n{spilled}");
    assert!(
        larger.is_empty(),
        "these have {LARGEST} bytes of PTX or more:\n{larger}"
    );
}

/// Returns the names of our kernels, read from the sources that hold them.
fn our_kernels() -> BTreeSet<String> {
    fn visit(folder: &Path, names: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).expect("a readable folder") {
            let path = entry.expect("a readable folder").path();
            if path.is_dir() {
                visit(&path, names);
            } else if path.extension().is_some_and(|end| end == "rs") {
                let text = fs::read_to_string(&path).expect("a readable source");
                let after_marks = text.split("#[cube(launch").skip(1);
                let names_after = after_marks.filter_map(|after| {
                    let (_, name) = after.split_once("\nfn ").or(after.split_once(" fn "))?;
                    name.split(['<', '(']).next()
                });
                names.extend(names_after.map(str::to_owned));
            }
        }
    }
    let mut names = BTreeSet::new();
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    visit(&tests.join("../propainter/src"), &mut names);
    assert!(!names.is_empty(), "no kernel in the sources");
    names
}

/// Runs the tests of the kernels on a virtual GPU of this architecture that only counts, and returns
/// the modules of ours that it loaded, each once, by text. What the tests compare there means
/// nothing.
fn modules(architecture: u32, ours: &BTreeSet<String>) -> BTreeMap<String, String> {
    let folder = tempfile::tempdir().expect("a folder");
    let program = env::current_exe().expect("a running test");
    let output = Command::new(program)
        .args(["gpu::kernels::", "--test-threads", "2"])
        .env("LD_LIBRARY_PATH", harness::folder())
        .env("PROPAINTER_TEST_DEVICE", "cuda:0")
        .env("VIRTUAL_GPU_MODE", "count")
        .env("VIRTUAL_GPU_SM", architecture.to_string())
        .env("VIRTUAL_GPU_PTX", folder.path())
        .env(super::kernels::support::WITHOUT_RESULTS, "1")
        .output()
        .expect("the tests run");
    let text = String::from_utf8_lossy(&output.stdout);
    println!(
        "sm_{architecture}: {}",
        text.trim_end().lines().last().unwrap_or("")
    );
    let mut modules = BTreeMap::new();
    for entry in fs::read_dir(folder.path()).expect("a readable folder") {
        let path = entry.expect("a readable folder").path();
        let text = fs::read_to_string(&path).expect("PTX");
        let Some((name, body)) = entry_of(&text) else {
            continue;
        };
        if ours.iter().any(|ours| name.starts_with(ours.as_str())) {
            // The same kernel under another name is assembled once.
            modules.insert(body.replace(&name, ""), text);
        }
    }
    modules
}

/// Returns the name of a module's kernel, and the text from there on.
fn entry_of(text: &str) -> Option<(String, &str)> {
    let (_, body) = text.split_once(".entry ")?;
    let name = body.split(['(', '\n']).next()?.trim();
    Some((name.to_owned(), body))
}

/// Assembles each module for its architecture, on all cores.
fn assemble(assembler: &Assembler, work: &[(String, u32)]) -> (Vec<Usage>, Vec<String>) {
    let (usages, errors) = (Mutex::new(Vec::new()), Mutex::new(Vec::new()));
    let next = AtomicUsize::new(0);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                while let Some((text, target)) = work.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let name = entry_of(text).map(|(name, _)| name);
                    match assembler.assemble(text, *target) {
                        Ok(used) => usages.lock().expect("no panic").extend(used),
                        Err(error) => {
                            let error = format!("{}: {error}", name.unwrap_or_default());
                            errors.lock().expect("no panic").push(error);
                        }
                    }
                }
            });
        }
    });
    let into = "no panic";
    (
        usages.into_inner().expect(into),
        errors.into_inner().expect(into),
    )
}
