//! Our G.722 against libavcodec's: the same bits, both ways. Both follow ITU-T G.722 to the bit.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::sync::{Arc, Mutex};

use gstreamer as gst;
use gstreamer::prelude::*;
use media_engine::codec::g722::{Decoder, Encoder};
use media_engine::pipeline::pads::{self, Taken};
use media_engine::pipeline::plugins;

/// Pushes bytes through one element of libav.
fn through(name: &str, caps: &str, chunks: &[Vec<u8>]) -> Vec<u8> {
    plugins::start().unwrap();
    let caps: gst::Caps = caps.parse().unwrap();
    let element = plugins::element("libav", name).expect("package gstreamer1.0-libav");
    let out: Arc<Mutex<Vec<u8>>> = Arc::default();
    let sink = Arc::clone(&out);
    let take = move |taken| {
        if let Taken::Buffer(buffer) = taken {
            sink.lock().unwrap().extend(buffer.map_readable().unwrap().iter());
        }
    };
    let _taking = pads::taking(&element.static_pad("src").unwrap(), take).unwrap();
    element.set_state(gst::State::Playing).unwrap();
    let feed = pads::feeding(&element.static_pad("sink").unwrap(), &caps).unwrap();
    for (n, chunk) in (0u64..).zip(chunks) {
        let mut buffer = gst::Buffer::from_slice(chunk.clone());
        buffer.get_mut().unwrap().set_pts(gst::ClockTime::from_mseconds(n * 20));
        buffer.get_mut().unwrap().set_duration(gst::ClockTime::from_mseconds(20));
        feed.push(buffer).unwrap();
    }
    feed.push_event(gst::event::Eos::new());
    element.set_state(gst::State::Null).unwrap();
    out.lock().unwrap().clone()
}

/// Tones, noise, full scale and silence: everything the predictor adapts to.
fn sound() -> Vec<i16> {
    let mut noise = 1u32;
    (0..32_000u32)
        .map(|n| {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let sine = |hertz: f64| (std::f64::consts::TAU * hertz * f64::from(n) / 16_000.0).sin();
            match n / 4_000 {
                0 => (12_000.0 * sine(440.0)) as i16,
                1 => (9_000.0 * (sine(3_000.0) + sine(6_500.0))) as i16,
                2 => (noise >> 16) as u16 as i16,
                3 => 0,
                4 => {
                    if n % 80 < 40 {
                        i16::MAX
                    } else {
                        i16::MIN
                    }
                }
                5 => ((noise >> 16) as u16 as i16) / 64,
                _ => (20_000.0 * sine(f64::from(n) / 10.0)) as i16,
            }
        })
        .collect()
}

#[test]
fn the_encoder_writes_the_same_bytes() {
    let sound = sound();
    let caps = "audio/x-raw,format=S16LE,layout=interleaved,rate=16000,channels=1";
    let chunks: Vec<Vec<u8>> =
        sound.chunks(320).map(|chunk| chunk.iter().flat_map(|sample| sample.to_le_bytes()).collect()).collect();
    let theirs = through("avenc_g722", caps, &chunks);
    let mut ours = Vec::new();
    Encoder::default().encode(&sound, &mut ours);
    assert_eq!(ours.len(), theirs.len());
    assert_eq!(ours.iter().zip(&theirs).position(|(one, other)| one != other), None);
}

#[test]
fn the_decoder_makes_the_same_samples() {
    let mut bytes = Vec::new();
    Encoder::default().encode(&sound(), &mut bytes);
    // And bytes that no encoder would write.
    bytes.extend((0..4_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8));
    let caps = "audio/G722,rate=16000,channels=1";
    let chunks: Vec<Vec<u8>> = bytes.chunks(160).map(<[u8]>::to_vec).collect();
    let theirs = through("avdec_g722", caps, &chunks);
    let theirs: Vec<i16> = theirs.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
    let mut ours = Vec::new();
    Decoder::default().decode(&bytes, &mut ours);
    assert_eq!(ours.len(), theirs.len());
    assert_eq!(ours.iter().zip(&theirs).position(|(one, other)| one != other), None);
}
