//! The vector instruction sets of the CPU, detected at run time.
//!
//! The program is built for the oldest 64-bit processors. Its kernels use the fastest instruction
//! set of the processor that it runs on, or the one that `PROPAINTER_CPU` names.

use std::{env, fmt, sync::LazyLock};

use crate::Error;

/// The environment variable that forces an instruction set. It is read once in a process.
pub const VARIABLE: &str = "PROPAINTER_CPU";

static CHOICE: LazyLock<Choice> = LazyLock::new(|| {
    let wish = env::var_os(VARIABLE).map(|value| value.to_string_lossy().into_owned());
    Choice::new(wish.as_deref(), &Isa::all())
});

/// An instruction set that this processor has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Isa(IsaKind);

/// The instruction sets that the program has code for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IsaKind {
    /// AVX-512 F and DQ, with AVX2 and FMA.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// AVX2 and FMA.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// The instructions that every processor of this architecture has.
    Portable,
}

/// Code that is compiled once for each instruction set. Mark [`Job::run`] and every function that
/// it calls `#[inline(always)]`: only inlined code is compiled for the instruction set.
pub trait Job {
    /// Does the job.
    fn run(self);
}

impl Isa {
    /// Returns the instruction set that the kernels use: the one that [`VARIABLE`] names, else the
    /// fastest of [`Isa::all`].
    pub fn best() -> Self {
        CHOICE.isa
    }

    /// Checks the instruction set that [`VARIABLE`] names.
    ///
    /// # Errors
    /// [`Error::Setting`] if it names no instruction set, or one that this processor lacks.
    pub fn check() -> Result<(), Error> {
        match &CHOICE.problem {
            None => Ok(()),
            Some(problem) => Err(Error::Setting {
                name: VARIABLE,
                problem: problem.clone(),
            }),
        }
    }

    /// Returns one line for a log: the instruction set that the kernels use, and why.
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

    /// Returns every instruction set that this processor has, the fastest first and the portable one
    /// last.
    pub fn all() -> Vec<Self> {
        let mut all = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            if avx2 && is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512dq") {
                all.push(Self(IsaKind::Avx512));
            }
            if avx2 {
                all.push(Self(IsaKind::Avx2));
            }
        }
        all.push(Self(IsaKind::Portable));
        all
    }

    /// Returns the kind of the instruction set, for a match.
    pub fn kind(self) -> IsaKind {
        self.0
    }

    /// Returns the name that [`VARIABLE`] takes for it.
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// Returns whether every processor has the instruction set.
    pub(crate) fn is_portable(self) -> bool {
        self.0 == IsaKind::Portable
    }

    /// Returns whether AVX2 is part of the instruction set.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn has_avx2(self) -> bool {
        matches!(self.0, IsaKind::Avx512 | IsaKind::Avx2)
    }

    /// Runs `job`, compiled for this instruction set.
    pub fn run(self, job: impl Job) {
        match self.0 {
            // SAFETY: an `Isa` of these kinds is made in `Isa::all` only, after it detected the
            // features that the function is compiled for.
            #[cfg(target_arch = "x86_64")]
            IsaKind::Avx512 => unsafe { x86::avx512(job) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            IsaKind::Avx2 => unsafe { x86::avx2(job) },
            IsaKind::Portable => job.run(),
        }
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl IsaKind {
    /// Every instruction set that this program has code for.
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

/// The instruction set in use in this process.
struct Choice {
    isa: Isa,
    forced: bool,
    /// The reason why the requested set cannot be used. Callers that do not check it get the fastest
    /// set.
    problem: Option<String>,
}

impl Choice {
    /// Chooses from `all`, the processor's sets with the fastest first. `wish` is the variable's
    /// value.
    fn new(wish: Option<&str>, all: &[Isa]) -> Self {
        let wish = wish.filter(|wish| !wish.is_empty());
        let found = wish.and_then(|wish| all.iter().find(|isa| isa.name() == wish));
        let problem = wish.filter(|_| found.is_none()).map(|wish| {
            let has: Vec<_> = all.iter().map(|isa| isa.name()).collect();
            let has = has.join(", ");
            if IsaKind::ALL.iter().any(|kind| kind.name() == wish) {
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
