//! Which vector instructions the machine has, asked at run time: the binary is built for the
//! oldest 64-bit processors and takes what the one at hand offers, or what `PROPAINTER_CPU` names.

use std::{env, fmt, sync::LazyLock};

use crate::Error;

/// The environment variable that forces an instruction set; read once in a process.
pub const VARIABLE: &str = "PROPAINTER_CPU";

static CHOICE: LazyLock<Choice> = LazyLock::new(|| {
    let wish = env::var_os(VARIABLE).map(|value| value.to_string_lossy().into_owned());
    Choice::new(wish.as_deref(), &Isa::all())
});

/// What the machine's floating-point units can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Isa(Level);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    Portable,
}

/// Work to be compiled for each instruction set. Mark [`Job::run`] and all it calls
/// `#[inline(always)]`: what is inlined is compiled for the set, what is called is not.
pub trait Job {
    fn run(self);
}

impl Isa {
    /// Returns the form that the kernels use: the one that [`VARIABLE`] names, else the fastest of
    /// [`Isa::all`].
    pub fn best() -> Self {
        CHOICE.isa
    }

    /// Checks what [`VARIABLE`] names.
    ///
    /// # Errors
    /// [`Error::Setting`] where it names no instruction set, or one that this machine lacks.
    pub fn check() -> Result<(), Error> {
        match &CHOICE.problem {
            None => Ok(()),
            Some(problem) => Err(Error::Setting {
                name: VARIABLE,
                problem: problem.clone(),
            }),
        }
    }

    /// Returns one line for a log: the form that the kernels use, and why.
    pub fn describe() -> String {
        let why = if CHOICE.forced {
            format!("forced by {VARIABLE}")
        } else {
            "the fastest that this processor has".to_owned()
        };
        format!(
            "the CPU kernels use the instruction set {}: {why}",
            CHOICE.isa
        )
    }

    /// Every form this machine can run, the fastest first; the portable one is the last.
    pub fn all() -> Vec<Self> {
        let mut all = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            if avx2 && is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512dq") {
                all.push(Self(Level::Avx512));
            }
            if avx2 {
                all.push(Self(Level::Avx2));
            }
        }
        all.push(Self(Level::Portable));
        all
    }

    pub fn level(self) -> Level {
        self.0
    }

    /// Returns the name that [`VARIABLE`] knows it by.
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// Whether it is what every processor has.
    pub(super) fn is_portable(self) -> bool {
        self.0 == Level::Portable
    }

    /// Whether the instructions of AVX2 are part of it.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn has_avx2(self) -> bool {
        matches!(self.0, Level::Avx512 | Level::Avx2)
    }

    /// Runs `job` in the form for this instruction set.
    pub fn run(self, job: impl Job) {
        match self.0 {
            // SAFETY: a level with instructions is made in `Isa::all` only, after the processor
            // was seen to have the features these functions are compiled for.
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => unsafe { x86::avx512(job) },
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => unsafe { x86::avx2(job) },
            Level::Portable => job.run(),
        }
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Level {
    /// Every level that this program has code for.
    const ALL: &[Self] = &[
        #[cfg(target_arch = "x86_64")]
        Self::Avx512,
        #[cfg(target_arch = "x86_64")]
        Self::Avx2,
        Self::Portable,
    ];

    fn name(self) -> &'static str {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => "avx512",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => "avx2",
            Self::Portable => "portable",
        }
    }
}

/// The form in use in this process.
struct Choice {
    isa: Isa,
    forced: bool,
    /// What is wrong with the wish; the fastest form is used then, by what asks nevertheless.
    problem: Option<String>,
}

impl Choice {
    /// `wish` is the variable's value; `all` what the machine has, the fastest first.
    fn new(wish: Option<&str>, all: &[Isa]) -> Self {
        let wish = wish.filter(|wish| !wish.is_empty());
        let found = wish.and_then(|wish| all.iter().find(|isa| isa.name() == wish));
        let problem = wish.filter(|_| found.is_none()).map(|wish| {
            let has: Vec<_> = all.iter().map(|isa| isa.name()).collect();
            let has = has.join(", ");
            if Level::ALL.iter().any(|level| level.name() == wish) {
                format!("this processor lacks {wish}; unset the variable or name one of {has}")
            } else {
                format!("'{wish}' is no instruction set; unset the variable or name one of {has}")
            }
        });
        Self {
            isa: *found.unwrap_or(&all[0]),
            forced: found.is_some(),
            problem,
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::Job;

    #[target_feature(enable = "avx512f,avx512dq,avx2,fma")]
    pub(super) fn avx512(job: impl Job) {
        job.run();
    }

    #[target_feature(enable = "avx2,fma")]
    pub(super) fn avx2(job: impl Job) {
        job.run();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variable_forces_any_set_that_the_machine_has() {
        let all = Isa::all();
        for wish in [None, Some("")] {
            let choice = Choice::new(wish, &all);
            assert_eq!((choice.isa, choice.forced), (all[0], false));
            assert_eq!(choice.problem, None);
        }
        for &isa in &all {
            let choice = Choice::new(Some(isa.name()), &all);
            assert_eq!((choice.isa, choice.forced), (isa, true));
            assert_eq!(choice.problem, None);
        }
    }

    #[test]
    fn a_set_that_is_unknown_or_missing_is_a_problem_that_names_the_others() {
        let portable = &Isa::all()[Isa::all().len() - 1..];
        for wish in ["sse9", "AVX2", " portable"] {
            let choice = Choice::new(Some(wish), portable);
            assert_eq!((choice.isa, choice.forced), (portable[0], false));
            let problem = choice.problem.unwrap();
            assert!(
                problem.contains(wish) && problem.contains("one of portable"),
                "{problem}"
            );
        }
        #[cfg(target_arch = "x86_64")]
        for wish in ["avx512", "avx2"] {
            let problem = Choice::new(Some(wish), portable).problem.unwrap();
            assert!(problem.contains(&format!("lacks {wish}")), "{problem}");
        }
    }
}
