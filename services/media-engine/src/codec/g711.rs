//! G.711 by arithmetic on segments (ITU-T G.711, tables 1 and 2): no tables, a dozen instructions a sample.

/// What mu-law adds before it looks for the segment.
const BIAS: i32 = 0x84;
const CLIP: i32 = 32_635;

/// The position of the highest bit above the mantissa: 0..=7.
fn segment(magnitude: i32, lowest: u32) -> u32 {
    magnitude.checked_ilog2().unwrap_or(0).clamp(lowest, lowest + 7) - lowest
}

fn low_byte(value: i32) -> u8 {
    u8::try_from(value & 0xff).unwrap_or(0)
}

fn sample(value: i32) -> i16 {
    i16::try_from(value.clamp(i32::from(i16::MIN), i32::from(i16::MAX))).unwrap_or(0)
}

/// One linear sample to mu-law.
pub fn mu_law(linear: i16) -> u8 {
    let linear = i32::from(linear);
    let sign = if linear < 0 { 0x80 } else { 0 };
    let magnitude = linear.abs().min(CLIP) + BIAS;
    let segment = segment(magnitude, 7);
    let mantissa = (magnitude >> (segment + 3)) & 0x0f;
    low_byte(!(sign | (i32::try_from(segment).unwrap_or(0) << 4) | mantissa))
}

/// One mu-law byte to linear.
pub fn from_mu_law(byte: u8) -> i16 {
    let bits = i32::from(!byte);
    let magnitude = ((((bits & 0x0f) << 3) + BIAS) << ((bits >> 4) & 7)) - BIAS;
    sample(if bits & 0x80 == 0 { magnitude } else { -magnitude })
}

/// One linear sample to A-law.
pub fn a_law(linear: i16) -> u8 {
    let linear = i32::from(linear);
    let (sign, magnitude) = if linear < 0 { (0, -linear - 1) } else { (0x80, linear) };
    let segment = segment(magnitude, 7);
    let mantissa = (magnitude >> if segment == 0 { 4 } else { segment + 3 }) & 0x0f;
    let segment = if magnitude < 0x100 { 0 } else { i32::try_from(segment).unwrap_or(0) };
    low_byte((sign | (segment << 4) | mantissa) ^ 0x55)
}

/// One A-law byte to linear.
pub fn from_a_law(byte: u8) -> i16 {
    let bits = i32::from(byte ^ 0x55);
    let (segment, mantissa) = ((bits >> 4) & 7, (bits & 0x0f) << 4);
    let magnitude = if segment == 0 { mantissa + 8 } else { (mantissa + 0x108) << (segment - 1) };
    sample(if bits & 0x80 == 0 { -magnitude } else { magnitude })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Points of ITU-T G.711 tables 1a to 2b, in 16-bit scale.
    #[test]
    fn silence_and_full_scale_have_the_bytes_of_the_tables() {
        assert_eq!((mu_law(0), mu_law(32_767), mu_law(-32_768)), (0xff, 0x80, 0x00));
        assert_eq!((a_law(0), a_law(32_767), a_law(-32_768)), (0xd5, 0xaa, 0x2a));
        assert_eq!((from_mu_law(0xff), from_mu_law(0x80), from_mu_law(0x00)), (0, 32_124, -32_124));
        assert_eq!((from_a_law(0xd5), from_a_law(0xaa), from_a_law(0x2a)), (8, 32_256, -32_256));
    }

    #[test]
    fn every_byte_survives_the_way_to_linear_and_back() {
        for byte in 0..=u8::MAX {
            assert_eq!(a_law(from_a_law(byte)), byte, "A-law {byte:#x}");
            // mu-law has two zeros; the negative one comes back as the positive one.
            let expected = if byte == 0x7f { 0xff } else { byte };
            assert_eq!(mu_law(from_mu_law(byte)), expected, "mu-law {byte:#x}");
        }
    }

    #[test]
    fn the_error_stays_below_a_segment_step() {
        for linear in (i16::MIN..=i16::MAX).step_by(7) {
            let allowed = (i32::from(linear).abs() / 16).max(16) + 644;
            assert!((i32::from(from_mu_law(mu_law(linear))) - i32::from(linear)).abs() <= allowed, "mu-law {linear}");
            assert!((i32::from(from_a_law(a_law(linear))) - i32::from(linear)).abs() <= allowed, "A-law {linear}");
        }
    }
}
