//! G.722 at 64 kbit/s, both ways, in the integer arithmetic of ITU-T G.722 (section 6; the blocks are named there), so that it
//! is bit-exact with every other implementation. Two samples at 16 kHz are one byte: two bits for the upper band, six for the
//! lower one. The test holds it against libavcodec's.

/// Coefficients of the quadrature mirror filter, one half: the other is its mirror (table 11).
const QMF: [i32; 12] = [3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11];
/// Decision levels of the 6-bit quantiser (table 14).
const LEVELS: [i32; 29] = [
    35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650, 714, 786, 858, 940, 1023, 1121, 1219, 1339, 1458, 1612,
    1765, 1980, 2195, 2557, 2919,
];
/// Output of the 6-bit inverse quantiser (table 17).
const OUTPUT_6: [i32; 64] = [
    -136, -136, -136, -136, -24808, -21904, -19008, -16704, -14984, -13512, -12280, -11192, -10232, -9360, -8576, -7856, -7192,
    -6576, -6000, -5456, -4944, -4464, -4008, -3576, -3168, -2776, -2400, -2032, -1688, -1360, -1040, -728, 24808, 21904, 19008,
    16704, 14984, 13512, 12280, 11192, 10232, 9360, 8576, 7856, 7192, 6576, 6000, 5456, 4944, 4464, 4008, 3576, 3168, 2776, 2400,
    2032, 1688, 1360, 1040, 728, 432, 136, -432, -136,
];
/// Output of the 4-bit inverse quantiser, which both ends adapt by (table 19).
const OUTPUT_4: [i32; 16] = [0, -20456, -12896, -8968, -6288, -4240, -2584, -1200, 20456, 12896, 8968, 6288, 4240, 2584, 1200, 0];
/// Output of the 2-bit inverse quantiser of the upper band (table 21).
const OUTPUT_2: [i32; 4] = [-7408, -1616, 7408, 1616];
/// Multipliers of the lower band's scale factor, by the 4-bit code (tables 18, 20).
const LOWER_STEP: [i32; 16] = [-60, 3042, 1198, 538, 334, 172, 58, -30, 3042, 1198, 538, 334, 172, 58, -30, -60];
/// Multipliers of the upper band's scale factor, by the 2-bit code.
const UPPER_STEP: [i32; 4] = [798, -214, 798, -214];
/// Mantissas of the antilogarithm (table 15).
const ANTILOG: [i32; 32] = [
    2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774, 2834, 2896, 2960, 3025, 3091, 3158,
    3228, 3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008,
];

fn saturate(value: i32) -> i32 {
    value.clamp(i32::from(i16::MIN), i32::from(i16::MAX))
}

fn at(table: &[i32], index: i32) -> i32 {
    usize::try_from(index).ok().and_then(|index| table.get(index)).copied().unwrap_or(0)
}

fn to_sample(value: i32) -> i16 {
    i16::try_from(saturate(value)).unwrap_or(0)
}

/// The predictor and the quantiser's scale of one band.
struct Band {
    /// The predicted sample and the part of the zeros in it.
    predicted: i32,
    zeros_part: i32,
    reconstructed: [i32; 2],
    partial: [i32; 2],
    poles: [i32; 2],
    differences: [i32; 6],
    zeros: [i32; 6],
    /// Logarithm of the scale factor, and the scale factor.
    log_scale: i32,
    scale: i32,
}

impl Band {
    fn new(scale: i32) -> Band {
        Band {
            predicted: 0,
            zeros_part: 0,
            reconstructed: [0; 2],
            partial: [0; 2],
            poles: [0; 2],
            differences: [0; 6],
            zeros: [0; 6],
            log_scale: 0,
            scale,
        }
    }

    /// LOGSCL and SCALEL, or LOGSCH and SCALEH.
    fn rescale(&mut self, step: i32, highest: i32, exponent: i32) {
        self.log_scale = (((self.log_scale * 127) >> 7) + step).clamp(0, highest);
        let mantissa = at(&ANTILOG, (self.log_scale >> 6) & 31);
        let shift = exponent - (self.log_scale >> 11);
        self.scale = if shift < 0 { mantissa << -shift } else { mantissa >> shift } << 2;
    }

    /// Block 4: takes in the quantised difference and predicts the next sample.
    fn adapt(&mut self, difference: i32) {
        let reconstructed = saturate(self.predicted + difference);
        let partial = saturate(self.zeros_part + difference);
        self.move_poles(partial);
        self.move_zeros(difference);
        self.differences.rotate_right(1);
        self.differences[0] = difference;
        self.reconstructed = [reconstructed, self.reconstructed[0]];
        self.partial = [partial, self.partial[0]];
        self.predict();
    }

    /// UPPOL2 and UPPOL1.
    fn move_poles(&mut self, partial: i32) {
        let [first, second] = self.poles;
        let like_last = (partial < 0) == (self.partial[0] < 0);
        let like_second = (partial < 0) == (self.partial[1] < 0);
        let cross = saturate(first << 2);
        let cross = if like_last { -cross } else { cross }.min(32_767);
        let second = (cross >> 7) + if like_second { 128 } else { -128 } + ((second * 32_512) >> 15);
        let second = second.clamp(-12_288, 12_288);
        let limit = saturate(15_360 - second);
        let first = saturate(if like_last { 192 } else { -192 } + ((first * 32_640) >> 15)).clamp(-limit, limit);
        self.poles = [first, second];
    }

    /// UPZERO.
    fn move_zeros(&mut self, difference: i32) {
        let step = if difference == 0 { 0 } else { 128 };
        for (zero, past) in self.zeros.iter_mut().zip(self.differences) {
            let step = if (past < 0) == (difference < 0) { step } else { -step };
            *zero = saturate(step + ((*zero * 32_640) >> 15));
        }
    }

    /// FILTEP, FILTEZ and PREDIC.
    fn predict(&mut self) {
        let poles = self.poles.iter().zip(self.reconstructed).map(|(pole, past)| (pole * saturate(past * 2)) >> 15).sum();
        self.zeros_part =
            saturate(self.zeros.iter().zip(self.differences).map(|(zero, past)| (zero * saturate(past * 2)) >> 15).sum());
        self.predicted = saturate(saturate(poles) + self.zeros_part);
    }
}

struct Bands {
    lower: Band,
    upper: Band,
    /// Past of the mirror filter: even and odd samples, the newest last.
    even: [i32; 12],
    odd: [i32; 12],
}

impl Default for Bands {
    fn default() -> Bands {
        Bands { lower: Band::new(32), upper: Band::new(8), even: [0; 12], odd: [0; 12] }
    }
}

impl Bands {
    /// The two sums of the mirror filter after two new samples.
    fn mirror(&mut self, even: i32, odd: i32) -> (i32, i32) {
        self.even.rotate_left(1);
        self.even[11] = even;
        self.odd.rotate_left(1);
        self.odd[11] = odd;
        let forward = self.even.iter().zip(QMF).map(|(sample, weight)| sample * weight).sum();
        let backward = self.odd.iter().zip(QMF.iter().rev()).map(|(sample, weight)| sample * weight).sum();
        (forward, backward)
    }

    /// Both bands adapt by the code that goes over the wire. `lower` has six bits, `upper` two.
    fn adapt(&mut self, lower: i32, upper: i32) {
        let difference = (self.lower.scale * at(&OUTPUT_4, lower >> 2)) >> 15;
        self.lower.rescale(at(&LOWER_STEP, lower >> 2), 18_432, 8);
        self.lower.adapt(difference);
        let difference = (self.upper.scale * at(&OUTPUT_2, upper)) >> 15;
        self.upper.rescale(at(&UPPER_STEP, upper), 22_528, 10);
        self.upper.adapt(difference);
    }
}

/// Samples to bytes.
#[derive(Default)]
pub struct Encoder(Bands);

impl Encoder {
    /// Appends one byte for each two samples.
    pub fn encode(&mut self, samples: &[i16], bytes: &mut Vec<u8>) {
        for pair in samples.chunks_exact(2) {
            if let [first, second] = pair {
                bytes.push(self.byte(i32::from(*first), i32::from(*second)));
            }
        }
    }

    fn byte(&mut self, first: i32, second: i32) -> u8 {
        let bands = &mut self.0;
        let (forward, backward) = bands.mirror(first, second);
        let lower = six_bits(saturate(((forward + backward) >> 14) - bands.lower.predicted), bands.lower.scale);
        let upper = two_bits(saturate(((backward - forward) >> 14) - bands.upper.predicted), bands.upper.scale);
        bands.adapt(lower, upper);
        u8::try_from((upper << 6) | lower).unwrap_or(0)
    }
}

/// QUANTL: the interval that the difference falls into, as the code of its sign.
fn six_bits(difference: i32, scale: i32) -> i32 {
    let magnitude = if difference >= 0 { difference } else { -(difference + 1) };
    let below = LEVELS.iter().take_while(|level| magnitude >= (**level * scale) >> 12).count();
    let interval = i32::try_from(below).unwrap_or(0);
    match (difference < 0, interval) {
        (true, 0) => 63,
        (true, 1) => 62,
        (true, interval) => 33 - interval,
        (false, interval) => 61 - interval,
    }
}

/// QUANTH.
fn two_bits(difference: i32, scale: i32) -> i32 {
    let magnitude = if difference >= 0 { difference } else { -(difference + 1) };
    let outer = magnitude >= (564 * scale) >> 12;
    match (difference < 0, outer) {
        (true, false) => 1,
        (true, true) => 0,
        (false, false) => 3,
        (false, true) => 2,
    }
}

/// Bytes to samples.
#[derive(Default)]
pub struct Decoder(Bands);

impl Decoder {
    /// Appends two samples for each byte.
    pub fn decode(&mut self, bytes: &[u8], samples: &mut Vec<i16>) {
        for byte in bytes {
            samples.extend(self.pair(i32::from(*byte)));
        }
    }

    fn pair(&mut self, byte: i32) -> [i16; 2] {
        let bands = &mut self.0;
        let (lower, upper) = (byte & 63, byte >> 6);
        let low = bands.lower.predicted + ((bands.lower.scale * at(&OUTPUT_6, lower)) >> 15);
        let high = bands.upper.predicted + ((bands.upper.scale * at(&OUTPUT_2, upper)) >> 15);
        let (low, high) = (low.clamp(-16_384, 16_383), high.clamp(-16_384, 16_383));
        bands.adapt(lower, upper);
        let (forward, backward) = bands.mirror(low + high, low - high);
        [to_sample(backward >> 11), to_sample(forward >> 11)]
    }
}
