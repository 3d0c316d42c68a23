//! The stack's outside: inputs in, outputs out, snapshot.

use std::collections::VecDeque;

use agreements::{LineNumber, Tick};

use crate::interface::{Input, LineState, Output};
use crate::random::Random;
use crate::timers::TimerTable;
use crate::transaction::TransactionTable;
use crate::view::{CallView, Start};

/// The whole SIP user agent of the phone.
pub struct Stack {
    random: Random,
    timers: TimerTable,
    transactions: TransactionTable,
    outputs: VecDeque<Output>,
}

impl Stack {
    /// A stack that knows nothing yet, or what the snapshot holds. `seed` must be fresh and secret.
    pub fn new(_now: Tick, seed: [u8; 32], _snapshot: Option<&[u8]>) -> (Stack, Start) {
        let stack = Stack {
            random: Random::new(seed, &[]),
            timers: TimerTable::default(),
            transactions: TransactionTable::default(),
            outputs: VecDeque::new(),
        };
        (stack, Start::Cold)
    }

    /// Something has happened.
    pub fn handle(&mut self, _now: Tick, _input: Input) {
        self.random.u64();
    }

    /// The next thing to do; [`Output::Wait`] when there is nothing more.
    pub fn poll(&mut self) -> Output {
        self.outputs.pop_front().unwrap_or(Output::Wait(self.timers.next()))
    }

    /// Everything that is needed to go on after a restart, with a format number.
    pub fn snapshot(&self) -> Vec<u8> {
        self.transactions.len().to_be_bytes().to_vec()
    }

    /// The calls that have not ended, oldest first.
    pub fn calls(&self) -> Vec<CallView> {
        Vec::new()
    }

    /// A line's present state.
    pub fn line_state(&self, _line: LineNumber) -> LineState {
        LineState::Disabled
    }
}
