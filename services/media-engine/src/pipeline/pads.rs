//! Pads of our own, without an element: where our code hands buffers to GStreamer in the thread it is in, and where it takes
//! them. An appsrc would need a thread and a queue for each, and there are three of them in a session.

use gstreamer as gst;
use gstreamer::prelude::*;

/// A pad that pushes what we have; it says what it is with [`begin`].
///
/// # Errors
/// The other side does not take it.
pub fn feeding(sink: &gst::Pad, caps: &gst::Caps) -> Result<gst::Pad, super::PipelineError> {
    let pad = gst::Pad::builder(gst::PadDirection::Src)
        .name("feed")
        .event_function(|_, _, _| true)
        .query_function(|_, _, query| answer(query))
        .build();
    pad.set_active(true)?;
    pad.link(sink)?;
    begin(&pad, caps);
    Ok(pad)
}

/// The events before the first buffer. Sticky: an element that is not awake yet gets them with the first buffer.
fn begin(pad: &gst::Pad, caps: &gst::Caps) {
    pad.push_event(gst::event::StreamStart::new("media-engine"));
    pad.push_event(gst::event::Caps::new(caps));
    pad.push_event(gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new()));
}

/// What is taken from a pipeline.
pub enum Taken {
    /// A buffer.
    Buffer(gst::Buffer),
    /// The jitter buffer says that this stretch is missing: its time and length in nanoseconds.
    Lost(u64, u64),
    /// Silence instead of a buffer, likewise.
    Gap(u64, u64),
}

/// A pad that takes everything `source` pushes, in the pushing thread.
///
/// # Errors
/// The other side does not take it.
pub fn taking(source: &gst::Pad, take: impl Fn(Taken) + Clone + Send + Sync + 'static) -> Result<gst::Pad, super::PipelineError> {
    let take_buffer = take.clone();
    let pad = gst::Pad::builder(gst::PadDirection::Sink)
        .name("take")
        .chain_function(move |_, _, buffer| {
            take_buffer(Taken::Buffer(buffer));
            Ok(gst::FlowSuccess::Ok)
        })
        .event_function(move |_, _, event| {
            if let Some(taken) = missing(&event) {
                take(taken);
            }
            true
        })
        .query_function(|_, _, query| answer(query))
        .build();
    pad.set_active(true)?;
    source.link(&pad)?;
    Ok(pad)
}

fn missing(event: &gst::Event) -> Option<Taken> {
    match event.view() {
        gst::EventView::Gap(gap) => {
            let (time, length) = gap.get();
            Some(Taken::Gap(time.nseconds(), length.map_or(0, gst::ClockTime::nseconds)))
        }
        gst::EventView::CustomDownstream(custom) => {
            let lost = custom.structure().filter(|structure| structure.name() == "GstRTPPacketLost")?;
            Some(Taken::Lost(lost.get("timestamp").ok()?, lost.get("duration").ok()?))
        }
        _ => None,
    }
}

/// Everything is welcome, nothing else is known.
fn answer(query: &mut gst::QueryRef) -> bool {
    match query.view_mut() {
        gst::QueryViewMut::AcceptCaps(accept) => {
            accept.set_result(true);
            true
        }
        gst::QueryViewMut::Caps(caps) => {
            let filter = caps.filter_owned().unwrap_or_else(gst::Caps::new_any);
            caps.set_result(&filter);
            true
        }
        _ => false,
    }
}
