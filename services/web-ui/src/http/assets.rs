//! The style sheet, the script and the icon: part of the program, without secrets, and so the only things that strangers get. Their
//! paths carry a checksum, so that a browser keeps them until they change.

use std::hash::Hasher as _;
use std::sync::LazyLock;

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};

/// One embedded file.
pub struct Asset {
    name: &'static str,
    media_type: &'static str,
    text: &'static str,
}

/// The one style sheet.
pub static STYLE: Asset =
    Asset { name: "style.css", media_type: "text/css; charset=utf-8", text: include_str!("../../assets/style.css") };
/// The one script.
pub static SCRIPT: Asset =
    Asset { name: "live.js", media_type: "text/javascript; charset=utf-8", text: include_str!("../../assets/live.js") };
/// The icon.
pub static ICON: Asset = Asset { name: "icon.svg", media_type: "image/svg+xml", text: include_str!("../../assets/icon.svg") };

/// The folder that needs no login.
pub const FOLDER: &str = "/assets/";

static VERSION: LazyLock<String> = LazyLock::new(|| {
    let mut hasher = std::hash::DefaultHasher::new();
    for asset in [&STYLE, &SCRIPT, &ICON] {
        hasher.write(asset.text.as_bytes());
    }
    format!("{:016x}", hasher.finish())
});

impl Asset {
    /// Where it is.
    pub fn path(&self) -> String {
        format!("{FOLDER}{}?v={}", self.name, *VERSION)
    }
}

/// The file of this name; none when there is none.
pub fn find(name: &str) -> Option<Response> {
    let asset = [&STYLE, &SCRIPT, &ICON].into_iter().find(|asset| asset.name == name)?;
    let headers = [(CONTENT_TYPE, asset.media_type), (CACHE_CONTROL, "public, max-age=86400, immutable")];
    Some((headers, asset.text).into_response())
}
