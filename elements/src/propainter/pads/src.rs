//! The source pad: it sends out what is ready, in order.

use gst::{ClockTime, EventView, FlowError, QueryViewMut, prelude::*};
use propainter::{InpaintedFrame, Mask, fill_single_frame};

use crate::propainter::{
    bus::{
        failures::{post_bad_format, post_flow_error},
        masks::post_diagnostics,
    },
    log::CAT,
    pads::{cuda_context, latency_query, proxy},
    properties::stats::FrameCounts,
    qos::{clock_wakeup::ClockWakeup, deadline::Deadline},
    stream::{
        context::Context,
        overdue::{self, OverdueFrame},
        queue::frame::{InputFrame, Outcome, Output},
        run::Phase,
    },
    video::layout::error::InvalidBuffer,
};

/// The next thing to send out.
enum Next {
    Output(Output),
    Overdue(OverdueFrame),
}

/// The count that a frame adds to.
type Count = fn(&mut FrameCounts) -> &mut u64;

/// Waits for the next thing to send out and sends it. Pauses the task during a flush.
pub fn send_next(cx: &Context) {
    let Some((next, epoch)) = wait_for_next(cx) else {
        let _ = cx.src.pause_task();
        return;
    };
    cx.state.notify();
    match next {
        Next::Overdue(overdue) => {
            let outcome = overdue::decide(cx, &overdue);
            send_frame(cx, overdue.input, outcome, epoch);
        }
        Next::Output(Output::Frame { input, outcome }) => {
            if matches!(outcome, Outcome::PassedThrough | Outcome::Dropped) {
                overdue::post_qos(cx, &input, Deadline::Unwanted);
            }
            send_frame(cx, input, outcome, epoch);
        }
        Next::Output(Output::Event(event)) => send_event(cx, event),
        Next::Output(Output::Query(mut query)) => {
            let answer = cx.src.peer_query(query.make_mut());
            {
                let run = &mut cx.state.lock().run;
                if run.is_at(epoch) {
                    run.answer = Some((query, answer));
                }
            }
            cx.state.notify();
        }
    }
}

/// Returns the next thing to send out and the epoch it belongs to; `None` during a flush.
fn wait_for_next(cx: &Context) -> Option<(Next, u64)> {
    let mut wakeup = ClockWakeup::default();
    let mut state = cx.state.lock();
    loop {
        let run = &mut state.run;
        if run.is_paused() {
            return None;
        }
        if let Some(output) = run.queue.pop() {
            run.sending = matches!(output, Output::Frame { .. });
            return Some((Next::Output(output), run.epoch));
        }
        if let Some(deadline) = overdue::deadline(run) {
            if deadline.has_passed(&cx.element)
                && let Some(overdue) = overdue::take(cx, run, deadline)
            {
                run.sending = true;
                return Some((Next::Overdue(overdue), run.epoch));
            }
            let after = deadline.time().saturating_add(ClockTime::from_nseconds(1));
            wakeup.set(&cx.element, after, || cx.state.waker());
        }
        cx.state.wait(&mut state);
    }
}

fn send_frame(cx: &Context, input: InputFrame, outcome: Outcome, epoch: u64) {
    let by_engine = matches!(outcome, Outcome::Engine(_));
    let sent = send(cx, input, outcome);
    {
        let run = &mut cx.state.lock().run;
        run.sending = false;
        run.note_progress();
        let counts = &mut run.counts;
        *match sent {
            Ok(count) => count(counts),
            Err(_) => &mut counts.discarded,
        } += 1;
    }
    // The worker may have to provide for more.
    cx.state.notify();
    match sent {
        Ok(_) if by_engine => overdue::note_in_time(cx),
        Ok(_) => {}
        Err(flow) => refused(cx, flow, epoch),
    }
}

/// Sends a frame by its outcome and returns the count it adds to.
fn send(cx: &Context, input: InputFrame, outcome: Outcome) -> Result<Count, FlowError> {
    if input.context {
        return Ok(|counts| &mut counts.context);
    }
    let (done, count): (_, Count) = match outcome {
        Outcome::Dropped => {
            cx.state.lock().run.discont = true;
            return Ok(|counts| &mut counts.dropped);
        }
        Outcome::PassedThrough => (None, |counts| &mut counts.passed_through),
        Outcome::Engine(done) | Outcome::Fallback(done) if done.hole.is_empty() => {
            (None, |counts| &mut counts.untouched)
        }
        Outcome::Engine(done) => (Some(done), |counts| &mut counts.inpainted),
        Outcome::Fallback(done) => (Some(done), |counts| &mut counts.filled),
    };
    let written = finished(input, done);
    let mut buffer = written.map_err(|problem| {
        post_bad_format(&cx.element, &problem.to_string());
        FlowError::Error
    })?;
    if std::mem::take(&mut cx.state.lock().run.discont) {
        buffer.make_mut().set_flags(gst::BufferFlags::DISCONT);
    }
    gst::trace!(CAT, obj = cx.element, "pushing {buffer:?}");
    let pushed = cx.src.push(buffer);
    pushed.inspect_err(|flow| gst::debug!(CAT, obj = cx.element, "downstream returns {flow:?}"))?;
    Ok(count)
}

/// Returns the buffer that goes out: with the fill, if there is one, and with the border. Where
/// nothing else is filled, the border still is.
fn finished(
    mut input: InputFrame,
    done: Option<InpaintedFrame>,
) -> Result<gst::Buffer, InvalidBuffer> {
    let Some(canvas) = input.canvas.clone() else {
        // A device reads the buffer as long as this is there.
        input.frame = None;
        if let Some(done) = done {
            let buffer = input.buffer.make_mut();
            input.converter.write(buffer, &done)?;
        }
        return Ok(input.buffer);
    };
    let done = match done {
        Some(done) => done,
        None => fill_single_frame(
            &input.take_frame(None)?,
            &Mask::empty(1, 1),
            0,
            canvas.border(),
        ),
    };
    canvas.compose(&input.converter, &input.buffer, &done)
}

fn send_event(cx: &Context, event: gst::Event) {
    gst::log!(CAT, obj = cx.element, "pushing {event:?}");
    let caps = match event.view() {
        EventView::Caps(caps) => Some(caps.caps_owned()),
        EventView::Eos(_) => {
            post_diagnostics(&cx.element, cx.mask_sources.end());
            None
        }
        _ => None,
    };
    cx.src.push_event(event);
    if caps.is_some() {
        cx.state.lock().run.downstream_caps = caps;
    }
}

/// Handles an error of downstream: upstream gets it at its next frame, and all queued frames are
/// dropped.
fn refused(cx: &Context, flow: FlowError, epoch: u64) {
    let (ended, sticky) = {
        let run = &mut cx.state.lock().run;
        if !run.is_at(epoch) || matches!(run.phase, Phase::Blocked(_)) {
            return;
        }
        run.phase = Phase::Blocked(flow);
        run.invalidate();
        (run.queue.has_eos(), run.clear_queue())
    };
    cx.state.notify();
    for event in sticky {
        let _ = cx.src.store_sticky_event(&event);
    }
    // After EOS no frame comes that could be answered.
    if ended && flow != FlowError::Flushing {
        if flow != FlowError::Eos {
            post_flow_error(&cx.element, flow);
        }
        cx.src.push_event(gst::event::Eos::new());
    }
}

/// Handles an event from downstream.
pub fn event(cx: &Context, event: gst::Event) -> bool {
    gst::log!(CAT, obj = cx.element, "src event {event:?}");
    match event.view() {
        EventView::Seek(seek) => {
            let flushes = seek.get().1.contains(gst::SeekFlags::FLUSH);
            return self::seek(cx, event, flushes);
        }
        EventView::Qos(qos) => {
            let (_, _, jitter, time) = qos.get();
            {
                let run = &mut cx.state.lock().run;
                // Like the filters of GStreamer's base class: catch up twice the delay. The delay
                // of the source cannot be caught up.
                let late = u64::try_from(jitter).unwrap_or_default();
                let late = late.saturating_sub(run.input.lateness.delay.nseconds());
                run.earliest = time.filter(|_| late > 0).map(|time| {
                    time.saturating_add(ClockTime::from_nseconds(late.saturating_mul(2)))
                });
            }
            cx.state.notify();
        }
        // Perhaps something is linked now.
        EventView::Reconfigure(_) => cx.state.lock().run.unblock(FlowError::NotLinked),
        _ => {}
    }
    gst::Pad::event_default(&cx.src, Some(&cx.element), event)
}

/// Sends a seek upstream. The masks seek first, so that no frame from after the seek meets a mask
/// from before it; until the video has followed, no frame gets a mask.
fn seek(cx: &Context, event: gst::Event, flushes: bool) -> bool {
    let mask_pad = {
        let mut state = cx.state.lock();
        state.run.seeking = flushes && state.mask_pad.is_some();
        state.mask_pad.clone()
    };
    if let Some(pad) = mask_pad
        && !pad.push_event(event.clone())
    {
        gst::debug!(CAT, obj = cx.element, "the masks do not seek");
    }
    let done = cx.sink.push_event(event);
    cx.state.lock().run.seeking = false;
    cx.state.notify();
    done
}

/// Answers a query of downstream.
pub fn query(cx: &Context, query: &mut gst::QueryRef) -> bool {
    if cuda_context::answer(cx, query) {
        return true;
    }
    if let QueryViewMut::Latency(query) = query.view_mut() {
        return latency_query::answer(cx, query);
    }
    proxy::answer(cx, &cx.src, query) || gst::Pad::query_default(&cx.src, Some(&cx.element), query)
}
