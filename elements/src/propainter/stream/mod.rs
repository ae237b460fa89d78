//! The stream between the pads: the output queue, the state that the threads share, and the
//! worker thread that owns the session.

pub mod fallback;
pub mod frame_rate;
pub mod overdue;
pub mod queue;
pub mod stall;
pub mod state;
pub mod tracked_session;
pub mod upstream;
pub mod warm_up;
pub mod worker;
