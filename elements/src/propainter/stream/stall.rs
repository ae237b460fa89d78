//! Streams that stand still because frames are held for a future that cannot come.
//!
//! A queue beside the element, behind a tee or a demuxer, holds a second of what it gets. Where the
//! element holds more frames than that, both wait for each other. Then it holds fewer. Where that
//! is not enough, because an element behind it holds frames as well, the queue gets more room.

use std::time::{Duration, Instant};

use gst::{prelude::*, subclass::prelude::*};

use crate::propainter::{
    imp::Propainter,
    log::CAT,
    properties::enums::Mode,
    stream::{
        state::State,
        upstream::silence::{self, Silence},
    },
};

/// What to do about a silence.
pub enum Remedy {
    /// The silence is over, or nothing is wrong with it.
    Wait,
    /// Hold no more than so many frames for their future.
    Hold(usize),
}

impl State {
    /// When upstream has been silent for too long. `None` while something else is waited for than
    /// the future of the frames that are held.
    pub fn silent_too_long_at(&self) -> Option<Instant> {
        let held = self.line.computing() > 0 || self.stall_told;
        let going =
            self.line.waiting() > 0 || self.line.ready() > 0 || self.sending || self.seeking;
        // Live, the clock sees to it; paused, a live source gives nothing.
        let clocked = self.live && (self.may_be_late() || !self.playing);
        if !held || going || clocked || self.open().is_err() {
            return None;
        }
        let patience = self.arrivals.patience(self.frame_duration().into());
        Some(self.moved? + patience)
    }

    /// Something came in, was done or went out.
    pub fn note_movement(&mut self) {
        self.moved = Some(Instant::now());
    }
}

impl Propainter {
    /// Whether upstream is silent because it cannot go on, and the queue that is full, if that is
    /// known. Call without the lock.
    pub(crate) fn stall(&self) -> Option<Option<gst::Element>> {
        let open = {
            let state = self.shared.lock();
            let room = state.masks.has_room();
            state.mask_pad.clone().filter(|_| room)
        };
        if !silence::is_moving(self.obj().upcast_ref()) {
            return None;
        }
        match silence::silence(&self.sink, open.as_ref()) {
            Silence::Blocked(queue) => Some(queue),
            Silence::File | Silence::Source => None,
        }
    }

    /// Decides about a silence that is a stall, and tells of the first one.
    pub(crate) fn relieve_stall(&self, queue: Option<&gst::Element>) -> Remedy {
        let (held, most, look_ahead, keeps, tell) = {
            let mut state = self.shared.lock();
            let over = state
                .silent_too_long_at()
                .is_none_or(|at| at > Instant::now());
            state.note_movement();
            // The silence was no slowness.
            state.arrivals.interrupt();
            if over {
                return Remedy::Wait;
            }
            let keeps = state.settings.mode == Mode::Reference;
            let (held, look_ahead) = (state.line.computing(), state.look_ahead());
            let tell = held > 0 && !std::mem::replace(&mut state.stall_told, true);
            // What has come, and soon much less where that was not enough.
            let most = if tell { held - 1 } else { held / 2 };
            if !keeps && held > 0 {
                // All windows need one at least; what is held is finished in any case.
                state.settings.max_held_frames = u32::try_from(most.max(1)).unwrap_or(u32::MAX);
            }
            (held, most, look_ahead, keeps, tell)
        };
        gst::info!(
            CAT,
            imp = self,
            "stalled with {held} of {look_ahead} frames"
        );
        if tell {
            self.warn_stall(held, most, look_ahead, keeps);
        }
        if keeps {
            return Remedy::Wait;
        }
        if held > 0 {
            return Remedy::Hold(most);
        }
        // Nothing is left to be given up here, and the pipeline is dead as it is.
        if let Some(queue) = queue.filter(|queue| silence::widen(queue)) {
            gst::warning!(
                CAT,
                imp = self,
                "the limits of {} are doubled",
                queue.name()
            );
        }
        Remedy::Wait
    }

    fn warn_stall(&self, held: usize, most: usize, look_ahead: usize, keeps: bool) {
        let what = match keeps {
            true => "mode=reference waits for them; mode=auto would go on with fewer".to_owned(),
            false => format!("from now on {} are held at most", most.max(1)),
        };
        gst::element_imp_warning!(
            self,
            gst::ResourceError::Settings,
            (
                "the stream stands still: {} frames are held of the {} that are looked ahead, and \
                 upstream cannot deliver more because a queue beside this element is full; {}. Give \
                 the queues of the other branches more room, for instance with max-size-time=0 \
                 max-size-bytes=0 max-size-buffers=0, or set max-held-frames",
                held,
                look_ahead,
                what
            )
        );
        self.post_element(
            gst::Structure::builder("propainter-stall")
                .field("held", u32::try_from(held).unwrap_or(u32::MAX))
                .field("look-ahead", u32::try_from(look_ahead).unwrap_or(u32::MAX))
                .field("waits", keeps)
                .build(),
        );
    }

    /// Lets frames go on with the last mask where none has come for a while, unless masks are read
    /// from a file. Posts a warning the first time. Call without the lock.
    pub(crate) fn masks_have_gone_quiet(&self, pad: Option<&gst::Pad>, silent: Duration) {
        let stalled = silence::is_moving(self.obj().upcast_ref())
            && pad.is_some_and(|pad| silence::silence(pad, None) != Silence::File);
        if !stalled {
            return;
        }
        let (any, tell) = {
            let mut state = self.shared.lock();
            let any = state.masks.go_quiet();
            (any, !std::mem::replace(&mut state.quiet_told, true))
        };
        if tell {
            let what = match any {
                true => "the last one stays until another comes",
                false => "frames wait for the first one",
            };
            gst::element_imp_warning!(
                self,
                gst::ResourceError::Settings,
                (
                    "mask_sink has been given no mask for {:.1} s: {}; an EOS or GAP event on that \
                     pad says that a mask stays",
                    silent.as_secs_f64(),
                    what
                )
            );
        }
    }
}
