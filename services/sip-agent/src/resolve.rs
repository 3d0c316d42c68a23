//! Where a server is. Addresses never come here; names are looked up in the background by the system's resolver, and the answer
//! comes back to the driver as an input. SRV is not asked yet: the name's own address with the port, or 5060, stands in.
//!
//! A far end can make the stack ask for one name after the other (a new Contact in each re-INVITE), and a name whose server is
//! silent holds a thread of the runtime for as long as the system's resolver waits: so there is an end to names at a time.

use std::sync::Arc;

use sip_stack::QueryId;
use tokio::sync::{Semaphore, mpsc};

use crate::agent::Question;

/// Names that are looked up at a time: six lines and six calls ask for one each.
pub const LOOKUPS_MAX: usize = 16;
/// Targets beyond this are not tried by anybody.
const TARGETS_MAX: usize = 8;

/// The answer to a question of the stack.
pub struct Found {
    /// Which.
    pub query: QueryId,
    /// As the stack takes it.
    pub targets: Result<Vec<std::net::SocketAddr>, String>,
}

/// Asks the system.
pub struct Resolver {
    free: Arc<Semaphore>,
    found: mpsc::Sender<Found>,
}

impl Resolver {
    /// With so many names at a time; answers go to `found`.
    pub fn new(lookups: usize, found: mpsc::Sender<Found>) -> Resolver {
        Resolver { free: Arc::new(Semaphore::new(lookups)), found }
    }

    /// Asks. Where too many names are asked for already, the answer is that at once.
    pub fn ask(&self, question: Question) {
        let Question { query, host, port } = question;
        let (free, found) = (Arc::clone(&self.free), self.found.clone());
        let Ok(place) = free.try_acquire_owned() else {
            tracing::warn!(host, "too many names are being looked up; this one is not");
            // A full queue has answers to tell first; the stack's own patience ends the question.
            let _ = found.try_send(Found { query, targets: Err("too many names are being looked up".to_owned()) });
            return;
        };
        tokio::spawn(async move {
            let targets = targets(&host, port.unwrap_or(5060)).await;
            drop(place);
            // The driver has gone: nobody wants the answer.
            let _ = found.send(Found { query, targets }).await;
        });
    }
}

async fn targets(host: &str, port: u16) -> Result<Vec<std::net::SocketAddr>, String> {
    let all = tokio::net::lookup_host((host, port)).await.map_err(|error| format!("{host} was not found: {error}"))?;
    let targets: Vec<_> = all.take(TARGETS_MAX).collect();
    if targets.is_empty() { Err(format!("{host} has no address")) } else { Ok(targets) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(number: u64) -> Question {
        Question { query: QueryId(number), host: "127.0.0.1".into(), port: None }
    }

    #[tokio::test]
    async fn a_host_is_found_with_the_port_of_sip() {
        let (sender, mut found) = mpsc::channel(1);
        Resolver::new(1, sender).ask(question(1));
        let answer = found.recv().await.unwrap();
        assert_eq!((answer.query, answer.targets), (QueryId(1), Ok(vec!["127.0.0.1:5060".parse().unwrap()])));
    }

    #[tokio::test]
    async fn one_name_more_than_may_be_looked_up_at_a_time_is_answered_at_once() {
        let (sender, mut found) = mpsc::channel(4);
        let resolver = Resolver::new(1, sender);
        resolver.ask(question(1));
        resolver.ask(question(2));
        // The first one has not had a chance to run yet.
        let refused = found.try_recv().unwrap();
        assert_eq!(refused.query, QueryId(2));
        assert!(refused.targets.unwrap_err().contains("too many"));
        assert_eq!(found.recv().await.unwrap().query, QueryId(1));
        resolver.ask(question(3));
        assert!(found.recv().await.unwrap().targets.is_ok());
    }
}
