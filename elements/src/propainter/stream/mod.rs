//! The stream between the pads: the output queue, the state that the threads share, and the
//! worker thread that owns the session.
//!
//! The pad functions, the worker and the timers get a [`context::Context`]. The worker computes
//! ([`worker`]) in a session whose frames it can name ([`tracked_session`]), or in the
//! [`fallback`] while the engine is bypassed. Frames that are due before they are done are in
//! [`overdue`], streams that stand still in [`stall`].

pub mod context;
pub mod fallback;
pub mod latency;
pub mod overdue;
pub mod queue;
pub mod run;
pub mod stall;
pub mod state;
pub mod tracked_session;
pub mod upstream;
pub mod warm_up;
pub mod worker;
