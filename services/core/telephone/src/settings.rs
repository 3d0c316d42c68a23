//! What the telephone needs to know from the settings. sip-agent builds it from the catalogue's effective values; the defaults
//! here are the guide's, for tests and for a phone without settings.

use std::time::Duration;

use agreements::LineNumber;
use serde::{Deserialize, Serialize};
use sip_stack::FlashHookForm;

use crate::dial_plan::DialPlan;
use crate::forwarding::{LineFeatures, LineForwarding};
use crate::screening::Screening;

/// The rows of sections 5.6 and 5.7 that say how the phone behaves under the hand.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TelephoneSettings {
    /// FIRSTDIGIT_TIM: dial tone without a digit ends in busy tone (B192).
    pub first_digit: Duration,
    /// INTDIGIT_TIM: the pause after a digit that starts dialing (B193).
    pub inter_digit: Duration,
    /// MACRODIGIT_TIM: the pause that T in a dial plan stands for (B228).
    pub macro_digit: Duration,
    /// DIAL_PLAN_n and DIAL_PLAN_NOT_MATCH_ENABLE_n, by line (B219).
    pub dial_plans: [DialPlan; LineNumber::COUNT as usize],
    /// POUND_KEY_DELIMITER_ENABLE: # ends dialing, but not as the first digit (B194, C27).
    pub pound_ends_dialing: bool,
    /// DEFAULT_LINE_SELECT: where a call leaves when nobody said which line.
    pub default_line: LineNumber,
    /// AUTO_ANSWER_ENABLE.
    pub auto_answer: bool,
    /// AUTO_ANS_RING_TIM: how long it rings before it is answered by itself; zero: at once (B296).
    pub auto_answer_ring: Duration,
    /// CW_ENABLE_n, by line: a second call on it waits, else it finds the line busy (B310).
    pub call_waiting: [bool; LineNumber::COUNT as usize],
    /// AUTO_CALL_HOLD: a line key pressed in a conversation holds it instead of ending it (B289).
    pub auto_call_hold: bool,
    /// SIP_RESPONSE_CODE_CALL_REJECT (B191).
    pub reject_status: u16,
    /// DISCONNECTION_MODE (B292).
    pub disconnection_tone: DisconnectionTone,
    /// TONE_LEN_DISCONNECT_HANDSET (B293).
    pub disconnect_handset: Duration,
    /// TONE_LEN_DISCONNECT_HANDSFREE (B293).
    pub disconnect_handsfree: Duration,
    /// DTMF_SIGNAL_LEN in milliseconds (B308).
    pub digit_length_ms: u32,
    /// DTMF_RELAY_n, by line: digits go by message and not with the sound (B305).
    pub relay_digits: [bool; LineNumber::COUNT as usize],
    /// DTMF_INTDIGIT_TIM in milliseconds (B308).
    pub digit_pause_ms: u32,
    /// SHARED_CALL_ENABLE_n, by line: other units have it too, and its server deals out its appearances.
    pub shared: [bool; LineNumber::COUNT as usize],
    /// FLASH_RECALL_TERMINATE: the Flash key ends the conversation, or else tells the far end of a flash hook (B309).
    pub flash_ends_call: bool,
    /// FLASHHOOK_CONTENT_TYPE.
    pub flash_hook: FlashHookForm,
    /// VM_NUMBER_n, by line; empty: there is none.
    pub mailbox_numbers: [String; LineNumber::COUNT as usize],
    /// VM_SUBSCRIBE_ENABLE: registered lines subscribe to their mailboxes.
    pub voice_mail: bool,
    /// VOICE_MESSAGE_AVAILABLE: "Messages-Waiting: yes" counts only with a Voice-Message line (B199).
    pub voice_message_counted: bool,
    /// RESOURCELIST_URI_n, by line: the list of those whom it watches; empty: nobody.
    pub resource_lists: [String; LineNumber::COUNT as usize],
    /// The tones of section 5.6.2.
    pub tones: Tones,
    /// Who is not let in.
    pub screening: Screening,
    /// Who is sent elsewhere, by line.
    pub forwarding: [LineForwarding; LineNumber::COUNT as usize],
    /// FWD_DND_SYNCHRO_ENABLE_n, by line: do-not-disturb and forwarding are kept the same as at the server.
    pub feature_sync: [bool; LineNumber::COUNT as usize],
}

/// Which tone says that a call is over or could not be made (B292).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DisconnectionTone {
    /// Mode 1.
    Reorder,
    /// Mode 2.
    Busy,
}

/// The call progress tones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tones {
    /// DIAL_TONE1_*.
    pub dial: ToneSettings,
    /// RINGBACK_TONE_* (B297).
    pub ringback: ToneSettings,
    /// BUSY_TONE_*.
    pub busy: ToneSettings,
    /// REORDER_TONE_*.
    pub reorder: ToneSettings,
}

/// One tone as its three rows give it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToneSettings {
    /// In hertz, sounding together; 0 or none: silence.
    pub frequencies: Vec<u32>,
    /// In milliseconds: off, on, off, on ...; a 0 lasts for ever, else the sequence repeats (B204, B205).
    pub timing_ms: Vec<u32>,
    /// In decibels.
    pub gain_db: i32,
}

impl ToneSettings {
    /// A tone at 0 dB.
    pub fn new(frequencies: &[u32], timing_ms: &[u32]) -> ToneSettings {
        ToneSettings { frequencies: frequencies.to_vec(), timing_ms: timing_ms.to_vec(), gain_db: 0 }
    }
}

impl Default for Tones {
    fn default() -> Tones {
        Tones {
            dial: ToneSettings::new(&[350, 440], &[60, 0]),
            ringback: ToneSettings::new(&[440, 480], &[60, 2000, 3940]),
            busy: ToneSettings::new(&[480, 620], &[60, 500, 440]),
            reorder: ToneSettings::new(&[480, 620], &[60, 250, 190]),
        }
    }
}

impl TelephoneSettings {
    /// Of a phone that was read from a snapshot, until it is given its own.
    pub(crate) fn unknown() -> TelephoneSettings {
        TelephoneSettings::factory(LineNumber::FIRST)
    }

    /// The guide's defaults, with this default line.
    pub fn factory(default_line: LineNumber) -> TelephoneSettings {
        TelephoneSettings {
            first_digit: Duration::from_secs(30),
            inter_digit: Duration::from_secs(5),
            macro_digit: Duration::from_secs(5),
            dial_plans: Default::default(),
            pound_ends_dialing: true,
            default_line,
            auto_answer: false,
            auto_answer_ring: Duration::from_secs(5),
            call_waiting: [true; LineNumber::COUNT as usize],
            auto_call_hold: false,
            reject_status: 603,
            disconnection_tone: DisconnectionTone::Reorder,
            disconnect_handset: Duration::from_secs(10),
            disconnect_handsfree: Duration::from_secs(3),
            digit_length_ms: 180,
            relay_digits: [false; LineNumber::COUNT as usize],
            digit_pause_ms: 90,
            shared: [false; LineNumber::COUNT as usize],
            flash_ends_call: true,
            flash_hook: FlashHookForm::DtmfRelay,
            mailbox_numbers: Default::default(),
            voice_mail: false,
            voice_message_counted: true,
            resource_lists: Default::default(),
            tones: Tones::default(),
            screening: Screening::factory(),
            forwarding: Default::default(),
            feature_sync: [false; LineNumber::COUNT as usize],
        }
    }

    /// What a line's server may keep as well, as the rows have it.
    pub(crate) fn features(&self, line: LineNumber) -> LineFeatures {
        let forwarding = self.forwarding.get(line.index()).cloned().unwrap_or_default();
        let do_not_disturb = self.screening.lines.get(line.index()).is_some_and(|own| own.do_not_disturb);
        LineFeatures { do_not_disturb, forwarding }
    }
}
