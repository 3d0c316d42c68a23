//! Loads the few plugins that the engine uses, by their files. The registry stays off: scanning, reading and keeping the features
//! of two hundred plugins costs 8 ms and 3 MB at each start, and an engine that is restarted in a call has no time for it.

use std::path::PathBuf;

use gstreamer as gst;

use super::PipelineError;

/// Set for the process before GStreamer starts; see [`without_registry`].
const SWITCH: &str = "GST_REGISTRY_DISABLE";

/// Starts this program again with the registry off, unless it is off. Returns only when it is, or cannot be.
pub fn without_registry() {
    use std::os::unix::process::CommandExt as _;
    if std::env::var_os(SWITCH).is_some() {
        return;
    }
    let Ok(program) = std::env::current_exe() else { return };
    // The process keeps its id and its descriptors: to the supervisor nothing happens. (set_var is not safe once threads run,
    // and GStreamer reads its environment only once.)
    let error = std::process::Command::new(program).args(std::env::args_os().skip(1)).env(SWITCH, "yes").exec();
    eprintln!("media-engine: {error}: goes on with GStreamer's registry");
}

/// What every session needs: loaded at start, so that a missing package is known then and no call waits for it.
const NEEDED: [&str; 3] = ["udp", "rtpmanager", "spandsp"];

/// Starts GStreamer.
///
/// # Errors
/// It does not start, or a plugin is not installed.
pub fn start() -> Result<(), PipelineError> {
    gst::init()?;
    NEEDED.into_iter().try_for_each(load)
}

/// An element from a plugin.
///
/// # Errors
/// The plugin is not installed, or lacks the element.
pub fn element(plugin: &'static str, element: &str) -> Result<gst::Element, PipelineError> {
    load(plugin)?;
    Ok(gst::ElementFactory::make(element).build()?)
}

/// Loads a plugin once.
///
/// # Errors
/// It is not installed.
pub fn load(plugin: &'static str) -> Result<(), PipelineError> {
    if gst::Registry::get().find_plugin(plugin).is_some() {
        return Ok(());
    }
    let folders = folders();
    let file = folders.iter().map(|folder| folder.join(format!("libgst{plugin}.so"))).find(|file| file.exists());
    let looked = || folders.iter().map(|folder| folder.display().to_string()).collect::<Vec<_>>().join(", ");
    let file = file.ok_or_else(|| PipelineError::NoPlugin { plugin, looked: looked() })?;
    gst::Plugin::load_file(file)?;
    Ok(())
}

fn folders() -> Vec<PathBuf> {
    let set = std::env::var("GST_PLUGIN_SYSTEM_PATH_1_0").unwrap_or_default();
    let usual = [format!("/usr/lib/{}-linux-gnu/gstreamer-1.0", std::env::consts::ARCH), "/usr/lib/gstreamer-1.0".to_owned()];
    let set = set.split(':').filter(|folder| !folder.is_empty()).map(PathBuf::from);
    set.chain(usual.into_iter().map(PathBuf::from)).collect()
}
