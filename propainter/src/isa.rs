//! Which vector instructions the machine has, asked at run time: the binary is built for the
//! oldest 64-bit processors and takes what the one at hand offers.

/// What the machine's floating-point units can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Isa(Level);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
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
    /// The best of [`Isa::all`].
    pub fn best() -> Self {
        Self::all()[0]
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

    pub(super) fn level(self) -> Level {
        self.0
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
