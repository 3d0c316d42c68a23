//! How much one source may ask: a token bucket per source in a bounded table. It must not be asked about what was
//! authenticated: a person who is in is not slowed down.

use std::collections::HashMap;
use std::hash::Hash;

use agreements::Tick;

const SECOND: u64 = 1_000_000_000;

/// A bucket per source: `burst` at once, then `per_second`. Time is the caller's.
#[derive(Debug)]
pub struct RateLimit<S> {
    buckets: HashMap<S, Bucket>,
    per_second: u32,
    burst: u32,
    sources: usize,
}

/// What is left, as the time that is still to be paid back: empty when `paid_at` lies a whole burst in the future.
#[derive(Debug)]
struct Bucket {
    paid_at: Tick,
}

impl<S: Eq + Hash + Clone> RateLimit<S> {
    /// At most `sources` are remembered; the one that has been quiet longest makes room.
    pub fn new(per_second: u32, burst: u32, sources: usize) -> RateLimit<S> {
        RateLimit { buckets: HashMap::new(), per_second: per_second.max(1), burst: burst.max(1), sources: sources.max(1) }
    }

    /// Whether `source` may have one more now.
    pub fn allow(&mut self, source: &S, now: Tick) -> bool {
        let cost = SECOND / u64::from(self.per_second);
        let room = cost.saturating_mul(u64::from(self.burst));
        if !self.buckets.contains_key(source) {
            self.make_room(now);
        }
        let bucket = self.buckets.entry(source.clone()).or_insert(Bucket { paid_at: now });
        let paid_at = bucket.paid_at.max(now).0.saturating_add(cost);
        let allowed = paid_at <= now.0.saturating_add(room);
        if allowed {
            bucket.paid_at = Tick(paid_at);
        }
        allowed
    }

    fn make_room(&mut self, now: Tick) {
        if self.buckets.len() < self.sources {
            return;
        }
        self.buckets.retain(|_, bucket| bucket.paid_at > now);
        if self.buckets.len() >= self.sources
            && let Some(quietest) = self.buckets.iter().min_by_key(|(_, bucket)| bucket.paid_at).map(|(source, _)| source.clone())
        {
            self.buckets.remove(&quietest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_allowed_and_then_the_rate() {
        let mut limit = RateLimit::new(2, 3, 10);
        let at = |tenths: u64| Tick(tenths * SECOND / 10 + 1);
        let first: Vec<bool> = (0..4).map(|_| limit.allow(&"a", at(0))).collect();
        assert_eq!(first, [true, true, true, false]);
        assert!(limit.allow(&"b", at(0)), "another source has its own bucket");
        assert_eq!((limit.allow(&"a", at(5)), limit.allow(&"a", at(5))), (true, false));
    }

    #[test]
    fn the_table_is_bounded() {
        let mut limit = RateLimit::new(1, 1, 4);
        for source in 0..1000_u32 {
            limit.allow(&source, Tick(u64::from(source)));
        }
        assert!(limit.buckets.len() <= 4);
    }
}
