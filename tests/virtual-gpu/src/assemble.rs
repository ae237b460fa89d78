//! PTX through `ptxas`, NVIDIA's assembler: whether a module can be assembled for each architecture,
//! and which registers and memory its kernels take there.

use std::{
    env, fmt,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

/// The architectures to assemble for: Turing to Blackwell.
pub const ARCHITECTURES: [u32; 7] = [75, 80, 86, 89, 90, 100, 120];

/// How to get `ptxas` where it is not found: a line for a test that is left out.
pub const INSTALL: &str =
    "ptxas is not here: `pip install nvidia-cuda-nvcc-cu12`, or name it in PTXAS";

/// Asks for the package that brings `ptxas` without a toolkit.
const PACKAGE: &str = "import nvidia.cuda_nvcc as package; print(list(package.__path__)[0])";

/// NVIDIA's assembler.
pub struct Assembler {
    program: PathBuf,
    newest: (u32, u32),
}

/// What the assembler says of one kernel on one architecture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usage {
    pub kernel: String,
    pub architecture: u32,
    /// 32-bit registers of a thread.
    pub registers: u32,
    /// Bytes of a thread's stack, and bytes that it stores there and loads from there because it has
    /// too few registers.
    pub stack: u32,
    pub spill_stores: u32,
    pub spill_loads: u32,
    /// Bytes of shared memory that the kernel declares.
    pub shared: u32,
    /// Bytes of the module's PTX.
    pub ptx: usize,
}

impl fmt::Display for Usage {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "sm_{:<4} {:>4} registers, {:>6} B stack, {:>6} B spilled, {:>6} B shared, {:>7} B PTX  {}",
            self.architecture,
            self.registers,
            self.stack,
            self.spill_stores.max(self.spill_loads),
            self.shared,
            self.ptx,
            self.kernel
        )
    }
}

impl Assembler {
    /// Finds `ptxas`: the file that `PTXAS` names, else in `PATH`, else in the Python package
    /// `nvidia-cuda-nvcc-cu12`. Returns `None` where it is in none of them.
    pub fn find() -> Option<Self> {
        let named = env::var_os("PTXAS").map(PathBuf::from);
        let places = env::var_os("PATH").unwrap_or_default();
        let in_path = env::split_paths(&places).map(|folder| folder.join("ptxas"));
        let in_package = || {
            let asked = Command::new("python3")
                .args(["-c", PACKAGE])
                .output()
                .ok()?;
            let folder = String::from_utf8(asked.stdout).ok()?;
            Some(Path::new(folder.trim()).join("bin/ptxas"))
        };
        let mut found = named
            .into_iter()
            .chain(in_path)
            .filter(|file| file.is_file());
        let program = found
            .next()
            .or_else(in_package)
            .filter(|file| file.is_file())?;
        let newest = newest_version(&program)?;
        Some(Self { program, newest })
    }

    /// Returns true if this `ptxas` knows the architecture.
    pub fn knows(&self, architecture: u32) -> bool {
        const EMPTY: &str = ".version 6.4\n.target sm_75\n.address_size 64\n";
        self.assemble(EMPTY, architecture).is_ok()
    }

    /// Assembles a module for an architecture, and returns what each of its kernels takes.
    ///
    /// # Errors
    ///
    /// Returns what the assembler says.
    pub fn assemble(&self, ptx: &str, architecture: u32) -> Result<Vec<Usage>, String> {
        let text = retarget(ptx.trim_end_matches('\0'), architecture, self.newest);
        let run = self::run(&self.program, architecture, &text);
        let run = run.map_err(|error| format!("{}: {error}", self.program.display()))?;
        let said = String::from_utf8_lossy(&run.stderr) + String::from_utf8_lossy(&run.stdout);
        if !run.status.success() {
            let lines: Vec<&str> = said.lines().take(10).collect();
            return Err(format!("sm_{architecture}: {}", lines.join("\n")));
        }
        Ok(usages(&said, architecture, ptx.len()))
    }
}

/// Returns a module's text for another architecture: its target, and a version of PTX that knows it
/// and that the assembler knows.
pub fn retarget(ptx: &str, architecture: u32, newest: (u32, u32)) -> String {
    let lines = ptx.lines().map(|line| {
        let mut words = line.split_whitespace();
        match (words.next(), words.next()) {
            (Some(".target"), Some(_)) => format!(".target sm_{architecture}"),
            (Some(".version"), Some(version)) => {
                let version = parse_version(version).unwrap_or(newest);
                let (major, minor) = version.max(first_version(architecture)).min(newest);
                format!(".version {major}.{minor}")
            }
            _ => line.to_owned(),
        }
    });
    lines.collect::<Vec<_>>().join("\n") + "\n"
}

/// Returns the version of PTX in which an architecture first appeared.
fn first_version(architecture: u32) -> (u32, u32) {
    match architecture {
        0..=75 => (6, 3),
        76..=80 => (7, 0),
        81..=86 => (7, 1),
        87..=90 => (7, 8),
        91..=101 => (8, 6),
        _ => (8, 7),
    }
}

fn parse_version(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// Returns the newest version of PTX that this `ptxas` reads: it names it when it is asked for one
/// that does not exist.
fn newest_version(program: &Path) -> Option<(u32, u32)> {
    let asked = ".version 99.0\n.target sm_75\n.address_size 64\n";
    let said = run(program, 75, asked).ok()?.stderr;
    let said = String::from_utf8_lossy(&said);
    let versions = said.split(|c: char| !c.is_ascii_digit() && c != '.');
    versions
        .filter_map(|word| parse_version(word.trim_matches('.')))
        .find(|version| *version < (99, 0))
}

/// Runs the assembler on a text; its code is not kept.
fn run(program: &Path, architecture: u32, ptx: &str) -> io::Result<Output> {
    let mut run = Command::new(program)
        .arg(format!("-arch=sm_{architecture}"))
        .args(["-v", "-o", "/dev/null", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    // It may end before it has read all of a text that it does not like.
    if let Some(mut input) = run.stdin.take() {
        let _ = input.write_all(ptx.as_bytes());
    }
    run.wait_with_output()
}

/// Reads the assembler's report.
fn usages(said: &str, architecture: u32, ptx: usize) -> Vec<Usage> {
    let mut out: Vec<Usage> = Vec::new();
    let mut kernel = String::new();
    let mut stack = [0; 3];
    for line in said.lines() {
        if let Some((_, name)) = line.split_once("Compiling entry function '") {
            kernel = name.split('\'').next().unwrap_or("").to_owned();
            stack = [0; 3];
        } else if line.contains("bytes stack frame") {
            let parts: Vec<u32> = numbers(line);
            if let [frame, stores, loads] = parts[..] {
                stack = [frame, stores, loads];
            }
        } else if let Some((_, used)) = line.split_once("Used ") {
            out.push(Usage {
                kernel: kernel.clone(),
                architecture,
                registers: numbers(used).first().copied().unwrap_or(0),
                stack: stack[0],
                spill_stores: stack[1],
                spill_loads: stack[2],
                shared: before(used, " bytes smem"),
                ptx,
            });
        }
    }
    out
}

/// Returns the whole numbers of a line.
fn numbers(line: &str) -> Vec<u32> {
    let words = line.split(|c: char| !c.is_ascii_alphanumeric());
    words.filter_map(|word| word.parse().ok()).collect()
}

/// Returns the number that stands before these words, or zero.
fn before(line: &str, words: &str) -> u32 {
    let number = line.split_once(words).map(|(before, _)| before);
    let number = number.and_then(|before| before.rsplit([' ', ',']).next());
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "\
ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function 'one' for 'sm_86'
ptxas info    : Function properties for one
    16 bytes stack frame, 8 bytes spill stores, 12 bytes spill loads
ptxas info    : Used 40 registers, used 1 barriers, 16 bytes cumulative stack size, 2048 bytes smem, 376 bytes cmem[0]
ptxas info    : Compiling entry function 'two' for 'sm_86'
ptxas info    : Function properties for two
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 8 registers, 352 bytes cmem[0]
";

    #[test]
    fn a_report_is_read() {
        let found = usages(SAID, 86, 100);
        let of = |usage: &Usage| {
            let spills = [usage.spill_stores, usage.spill_loads];
            (
                usage.kernel.clone(),
                usage.registers,
                usage.stack,
                spills,
                usage.shared,
            )
        };
        assert_eq!(of(&found[0]), ("one".to_owned(), 40, 16, [8, 12], 2048));
        assert_eq!(of(&found[1]), ("two".to_owned(), 8, 0, [0, 0], 0));
        assert_eq!(found.len(), 2);
    }

    #[test]
    fn a_module_is_retargeted_by_its_text() {
        let text = ".version 7.1\n.target sm_86\n.address_size 64\n";
        let at = |architecture, newest| retarget(text, architecture, newest);
        assert_eq!(
            at(75, (8, 8)),
            ".version 7.1\n.target sm_75\n.address_size 64\n"
        );
        assert_eq!(
            at(90, (8, 8)),
            ".version 7.8\n.target sm_90\n.address_size 64\n"
        );
        assert!(at(120, (8, 8)).starts_with(".version 8.7\n.target sm_120\n"));
        let newer = retarget(".version 9.3\n.target sm_86\n", 86, (8, 8));
        assert_eq!(newer, ".version 8.8\n.target sm_86\n");
    }

    #[test]
    fn modules_are_assembled_for_every_architecture() {
        let Some(assembler) = Assembler::find() else {
            println!("skipped: {INSTALL}");
            return;
        };
        let text = ".version 7.1\n.target sm_86\n.address_size 64\n\
            .visible .entry kernel(.param .u64 out) { .reg .b64 %rd<2>; .reg .b32 %r<2>;\n\
            .shared .align 4 .b8 few[64]; ld.param.u64 %rd1, [out]; mov.u32 %r1, %tid.x;\n\
            st.shared.u32 [few], %r1; bar.sync 0; ld.shared.u32 %r1, [few+4];\n\
            st.global.u32 [%rd1], %r1; ret; }\n";
        for architecture in ARCHITECTURES.into_iter().filter(|a| assembler.knows(*a)) {
            let found = assembler.assemble(text, architecture).expect("assembles");
            assert_eq!(
                (found[0].kernel.as_str(), found[0].spill_loads),
                ("kernel", 0)
            );
            assert!(
                found[0].registers > 0 && found[0].shared >= 64,
                "{}",
                found[0]
            );
        }
        assert!(assembler.knows(86) && !assembler.knows(12));
        let error = assembler.assemble(&text.replace("bar.sync 0", "bar.nothing"), 86);
        assert!(error.expect_err("an error").contains("sm_86"));
    }
}
