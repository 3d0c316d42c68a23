//! The three kinds of objects. Each reads the newest facts that the publisher has put into it; its methods go to the driver.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use agreements::{CallIdentity, LineNumber};
use phone_proto::dbus::call_path;
use phone_proto::errors::{ErrorKind, HouseError};
use sip_stack::{Appearance, CallInfo, Codec, EndedBy, LineState};
use telephone::{CallView, Request, Watched};
use zbus::object_server::SignalEmitter;
use zbus::{ObjectPath, OwnedObjectPath, Variant, interface};

use super::{Counter, Options};
use crate::facts::{LineFacts, PhoneFacts};

/// The newest facts of one object, shared with the publisher; locked only to read or replace them.
pub(super) struct Shown<T>(Arc<RwLock<T>>);

impl<T> Clone for Shown<T> {
    fn clone(&self) -> Self {
        Shown(self.0.clone())
    }
}

impl<T> Shown<T> {
    pub fn new(facts: T) -> Shown<T> {
        Shown(Arc::new(RwLock::new(facts)))
    }
    pub fn read<R>(&self, of: impl FnOnce(&T) -> R) -> R {
        of(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
    pub fn replace(&self, facts: T) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = facts;
    }
}

/// /org/deskphone/Sip1
pub(super) struct Phone {
    pub shown: Shown<PhoneFacts>,
    pub counter: Counter,
}

impl Phone {
    /// The object of the call that is made; it is there when this returns.
    async fn call(&self, request: Request, options: &Options) -> Result<OwnedObjectPath, HouseError> {
        let internal = |text: String| HouseError::new(ErrorKind::Internal, text);
        let made = self.counter.ask(request, options).await?;
        let call = made.ok_or_else(|| internal("the new call has no identity".to_owned()))?;
        self.counter.appears(call).await?;
        OwnedObjectPath::try_from(call_path(&call.to_string())).map_err(|error| internal(error.to_string()))
    }
}

#[interface(name = "org.deskphone.Sip1.Phone")]
impl Phone {
    #[zbus(out_args("call"))]
    async fn dial(&self, number: String, line: u8, options: Options) -> Result<OwnedObjectPath, HouseError> {
        let line = chosen_line(line)?;
        self.call(Request::Dial { line, target: number }, &options).await
    }
    #[zbus(out_args("call"))]
    async fn call_mailbox(&self, line: u8, options: Options) -> Result<OwnedObjectPath, HouseError> {
        let line = chosen_line(line)?;
        self.call(Request::CallMailbox { line }, &options).await
    }
    #[zbus(property)]
    fn epoch(&self) -> u64 {
        self.shown.read(|phone| phone.epoch)
    }
    #[zbus(property)]
    fn applied_revision(&self) -> u64 {
        self.shown.read(|phone| phone.applied_revision)
    }
    #[zbus(property)]
    fn calls_up(&self) -> u32 {
        self.shown.read(|phone| phone.calls_up)
    }
    #[zbus(property)]
    fn pending_digits(&self) -> String {
        self.shown.read(|phone| phone.pending_digits.clone())
    }
    #[zbus(property)]
    fn hook(&self) -> String {
        self.shown.read(|phone| phone.hook.to_owned())
    }
    #[zbus(property)]
    fn resync_requests(&self) -> u64 {
        self.shown.read(|phone| phone.resync_requests)
    }
}

/// 0: whoever asks leaves it to the phone.
fn chosen_line(line: u8) -> Result<Option<LineNumber>, HouseError> {
    if line == 0 { Ok(None) } else { line_number(line).map(Some) }
}

fn line_number(line: u8) -> Result<LineNumber, HouseError> {
    LineNumber::new(u32::from(line)).map_err(|error| HouseError::new(ErrorKind::InvalidArgument, error.to_string()))
}

/// /org/deskphone/Sip1/line/N
pub(super) struct Line {
    pub shown: Shown<LineFacts>,
    pub counter: Counter,
}

#[interface(name = "org.deskphone.Sip1.Line")]
impl Line {
    async fn register(&self, options: Options) -> Result<(), HouseError> {
        let line = line_number(self.shown.read(|line| line.number))?;
        self.counter.ask(Request::Register(line), &options).await.map(drop)
    }
    #[zbus(property)]
    fn number(&self) -> u8 {
        self.shown.read(|line| line.number)
    }
    #[zbus(property)]
    fn state(&self) -> String {
        self.shown.read(|line| line_state(&line.state).to_owned())
    }
    #[zbus(property)]
    fn address_of_record(&self) -> String {
        self.shown.read(|line| line.address_of_record.clone())
    }
    #[zbus(property)]
    fn phone_number(&self) -> String {
        self.shown.read(|line| line.phone_number.clone())
    }
    #[zbus(property)]
    fn display_name(&self) -> String {
        self.shown.read(|line| line.display_name.clone())
    }
    #[zbus(property)]
    fn registrar(&self) -> String {
        self.shown.read(|line| match &line.state {
            LineState::Registered { registrar, .. } => registrar.clone(),
            LineState::Disabled | LineState::Unconfigured | LineState::Registering { .. } | LineState::Failed { .. } => {
                String::new()
            }
        })
    }
    #[zbus(property)]
    fn expires(&self) -> u32 {
        self.shown.read(|line| match &line.state {
            LineState::Registered { expires, .. } => *expires,
            LineState::Disabled | LineState::Unconfigured | LineState::Registering { .. } | LineState::Failed { .. } => 0,
        })
    }
    #[zbus(property)]
    fn source_port(&self) -> u16 {
        self.shown.read(|line| line.source_port)
    }
    #[zbus(property)]
    fn messages_waiting(&self) -> bool {
        self.shown.read(|line| line.messages.waiting)
    }
    #[zbus(property)]
    fn new_messages(&self) -> u32 {
        self.shown.read(|line| line.messages.new)
    }
    #[zbus(property)]
    fn old_messages(&self) -> u32 {
        self.shown.read(|line| line.messages.old)
    }
    #[zbus(property)]
    fn mailbox(&self) -> String {
        self.shown.read(|line| line.messages.mailbox.as_str().to_owned())
    }
    #[zbus(property)]
    fn feature_sync(&self) -> String {
        self.shown.read(|line| line.feature_sync.progress.as_str().to_owned())
    }
    #[zbus(property)]
    fn feature_sync_error(&self) -> String {
        self.shown.read(|line| line.feature_sync.error.clone())
    }
    #[zbus(property)]
    fn watched(&self) -> Vec<(String, String, String)> {
        let shown = |one: &Watched| (one.uri.clone(), one.name.clone(), one.state.as_str().to_owned());
        self.shown.read(|line| line.watching.people.iter().map(shown).collect())
    }
    #[zbus(property)]
    fn resource_list(&self) -> String {
        self.shown.read(|line| line.watching.list.as_str().to_owned())
    }
    #[zbus(property)]
    fn shared(&self) -> String {
        self.shown.read(|line| line.shared.watched.as_str().to_owned())
    }
    #[zbus(property)]
    fn appearances(&self) -> Vec<(u32, String, String)> {
        let shown = |one: &Appearance| (one.index, one.state.as_str().to_owned(), one.far_end.clone());
        self.shown.read(|line| line.shared.appearances.iter().map(shown).collect())
    }
    #[zbus(property)]
    fn last_error(&self) -> String {
        self.shown.read(|line| match &line.state {
            LineState::Registering { last_error: why } | LineState::Failed { reason: why } => why.clone(),
            LineState::Disabled | LineState::Unconfigured | LineState::Registered { .. } => String::new(),
        })
    }
}

fn line_state(state: &LineState) -> &'static str {
    match state {
        LineState::Disabled => "disabled",
        LineState::Unconfigured => "unconfigured",
        LineState::Registering { .. } => "registering",
        LineState::Registered { .. } => "registered",
        LineState::Failed { .. } => "failed",
    }
}

/// /org/deskphone/Sip1/call/ULID
pub(super) struct Call {
    pub shown: Shown<CallView>,
    pub counter: Counter,
}

impl Call {
    async fn ask(&self, request: impl FnOnce(CallIdentity) -> Request, options: &Options) -> Result<(), HouseError> {
        let identity = self.shown.read(|call| call.identity);
        self.counter.ask(request(identity), options).await.map(drop)
    }
}

#[interface(name = "org.deskphone.Sip1.Call")]
impl Call {
    async fn answer(&self, options: Options) -> Result<(), HouseError> {
        self.ask(Request::Answer, &options).await
    }
    async fn reject(&self, options: Options) -> Result<(), HouseError> {
        self.ask(Request::Reject, &options).await
    }
    async fn hangup(&self, options: Options) -> Result<(), HouseError> {
        self.ask(Request::Hangup, &options).await
    }
    async fn hold(&self, options: Options) -> Result<(), HouseError> {
        self.ask(Request::Hold, &options).await
    }
    async fn resume(&self, options: Options) -> Result<(), HouseError> {
        self.ask(Request::Resume, &options).await
    }
    async fn send_digits(&self, digits: String, options: Options) -> Result<(), HouseError> {
        self.ask(|call| Request::SendDigits(call, digits), &options).await
    }
    async fn send_flash_hook(&self, options: Options) -> Result<(), HouseError> {
        self.ask(Request::SendFlashHook, &options).await
    }
    async fn transfer(&self, target: String, options: Options) -> Result<(), HouseError> {
        self.ask(|call| Request::Transfer(call, target), &options).await
    }
    async fn transfer_to(&self, other: ObjectPath<'_>, options: Options) -> Result<(), HouseError> {
        let other = call_of_path(&other)?;
        self.ask(|call| Request::TransferTo { call, other }, &options).await
    }
    #[zbus(property)]
    fn identity(&self) -> String {
        self.shown.read(|call| call.identity.to_string())
    }
    #[zbus(property)]
    fn line(&self) -> u8 {
        self.shown.read(|call| call.line.number())
    }
    #[zbus(property)]
    fn direction(&self) -> String {
        self.shown.read(|call| call.direction.as_str().to_owned())
    }
    #[zbus(property)]
    fn state(&self) -> String {
        self.shown.read(|call| call.state.as_str().to_owned())
    }
    #[zbus(property, name = "Hold")]
    fn held(&self) -> String {
        self.shown.read(|call| call.hold.as_str().to_owned())
    }
    #[zbus(property)]
    fn remote_number(&self) -> String {
        self.shown.read(|call| call.remote.number.clone())
    }
    #[zbus(property)]
    fn remote_name(&self) -> String {
        self.shown.read(|call| call.remote.name.clone())
    }
    #[zbus(property)]
    fn remote_uri(&self) -> String {
        self.shown.read(|call| call.remote.uri.clone())
    }
    #[zbus(property)]
    fn appearance(&self) -> u32 {
        self.shown.read(|call| call.appearance.unwrap_or(0))
    }
    #[zbus(property)]
    fn alerts(&self) -> Vec<String> {
        self.shown.read(|call| call.announcement.alerts.clone())
    }
    #[zbus(property)]
    fn caller_info(&self) -> Vec<(String, String)> {
        let shown = |info: &CallInfo| (info.purpose.as_str().to_owned(), info.uri.clone());
        self.shown.read(|call| call.announcement.infos.iter().map(shown).collect())
    }
    #[zbus(property)]
    fn sip_call_id(&self) -> String {
        self.shown.read(|call| call.sip_call_id.clone())
    }
    #[zbus(property)]
    fn started_at(&self) -> u64 {
        self.shown.read(|call| call.started_at.0)
    }
    #[zbus(property)]
    fn answered_at(&self) -> u64 {
        self.shown.read(|call| call.answered_at.map_or(0, |at| at.0))
    }
    #[zbus(property)]
    fn ended_at(&self) -> u64 {
        self.shown.read(|call| call.ended_at.map_or(0, |at| at.0))
    }
    #[zbus(property)]
    fn codec(&self) -> String {
        self.shown.read(|call| call.codec.map(codec_name).unwrap_or_default().to_owned())
    }
    #[zbus(property)]
    fn media(&self) -> String {
        self.shown.read(|call| call.media.as_str().to_owned())
    }
    #[zbus(property)]
    fn end_code(&self) -> u16 {
        self.shown.read(|call| call.end.as_ref().map_or(0, |end| end.code))
    }
    #[zbus(property)]
    fn end_reason(&self) -> String {
        self.shown.read(|call| call.end.as_ref().map(|end| end.reason.clone()).unwrap_or_default())
    }
    #[zbus(property)]
    fn ended_by(&self) -> String {
        self.shown.read(|call| call.end.as_ref().map_or("", |end| ended_by(end.by)).to_owned())
    }
    #[zbus(signal)]
    pub async fn digit_received(
        emitter: &SignalEmitter<'_>,
        digit: &str,
        duration: u32,
        options: HashMap<&str, Variant<'_>>,
    ) -> zbus::Result<()>;
}

fn call_of_path(path: &ObjectPath<'_>) -> Result<CallIdentity, HouseError> {
    let identity = path.as_str().rsplit('/').next().and_then(|last| last.parse().ok());
    let named = identity.filter(|identity: &CallIdentity| call_path(&identity.to_string()) == path.as_str());
    named.ok_or_else(|| HouseError::new(ErrorKind::InvalidArgument, format!("{path} is the path of no call")))
}

/// As in SDP, on the bus and in media.proto.
pub fn codec_name(codec: Codec) -> &'static str {
    match codec {
        Codec::G722 => "G722",
        Codec::Pcma => "PCMA",
        Codec::G729 => "G729",
        Codec::Pcmu => "PCMU",
    }
}

fn ended_by(by: EndedBy) -> &'static str {
    match by {
        EndedBy::Local => "local",
        EndedBy::Remote => "remote",
        EndedBy::Network => "network",
    }
}
