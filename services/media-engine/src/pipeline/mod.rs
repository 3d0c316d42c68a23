//! GStreamer: the one device pipeline and a small pipeline for each port and each session. What is decided about sound, packets
//! and time is decided by the pure parts; here elements are made, linked and fed.

pub mod device;
mod handset;
pub mod inbound;
pub mod leg;
pub mod pads;
pub mod plugins;
pub mod port;

use gstreamer as gst;
use gstreamer::prelude::*;

/// What GStreamer could not do.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// The plugin's file is not where plugins are.
    #[error("the GStreamer plugin {plugin} was not found ({looked}): install what the file packages.debian lists")]
    NoPlugin {
        /// Its name.
        plugin: &'static str,
        /// Where it was looked for.
        looked: String,
    },
    /// GStreamer says no.
    #[error("GStreamer: {0}")]
    Failed(String),
    /// A socket could not be had.
    #[error("socket: {0}")]
    Socket(#[from] std::io::Error),
}

impl From<gst::glib::BoolError> for PipelineError {
    fn from(error: gst::glib::BoolError) -> PipelineError {
        PipelineError::Failed(error.to_string())
    }
}

impl From<gst::glib::Error> for PipelineError {
    fn from(error: gst::glib::Error) -> PipelineError {
        PipelineError::Failed(error.to_string())
    }
}

impl From<gst::StateChangeError> for PipelineError {
    fn from(error: gst::StateChangeError) -> PipelineError {
        PipelineError::Failed(error.to_string())
    }
}

impl From<gst::PadLinkError> for PipelineError {
    fn from(error: gst::PadLinkError) -> PipelineError {
        PipelineError::Failed(error.to_string())
    }
}

/// A pipeline whose running time is the system clock itself, so that times of all pipelines can be compared.
pub fn absolute_pipeline() -> gst::Pipeline {
    let pipeline = gst::Pipeline::new();
    pipeline.use_clock(Some(&gst::SystemClock::obtain()));
    pipeline.set_start_time(gst::ClockTime::NONE);
    pipeline.set_base_time(gst::ClockTime::ZERO);
    watch(&pipeline, |error| tracing::warn!(error, "a session's pipeline"));
    pipeline
}

fn pad(element: &gst::Element, name: &str) -> Result<gst::Pad, PipelineError> {
    element.static_pad(name).ok_or_else(|| PipelineError::Failed(format!("{} has no pad {name}", element.name())))
}

/// Takes the messages of a pipeline where they arise: nobody polls for them, and nothing piles up.
pub fn watch(pipeline: &gst::Pipeline, failed: impl Fn(String) + Send + Sync + 'static) {
    let Some(bus) = pipeline.bus() else { return };
    bus.set_sync_handler(move |_, message| {
        match message.view() {
            gst::MessageView::Error(error) => failed(error.error().to_string()),
            // A far end that refuses packets causes one with each.
            gst::MessageView::Warning(warning) => tracing::debug!(warning = %warning.error(), "a pipeline"),
            _ => {}
        }
        gst::BusSyncReply::Drop
    });
}
