//! The tones, from their rows to what media-engine is asked to play.

use agreements::Tick;
use phone_proto::media as proto;
use sip_agent::media::plan::Plan;
use sip_agent::settings::Rows;
use sip_stack::{EndedBy, Event};
use testbed::desk::Desk;

use crate::configured::{desk, line, values};

/// The tone that is asked for after `scene`.
fn played(rows: &[(&str, &str)], scene: fn(&mut Desk)) -> proto::Tone {
    let mut desk = desk(rows);
    scene(&mut desk);
    let mut plan = Plan::new(1);
    plan.want_sound(desk.sound.clone());
    let values = values(&[rows]);
    plan.compose(Tick(1), |line| Rows::new(&values).media(line)).unwrap().tone.expect("a tone")
}

/// One tone by its rows; `name` is that of the rows and `scene` makes it sound (B204, B205, B297).
fn each_row_is_heard(name: &str, scene: fn(&mut Desk)) {
    let row = |suffix: &str| format!("{name}_{suffix}");
    let with = |suffix: &str, value: &str| played(&[(row(suffix).as_str(), value)], scene);
    for (value, expected) in [("425", vec![425]), ("300,1500", vec![300, 1500])] {
        assert_eq!(with("FRQ", value).frequencies, expected, "{name}");
    }
    for (value, expected) in [("-24", -24), ("6", 6)] {
        assert_eq!(with("GAIN", value).gain_db, expected, "{name}");
    }
    for (value, expected) in [("60,0", vec![60, 0]), ("100,300,200,50", vec![100, 300, 200, 50])] {
        assert_eq!(with("TIMING", value).timing_ms, expected, "{name}");
    }
}

#[test]
fn the_dial_tone_sounds_as_its_rows_say() {
    each_row_is_heard("DIAL_TONE1", Desk::lift);
}

fn dial_and_fail(desk: &mut Desk, code: u16) {
    desk.lift();
    desk.keys(&["1", "enter"]);
    let call = desk.dialed().0;
    desk.ended(call, code, EndedBy::Remote);
}

#[test]
fn the_busy_tone_sounds_as_its_rows_say() {
    each_row_is_heard("BUSY_TONE", |desk| dial_and_fail(desk, 486));
}

#[test]
fn the_reorder_tone_sounds_as_its_rows_say() {
    each_row_is_heard("REORDER_TONE", |desk| dial_and_fail(desk, 404));
}

#[test]
fn the_ringback_tone_sounds_as_its_rows_say() {
    each_row_is_heard("RINGBACK_TONE", |desk| {
        desk.request(telephone::Request::Dial { line: Some(line(1)), target: "100".into() }).unwrap();
        let call = desk.dialed().0;
        desk.sip(Event::Ringback { call, early_media: false });
    });
}
