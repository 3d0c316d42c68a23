//! org.deskphone.Sip1 on the bus: objects that show the newest facts, and handlers that send a request to the driver and wait
//! for its answer. Decides nothing, and holds no lock while it waits. The contract is proto/dbus/org.deskphone.Sip1*.xml.

mod objects;
mod publisher;

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use agreements::{CallIdentity, Correlation};
use phone_proto::errors::{ErrorKind, HouseError};
use telephone::Request;
use tokio::sync::{mpsc, oneshot, watch};
use zbus::OwnedVariant;

pub use objects::codec_name;
pub use publisher::serve;

/// A request with the place for its answer: the new call where there is one.
pub struct Asked {
    /// What is wanted.
    pub request: Request,
    /// Goes into logs and into everything that follows from it.
    pub cause: Correlation,
    /// Answered at once by the driver.
    pub answer: oneshot::Sender<Result<Option<CallIdentity>, HouseError>>,
}

/// A digit that the far end sent.
pub struct DigitHeard {
    /// In this call.
    pub call: CallIdentity,
    /// One of 0-9 A-D * #.
    pub digit: String,
    /// In milliseconds.
    pub duration_ms: u32,
}

/// The trailing options of a method.
type Options = HashMap<String, OwnedVariant>;

/// More requests than this at once are refused as Busy: no person makes them.
pub const REQUESTS_MAX: usize = 64;
/// The object of a new call is there within a turn or two of the loop; a bus that takes longer is broken.
const APPEARS_WITHIN: Duration = Duration::from_secs(2);

/// The way from a handler to the driver and back.
#[derive(Clone)]
struct Counter {
    requests: mpsc::Sender<Asked>,
    shown: watch::Receiver<BTreeSet<CallIdentity>>,
}

impl Counter {
    async fn ask(&self, request: Request, options: &Options) -> Result<Option<CallIdentity>, HouseError> {
        let gone = || HouseError::new(ErrorKind::ServiceUnavailable, "sip-agent is ending: try again in a second");
        let (answer, answered) = oneshot::channel();
        let asked = Asked { request, cause: correlation(options), answer };
        self.requests.try_send(asked).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => HouseError::new(ErrorKind::Busy, "too many requests at once"),
            mpsc::error::TrySendError::Closed(_) => gone(),
        })?;
        answered.await.map_err(|_| gone())?
    }

    /// Waits until the call's object is on the bus.
    async fn appears(&self, call: CallIdentity) -> Result<(), HouseError> {
        let mut shown = self.shown.clone();
        let appeared = shown.wait_for(|calls| calls.contains(&call));
        match tokio::time::timeout(APPEARS_WITHIN, appeared).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(HouseError::new(ErrorKind::Internal, format!("call {call} was made but is not shown"))),
        }
    }
}

fn correlation(options: &Options) -> Correlation {
    let text = options.get(Correlation::KEY).and_then(|value| <&str>::try_from(value).ok());
    Correlation::new(text.unwrap_or_default())
}
