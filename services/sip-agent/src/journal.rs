//! Events in the log, with the fields that all services share (`call`, `line`). Written after the messages have left.

use agreements::CallIdentity;
use sip_stack::{Event, LineState, ReferProgress, SubscriptionKey, SubscriptionState};

/// One line for one event.
pub fn write(event: &Event) {
    match event {
        Event::Line(line, LineState::Registered { registrar, expires }) => {
            tracing::info!(%line, registrar, expires, "registered");
        }
        Event::Line(line, LineState::Registering { last_error }) => tracing::info!(%line, last_error, "registering"),
        Event::Line(line, LineState::Failed { reason }) => tracing::warn!(%line, reason, "registration failed"),
        Event::Line(line, LineState::Disabled | LineState::Unconfigured) => tracing::debug!(%line, "not in use"),
        Event::Incoming { call, line, remote, sip_call_id, replaces: None } => {
            tracing::info!(%call, %line, remote = remote.uri, sip_call_id, "incoming");
        }
        Event::Incoming { call, line, remote, sip_call_id, replaces: Some(replaces) } => {
            tracing::info!(%call, %line, remote = remote.uri, sip_call_id, %replaces, "another call wants its place");
        }
        Event::Diverted { call, by, why } => tracing::info!(%call, by = by.uri, ?why, "was for somebody else first"),
        Event::Announced { call, announcement } => tracing::debug!(%call, ?announcement, "comes with it"),
        Event::Appearance { call, index } => tracing::info!(%call, appearance = index, "on a shared line"),
        Event::Dialing { call, sip_call_id } => tracing::info!(%call, sip_call_id, "dialing"),
        Event::Ringback { call, early_media } => tracing::info!(%call, early_media, "the far end rings"),
        Event::Reached { call, remote } => tracing::info!(%call, remote = remote.uri, "another far end"),
        Event::Established { call, codec, held, .. } => tracing::info!(%call, ?codec, held, "answered"),
        Event::HoldChanged { call, local, remote, .. } => tracing::info!(%call, local, remote, "hold has changed"),
        Event::HoldFailed { call, status, reason } => tracing::warn!(%call, status, reason, "hold has not changed"),
        Event::Ended { call, code, reason, by } => tracing::info!(%call, code, reason, ?by, "ended"),
        Event::Refer { call, progress } => referral(call, progress),
        Event::Referred { line, call, by, to, replaces, .. } => {
            let call = call.map(|call| call.to_string()).unwrap_or_default();
            tracing::info!(%line, call, by = by.uri, to = to.uri, replaces, "asked to call somebody else");
        }
        Event::TalkRequested { call } => tracing::info!(%call, "the server wants it to be talked on"),
        Event::HoldRequested { call } => tracing::info!(%call, "the server wants it to be held"),
        Event::ResyncRequested { line, event } => {
            tracing::info!(%line, event, "the server asks for provisioning");
        }
        Event::Subscription { key, state } => subscription(key, state),
        Event::Notified { key, content_type, body } => {
            tracing::debug!(line = %key.line, event = key.event, content_type, octets = body.len(), "notified");
        }
        Event::MailboxTold { line, content_type, body } => {
            tracing::debug!(%line, content_type, octets = body.len(), "the server tells of the mailbox");
        }
        Event::Appearances { key, appearances } => {
            tracing::debug!(line = %key.line, named = appearances.named.len(), others = ?appearances.others, "the shared call");
        }
        Event::Stopped => tracing::info!("SIP has stopped"),
    }
}

fn referral(call: &CallIdentity, progress: &ReferProgress) {
    match progress {
        ReferProgress::Unasked { reason } => tracing::warn!(%call, reason, "the far end cannot be referred"),
        ReferProgress::Accepted { followed } => tracing::info!(%call, followed, "the far end will call"),
        ReferProgress::Progress { status } => tracing::debug!(%call, status, "the far end calls"),
        ReferProgress::Succeeded => tracing::info!(%call, "the far end's call is answered"),
        ReferProgress::Failed { status, reason } => tracing::warn!(%call, status, reason, "the far end's call has failed"),
    }
}

fn subscription(key: &SubscriptionKey, state: &SubscriptionState) {
    let SubscriptionKey { line, event, resource } = key;
    match state {
        SubscriptionState::Asking { last_error } => tracing::info!(%line, event, resource, last_error, "subscribing"),
        SubscriptionState::Pending => tracing::info!(%line, event, resource, "the subscription waits to be allowed"),
        SubscriptionState::Active => tracing::info!(%line, event, resource, "subscribed"),
        SubscriptionState::Refused { reason } => tracing::warn!(%line, event, resource, reason, "the subscription is refused"),
        SubscriptionState::InUse { reason } => tracing::info!(%line, event, resource, reason, "what is asked for is in use"),
        SubscriptionState::Ended => tracing::info!(%line, event, resource, "the subscription has ended"),
    }
}
