//! Events on their way to readers of the stream. A reader that is slow gets only the newest statistics of a session; everything
//! else it gets all of, up to a bound at which it is cut off. Pure but for the waker.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use phone_proto::media::{Event, event::Kind};
use tokio::sync::Notify;

use crate::lock;

/// A reader with more than this waiting is gone.
const LONGEST_QUEUE: usize = 1_024;
/// More readers are a defect of the caller.
const MOST_READERS: usize = 8;

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Event>,
    ended: bool,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    more: Notify,
}

/// The readers of events.
#[derive(Default)]
pub struct Events {
    readers: Vec<Arc<Shared>>,
}

/// One of them.
pub struct Reader(Arc<Shared>);

impl Events {
    /// A new reader, who learns first how things stand (`standing`); of too many the oldest is cut off.
    pub fn subscribe(&mut self, standing: impl Iterator<Item = Event>) -> Reader {
        if self.readers.len() >= MOST_READERS {
            self.readers.remove(0).end();
        }
        let shared = Arc::new(Shared::default());
        standing.for_each(|event| {
            shared.push(event);
        });
        self.readers.push(Arc::clone(&shared));
        Reader(shared)
    }

    /// To all.
    pub fn publish(&mut self, event: &Event) {
        self.readers.retain(|reader| Arc::strong_count(reader) > 1 && reader.push(event.clone()));
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.readers.iter().for_each(|reader| reader.end());
    }
}

impl Shared {
    /// False: the reader is cut off.
    fn push(&self, event: Event) -> bool {
        let mut queue = lock(&self.queue);
        if let Some(session) = statistics_of(&event) {
            queue.waiting.retain(|waiting| statistics_of(waiting) != Some(session));
        }
        queue.waiting.push_back(event);
        queue.ended |= queue.waiting.len() > LONGEST_QUEUE;
        self.more.notify_one();
        !queue.ended
    }

    fn end(&self) {
        lock(&self.queue).ended = true;
        self.more.notify_one();
    }
}

fn statistics_of(event: &Event) -> Option<&str> {
    match &event.kind {
        Some(Kind::Statistics(statistics)) => Some(&statistics.session),
        _ => None,
    }
}

impl Reader {
    /// The next event; none: the reader was cut off.
    pub async fn next(&self) -> Option<Event> {
        loop {
            {
                let mut queue = lock(&self.0.queue);
                if queue.ended {
                    return None;
                }
                if let Some(event) = queue.waiting.pop_front() {
                    return Some(event);
                }
            }
            self.0.more.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use phone_proto::media::{DigitsSent, Statistics};

    use super::*;

    fn statistics(session: &str, packets_sent: u64) -> Event {
        let statistics = Statistics { session: session.into(), packets_sent, ..Default::default() };
        Event { epoch: 1, kind: Some(Kind::Statistics(statistics)) }
    }

    fn sent(number: u64) -> Event {
        Event { epoch: 1, kind: Some(Kind::DigitsSent(DigitsSent { session: "a".into(), number })) }
    }

    #[tokio::test]
    async fn a_new_reader_learns_first_how_things_stand() {
        let mut events = Events::default();
        let reader = events.subscribe([sent(1)].into_iter());
        events.publish(&sent(2));
        assert_eq!((reader.next().await, reader.next().await), (Some(sent(1)), Some(sent(2))));
    }

    #[tokio::test]
    async fn a_slow_reader_gets_the_newest_statistics_and_every_digit() {
        let mut events = Events::default();
        let reader = events.subscribe(std::iter::empty());
        for event in [statistics("a", 1), sent(1), statistics("b", 1), statistics("a", 2), sent(2)] {
            events.publish(&event);
        }
        let mut got = Vec::new();
        for _ in 0..4 {
            got.push(reader.next().await.unwrap());
        }
        assert_eq!(got, [sent(1), statistics("b", 1), statistics("a", 2), sent(2)]);
    }

    #[tokio::test]
    async fn a_reader_that_does_not_read_is_cut_off() {
        let mut events = Events::default();
        let reader = events.subscribe(std::iter::empty());
        (0..2_000).for_each(|number| events.publish(&sent(number)));
        assert_eq!(reader.next().await, None);
        assert!(events.readers.is_empty());
    }
}
