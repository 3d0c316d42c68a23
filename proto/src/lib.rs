//! The contracts between the processes, and nothing else: gRPC messages, D-Bus names and proxies, errors, and who may talk to
//! whom. The D-Bus interfaces are described in `dbus/*.xml`, the gRPC services in `grpc/*.proto`, the table of the house in
//! `house.toml`.

pub mod dbus;
pub mod errors;

/// The table of the house: ranks, users, who serves what and who calls whom.
pub const HOUSE: &str = include_str!("../house.toml");

/// gRPC Settings, served by provisioning-agent.
#[allow(missing_docs, clippy::all)]
pub mod settings {
    tonic::include_proto!("deskphone.settings.v1");
}

/// gRPC Media, served by media-engine.
#[allow(missing_docs, clippy::all)]
pub mod media {
    tonic::include_proto!("deskphone.media.v1");
}

/// gRPC metadata key of the correlation id.
pub const CORRELATION_METADATA: &str = "deskphone-correlation";
