//! One table of errors: what a person, a script, the bus and gRPC call the same thing.

/// An error that crosses a process border. The text says what was tried, where it went wrong and how to mend it; it never
/// holds a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct HouseError {
    /// Which.
    pub kind: ErrorKind,
    /// For people.
    pub text: String,
}

impl HouseError {
    /// An error of this kind.
    pub fn new(kind: ErrorKind, text: impl Into<String>) -> HouseError {
        HouseError { kind, text: text.into() }
    }
}

macro_rules! error_table {
    ($($(#[$doc:meta])* $kind:ident, $status:ident, $exit:literal;)*) => {
        /// The rows of the table.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ErrorKind { $($(#[$doc])* $kind,)* }

        impl ErrorKind {
            /// Every row.
            pub const ALL: &'static [ErrorKind] = &[$(ErrorKind::$kind),*];

            /// The last element of the bus name.
            pub fn code(self) -> &'static str {
                match self { $(ErrorKind::$kind => stringify!($kind),)* }
            }
            /// `org.deskphone.Error.*`
            pub fn bus_name(self) -> &'static str {
                match self { $(ErrorKind::$kind => concat!("org.deskphone.Error.", stringify!($kind)),)* }
            }
            /// The gRPC status.
            pub fn status(self) -> tonic::Code {
                match self { $(ErrorKind::$kind => tonic::Code::$status,)* }
            }
            /// The exit code of phonectl and phonelab.
            pub fn exit_code(self) -> u8 {
                match self { $(ErrorKind::$kind => $exit,)* }
            }
            /// From a bus error name; none for a foreign one.
            pub fn from_bus_name(name: &str) -> Option<ErrorKind> {
                Self::ALL.iter().copied().find(|kind| kind.bus_name() == name)
            }
        }
    };
}

error_table! {
    /// An argument is not of the form that the contract asks for.
    InvalidArgument, InvalidArgument, 2;
    /// There is no parameter of this name.
    UnknownParameter, NotFound, 3;
    /// A value is outside its row's range, or clashes with another.
    InvalidValue, InvalidArgument, 4;
    /// Somebody changed one of the same parameters since.
    RevisionConflict, Aborted, 5;
    /// The caller may not do this.
    AccessDenied, PermissionDenied, 6;
    /// No such object (any more).
    NoSuchObject, NotFound, 7;
    /// The call or line is in a state in which this cannot be done.
    WrongState, FailedPrecondition, 8;
    /// The line is not registered, disabled or unconfigured.
    LineUnavailable, Unavailable, 9;
    /// The service has not got what it needs yet (settings, address).
    NotReady, Unavailable, 10;
    /// The store could not write; the old values stay.
    StoreFailed, DataLoss, 11;
    /// PROVISION_ENABLE=N.
    ProvisioningDisabled, FailedPrecondition, 12;
    /// The service is not on the bus or did not answer in time.
    ServiceUnavailable, Unavailable, 13;
    /// Too many at once.
    Busy, ResourceExhausted, 14;
    /// The dial plan does not let the number be called.
    NumberDenied, PermissionDenied, 15;
    /// A defect of ours; the text says where.
    Internal, Internal, 70;
}

impl From<HouseError> for tonic::Status {
    fn from(error: HouseError) -> tonic::Status {
        tonic::Status::new(error.kind.status(), error.text)
    }
}

impl zbus::DBusError for HouseError {
    fn create_reply(&self, call: &zbus::message::Header<'_>) -> zbus::Result<zbus::Message> {
        zbus::Message::error(call, self.kind.bus_name()).build(&(self.text.as_str(),))
    }
    fn name(&self) -> zbus::names::ErrorName<'_> {
        zbus::names::ErrorName::from_static_str_unchecked(self.kind.bus_name())
    }
    fn description(&self) -> Option<&str> {
        Some(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::ErrorKind;

    #[test]
    fn every_row_has_its_own_bus_name_and_exit_code() {
        let names: HashSet<_> = ErrorKind::ALL.iter().map(|kind| kind.bus_name()).collect();
        let exits: HashSet<_> = ErrorKind::ALL.iter().map(|kind| kind.exit_code()).collect();
        assert_eq!((names.len(), exits.len()), (ErrorKind::ALL.len(), ErrorKind::ALL.len()));
        for kind in ErrorKind::ALL {
            assert_eq!(ErrorKind::from_bus_name(kind.bus_name()), Some(*kind));
            assert!(zbus::names::ErrorName::try_from(kind.bus_name()).is_ok());
        }
        assert!(!exits.contains(&0) && !exits.contains(&1));
    }
}
