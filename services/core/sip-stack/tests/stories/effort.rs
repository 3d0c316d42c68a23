//! How much work a property is given.

/// So many cases of a property, unless PROPTEST_CASES asks for another number.
pub fn cases(usual: u32) -> proptest::test_runner::Config {
    let config = proptest::test_runner::Config { failure_persistence: None, ..Default::default() };
    let unasked = config.cases == 256;
    proptest::test_runner::Config { cases: if unasked { usual } else { config.cases }, ..config }
}
