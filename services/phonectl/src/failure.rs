//! Why phonectl ends with an error, for people and as the exit code of the house's error table.

use phone_proto::dbus;
use phone_proto::errors::{ErrorKind, HouseError};

/// Why.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// What a service said, or we found ourselves.
    #[error(transparent)]
    House(#[from] HouseError),
    /// Whoever reads our output has gone: no error.
    #[error("nobody reads the output")]
    ReaderGone,
}

impl Failure {
    /// One of ours.
    pub fn new(kind: ErrorKind, text: impl Into<String>) -> Failure {
        Failure::House(HouseError::new(kind, text))
    }

    /// The row of the table.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Failure::House(error) => error.kind,
            Failure::ReaderGone => ErrorKind::Internal,
        }
    }

    /// What a call to the service behind a bus name came back with.
    pub fn of_call(bus_name: &str, error: zbus::Error) -> Failure {
        let service = service(bus_name);
        match error {
            zbus::Error::MethodError(name, text, _) => {
                let kind = ErrorKind::from_bus_name(name.as_str());
                let text = text.unwrap_or_else(|| name.to_string());
                Failure::new(kind.unwrap_or(ErrorKind::Internal), format!("{service}: {text}"))
            }
            zbus::Error::FDO(error) => of_bus(bus_name, service, *error),
            other => Failure::new(ErrorKind::ServiceUnavailable, format!("{service} cannot be asked: {other}")),
        }
    }
}

fn of_bus(bus_name: &str, service: &str, error: zbus::fdo::Error) -> Failure {
    use zbus::fdo::Error;
    match error {
        Error::ServiceUnknown(_) | Error::NameHasNoOwner(_) | Error::Disconnected(_) => absent(bus_name),
        Error::NoReply(_) | Error::Timeout(_) | Error::TimedOut(_) => {
            Failure::new(ErrorKind::ServiceUnavailable, format!("{service} did not answer in time"))
        }
        Error::AccessDenied(text) => Failure::new(
            ErrorKind::AccessDenied,
            format!("the bus does not allow this: {text} (root and the group deskphone-admin may)"),
        ),
        Error::UnknownObject(text) => Failure::new(ErrorKind::NoSuchObject, format!("{service}: {text}")),
        Error::UnknownInterface(text) | Error::UnknownMethod(text) => {
            Failure::new(ErrorKind::WrongState, format!("{service} does not offer this here: {text}"))
        }
        Error::InvalidArgs(text) => Failure::new(ErrorKind::InvalidArgument, format!("{service}: {text}")),
        other => Failure::new(ErrorKind::Internal, format!("{service}: {other}")),
    }
}

/// A service that is not there.
pub fn absent(bus_name: &str) -> Failure {
    Failure::new(
        ErrorKind::ServiceUnavailable,
        format!("{} is not on the bus: nobody owns {bus_name}; is the phone running?", service(bus_name)),
    )
}

/// Who serves a bus name.
pub fn service(bus_name: &str) -> &str {
    match bus_name {
        dbus::SIP_NAME => "sip-agent",
        dbus::SETTINGS_NAME | dbus::PROVISIONING_NAME => "provisioning-agent",
        dbus::HAL_NAME => "hal-agent",
        dbus::MEDIA_NAME => "media-engine",
        dbus::WEB_NAME => "web-ui",
        other => other,
    }
}
