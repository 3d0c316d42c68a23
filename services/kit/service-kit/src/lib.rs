//! What every service does in the same way: start, tell the supervisor, find its peers, keep what survives a restart. Glue
//! without decisions: what a service does with a fact or a descriptor is its own business. Everything here runs on a tokio
//! current-thread runtime, because a phone has little memory for stacks.

pub mod arrival;
pub mod backoff;
pub mod bus;
pub mod clock;
pub mod environment;
pub mod fdstore;
pub mod grpc;
pub mod logging;
pub mod notify;
pub mod outage;
pub mod peers;
pub mod process;
pub mod ratelimit;
pub mod settings_client;
pub mod shutdown;
pub mod slots;

/// A random number that names one start of a process, so that its peers notice a restart. Never 0, which peers use for
/// "not seen yet".
pub fn epoch() -> u64 {
    random().max(1)
}

/// 64 random bits of the operating system; where it has none (it always has), the clock stands in, so that no caller needs
/// an error path for it.
pub fn random() -> u64 {
    getrandom::u64().unwrap_or_else(|_| clock::now().0.rotate_left(17) ^ u64::from(std::process::id()))
}

#[cfg(test)]
mod tests {
    #[test]
    fn two_epochs_differ_and_none_is_zero() {
        let (one, other) = (super::epoch(), super::epoch());
        assert_ne!(one, other);
        assert!(one != 0 && other != 0);
    }
}
