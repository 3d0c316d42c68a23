//! Whether a caller acts as administrator: the bus knows its uid and groups.

use std::sync::OnceLock;

use phone_proto::errors::{ErrorKind, HouseError};
use zbus::Connection;
use zbus::fdo::DBusProxy;
use zbus::message::Header;

use crate::peers::{PeerTable, access_denied};

/// Lets pass root, members of the administrators' group and, where isolation is off, the user who runs everything.
///
/// # Errors
/// `AccessDenied`, or `ServiceUnavailable` when the bus does not say who calls.
pub async fn caller_is_admin(connection: &Connection, header: &Header<'_>) -> Result<(), HouseError> {
    static TABLE: OnceLock<PeerTable> = OnceLock::new();
    let sender = header.sender().ok_or_else(|| access_denied("this"))?.to_owned();
    let unknown = |error: &dyn std::fmt::Display| {
        HouseError::new(ErrorKind::ServiceUnavailable, format!("the bus does not say who calls: {error}"))
    };
    let bus = DBusProxy::builder(connection).cache_properties(zbus::proxy::CacheProperties::No).build().await;
    let bus = bus.map_err(|error| unknown(&error))?;
    let credentials = bus.get_connection_credentials(sender.into()).await.map_err(|error| unknown(&error))?;
    let uid = credentials.unix_user_id().ok_or_else(|| access_denied("this"))?;
    let groups = credentials.unix_group_ids().cloned().unwrap_or_default();
    let what = header.member().map_or("this", |member| member.as_str());
    let table = TABLE.get_or_init(PeerTable::from_environment);
    if table.is_admin(uid, &groups) { Ok(()) } else { Err(access_denied(what)) }
}
