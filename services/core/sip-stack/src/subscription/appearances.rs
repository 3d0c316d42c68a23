//! Appearances of a shared call (packages call-info and line-seize): a server says in Call-Info of its NOTIFYs how far each of them
//! is. What is known is kept here, because a NOTIFY may say only what has changed; what it means for lamps and keys is others'
//! affair.

use serde::{Deserialize, Serialize};
use sip_wire::{AppearanceIndex, AppearanceState, Headers, Info};

use super::{Subscription, SubscriptionId};
use crate::interface::Event;
use crate::stack::Stack;

/// Appearances that are kept; no phone has as many keys.
const MOST: usize = 64;
/// Characters that are kept of a far end's address.
const LONGEST: usize = 256;

/// One that the server has named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Appearance {
    /// 1, 2, ...
    pub index: u32,
    /// How far it is.
    pub state: AppearanceState,
    /// Its far end, as `"Name" <uri>`; may be empty.
    pub far_end: String,
}

/// All that the server has said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Appearances {
    /// In the order of their numbers.
    pub named: Vec<Appearance>,
    /// How far all others are; none: it has not said so yet.
    pub others: Option<AppearanceState>,
}

impl Appearances {
    /// With what a NOTIFY says: what speaks of all that are not named (`*`) is the whole, everything else what has changed. A state
    /// that nobody knows says nothing. `unsaid`: what one is whose state does not stand there.
    fn with(&self, said: &[Info], unsaid: Option<AppearanceState>) -> Appearances {
        let mut all = self.clone();
        let state = |info: &Info| if info.params.get("appearance-state").is_some() { info.appearance_state() } else { unsaid };
        let states = || said.iter().filter_map(|info| Some((info.appearance_index()?, state(info)?, info)));
        if let Some((_, state, _)) = states().find(|(index, ..)| *index == AppearanceIndex::All) {
            all = Appearances { named: Vec::new(), others: Some(state) };
        }
        for (index, state, info) in states() {
            if let AppearanceIndex::One(index) = index {
                let far_end = sip_wire::text::shown(info.appearance_uri().unwrap_or_default());
                let far_end = far_end.chars().filter(|c| !c.is_control()).take(LONGEST).collect();
                all.set(Appearance { index, state, far_end });
            }
        }
        all
    }

    fn set(&mut self, one: Appearance) {
        match self.named.binary_search_by_key(&one.index, |known| known.index) {
            Ok(at) => self.named.splice(at..=at, [one]).for_each(drop),
            Err(at) if self.named.len() < MOST => self.named.insert(at, one),
            Err(_) => {}
        }
    }

    /// How far one is, where that is known.
    pub fn state(&self, index: u32) -> Option<AppearanceState> {
        self.named.iter().find(|one| one.index == index).map(|one| one.state).or(self.others)
    }
}

impl Subscription {
    /// The appearance that the server has given to a line-seize; it may be another one than was asked for.
    pub(super) fn seized(&self) -> Option<u32> {
        self.wish.appearance?;
        self.appearances.named.iter().find(|one| one.state != AppearanceState::Idle).map(|one| one.index)
    }
}

impl Stack {
    /// Tells what a NOTIFY has changed.
    pub(super) fn take_appearances(&mut self, id: SubscriptionId, headers: &Headers) {
        let Some(subscription) = self.subscription(id).filter(|one| !one.unwanted) else { return };
        // Kamailio's sca names the number alone.
        let unsaid = subscription.wish.appearance.map(|_| AppearanceState::Seized);
        let appearances = subscription.appearances.with(&headers.call_info().unwrap_or_default(), unsaid);
        if appearances == subscription.appearances {
            return;
        }
        subscription.appearances = appearances.clone();
        let key = subscription.key.clone();
        self.touch();
        self.tell(Event::Appearances { key, appearances });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(values: &[&str]) -> Vec<Info> {
        values.iter().map(|value| format!("<sip:host>;{value}").parse().unwrap()).collect()
    }

    #[test]
    fn what_names_all_others_is_the_whole_and_everything_else_a_change() {
        let first =
            Appearances::default().with(&said(&["appearance-index=2;appearance-state=active;appearance-uri=\"<sip:a@b>\""]), None);
        assert_eq!((first.state(2), first.state(1)), (Some(AppearanceState::Active), None));
        assert_eq!(first.named[0].far_end, "<sip:a@b>");
        let second = first.with(
            &said(&["appearance-index=1;appearance-state=seized", "appearance-index=3;appearance-state=odd", "appearance-index=3"]),
            None,
        );
        let states = [1, 2, 3].map(|index| second.state(index));
        assert_eq!(states, [Some(AppearanceState::Seized), Some(AppearanceState::Active), None]);
        let third =
            second.with(&said(&["appearance-index=*;appearance-state=idle", "appearance-index=1;appearance-state=held"]), None);
        assert_eq!([1, 2].map(|index| third.state(index)), [Some(AppearanceState::Held), Some(AppearanceState::Idle)]);
        assert_eq!(third.with(&said(&["purpose=icon"]), None), third);
    }

    #[test]
    fn appearances_are_bounded() {
        let many = (0..500).map(|index| format!("<sip:h>;appearance-index={index};appearance-state=held").parse().unwrap());
        assert_eq!(Appearances::default().with(&many.collect::<Vec<_>>(), None).named.len(), MOST);
    }
}
