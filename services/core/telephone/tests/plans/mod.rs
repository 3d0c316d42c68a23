//! What holds for every dial plan and all digits; for the property tests, the corpus and the fuzz target.

use settings::{catalogue, value};
use telephone::DialPlan;
use telephone::dial_plan::Ruling;

/// The first line is a plan, the second digits, as a person keys them; a third one makes it filter.
pub fn octets_hold(octets: &[u8]) -> Result<(), String> {
    let text = String::from_utf8_lossy(octets);
    let mut lines = text.splitn(3, '\n');
    let plan = lines.next().unwrap_or_default();
    let digits: String = lines.next().unwrap_or_default().chars().filter(|c| "0123456789*#+".contains(*c)).take(64).collect();
    holds(plan, &digits, lines.next().is_some())
}

pub fn holds(text: &str, digits: &str, filters: bool) -> Result<(), String> {
    let row = catalogue::parameter("DIAL_PLAN_1").ok_or("no DIAL_PLAN_1")?;
    let (legal, plan) = (value::check(&row, text), DialPlan::parse(text, filters));
    if legal.is_ok() != plan.is_some() {
        return Err(format!("{text:?}: the settings say {legal:?}, the telephone {plan:?}"));
    }
    let Some(plan) = plan else { return Ok(()) };
    for end in 1..=digits.len() {
        let so_far = digits.get(..end).unwrap_or_default();
        let (ruling, whole) = (plan.while_keying(so_far), plan.when_whole(so_far));
        let fits = match &ruling {
            Ruling::Call(number) => whole.as_ref() == Some(number) && !number.is_empty(),
            Ruling::Deny => whole.is_none(),
            Ruling::Wait(_) => true,
        };
        if !fits {
            return Err(format!("{text:?}, {so_far}: {ruling:?} and yet {whole:?}"));
        }
        if whole.is_some_and(|number| number.is_empty() || !number.chars().all(|c| "0123456789*#+".contains(c))) {
            return Err(format!("{text:?}, {so_far}: no number to call"));
        }
    }
    Ok(())
}
