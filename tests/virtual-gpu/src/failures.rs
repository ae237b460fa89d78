//! The failures that a test orders.

/// A failure that comes at the n-th call from now.
#[derive(Clone, Copy, Debug, Default)]
struct Countdown {
    /// Calls until the first that fails; 0 is off.
    calls: u64,
    /// Calls that fail from there on.
    times: u64,
}

impl Countdown {
    /// Counts a call and returns whether it fails.
    fn fails(&mut self) -> bool {
        match self.calls {
            0 => false,
            1 => {
                self.times = self.times.saturating_sub(1);
                if self.times == 0 {
                    self.calls = 0;
                }
                true
            }
            _ => {
                self.calls -= 1;
                false
            }
        }
    }
}

/// The failures ordered for a device.
#[derive(Clone, Copy, Debug, Default)]
pub struct Failures {
    allocation: Countdown,
    launch: Countdown,
    copy: Countdown,
    wait: Countdown,
    /// Allocations of more bytes fail.
    pub largest: Option<u64>,
}

impl Failures {
    /// Lets the `n`-th allocation from now fail, and those after it, `times` in all. 0 ends this.
    pub fn fail_allocation(&mut self, n: u64, times: u64) {
        self.allocation = Countdown { calls: n, times };
    }

    /// Lets the `n`-th launch from now read an illegal address. 0 ends this.
    pub fn fail_launch(&mut self, n: u64) {
        self.launch = Countdown { calls: n, times: 1 };
    }

    /// Lets the `n`-th copy from now between host and device read an illegal address. 0 ends this.
    pub fn fail_copy(&mut self, n: u64) {
        self.copy = Countdown { calls: n, times: 1 };
    }

    /// Lets the `n`-th wait from now find that the device has failed. 0 ends this.
    pub fn fail_wait(&mut self, n: u64) {
        self.wait = Countdown { calls: n, times: 1 };
    }

    /// Counts an allocation and returns whether it fails.
    pub fn refuses_allocation(&mut self, bytes: u64) -> bool {
        self.allocation.fails() || self.largest.is_some_and(|largest| bytes > largest)
    }

    /// Counts a launch and returns whether it fails.
    pub fn breaks_launch(&mut self) -> bool {
        self.launch.fails()
    }

    /// Counts a copy and returns whether it fails.
    pub fn breaks_copy(&mut self) -> bool {
        self.copy.fails()
    }

    /// Counts a wait and returns whether it fails.
    pub fn breaks_wait(&mut self) -> bool {
        self.wait.fails()
    }
}
