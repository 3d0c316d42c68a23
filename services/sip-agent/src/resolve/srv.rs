//! The order of the servers that SRV records name (RFC 2782): by priority, and within one by weight. It asks nobody.
//!
//! RFC 2782 draws by weight at each use. A phone that drew anew for each request would wander from server to server; so the draw
//! is a function of the unit's seed and of the server itself: one phone keeps its order over look-ups and restarts, a server
//! that comes or goes moves nobody else, and over a fleet each server gets its weight's share.

use std::hash::{DefaultHasher, Hash, Hasher as _};

/// One SRV record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SrvServer {
    /// The lower is tried first.
    pub priority: u16,
    /// Share among those of one priority; 0: hardly ever before others.
    pub weight: u16,
    /// Its port.
    pub port: u16,
    /// Its name, with the final dot.
    pub target: String,
}

/// A record of weight 0 has "a very small chance" beside others (RFC 2782); among its like every one has the same.
const WEIGHT_OF_NONE: f64 = 0.001;

/// Puts the servers into the order in which this unit tries them. A target of "." says that there is no service (RFC 2782) and
/// is left out.
pub fn in_order(seed: u64, servers: Vec<SrvServer>) -> Vec<SrvServer> {
    let mut servers: Vec<(f64, SrvServer)> = servers
        .into_iter()
        .filter(|server| server.target != "." && !server.target.is_empty())
        .map(|server| {
            let weight = if server.weight == 0 { WEIGHT_OF_NONE } else { f64::from(server.weight) };
            (turn(seed, &(&server.target, server.port), weight), server)
        })
        .collect();
    servers.sort_by(|(one, first), (two, second)| first.priority.cmp(&second.priority).then(one.total_cmp(two)));
    servers.into_iter().map(|(_, server)| server).collect()
}

/// An exponential time with the weight as its rate: who has the smallest is first, with the probability of its share.
pub fn turn(seed: u64, who: &impl Hash, weight: f64) -> f64 {
    let mut hasher = DefaultHasher::new();
    (seed, who).hash(&mut hasher);
    // 53 bits are a number above 0 and not above 1 exactly.
    let (draw, range) = ((hasher.finish() >> 11) + 1, 1u64 << 53);
    let uniform = draw as f64 / range as f64;
    -uniform.ln() / weight
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(priority: u16, weight: u16, target: &str) -> SrvServer {
        SrvServer { priority, weight, port: 5060, target: target.to_owned() }
    }

    fn first(seed: u64, servers: &[SrvServer]) -> String {
        in_order(seed, servers.to_vec())[0].target.clone()
    }

    #[test]
    fn the_lower_priority_is_first_whatever_the_weights() {
        let servers = [server(20, 65_535, "b."), server(10, 0, "a."), server(30, 1, "c.")];
        for seed in 0..500 {
            let order: Vec<String> = in_order(seed, servers.to_vec()).into_iter().map(|server| server.target).collect();
            assert_eq!(order, ["a.", "b.", "c."]);
        }
    }

    #[test]
    fn over_many_units_each_server_is_first_as_often_as_its_weight_says() {
        let servers = [server(10, 60, "a."), server(10, 30, "b."), server(10, 10, "c."), server(10, 0, "d.")];
        let units = 20_000;
        let share = |name: &str| {
            let firsts = (0..units).filter(|seed| first(*seed, &servers) == name).count();
            f64::from(u32::try_from(firsts).unwrap()) / units as f64
        };
        for (name, weight) in [("a.", 0.6), ("b.", 0.3), ("c.", 0.1), ("d.", 0.0)] {
            let share = share(name);
            assert!((share - weight).abs() < 0.02, "{name}: {share}");
        }
    }

    #[test]
    fn one_unit_keeps_its_order_when_another_server_comes_or_goes() {
        let all = [server(10, 50, "a."), server(10, 50, "b."), server(10, 50, "c.")];
        for seed in 0..200 {
            let whole: Vec<SrvServer> = in_order(seed, all.to_vec());
            let without: Vec<SrvServer> = in_order(seed, all[..2].to_vec());
            let expected: Vec<SrvServer> = whole.iter().filter(|server| server.target != "c.").cloned().collect();
            assert_eq!(without, expected);
        }
    }

    #[test]
    fn a_target_of_a_dot_is_no_server() {
        assert!(in_order(1, vec![server(0, 0, ".")]).is_empty());
    }
}
