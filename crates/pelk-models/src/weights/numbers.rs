//! Floats of other sizes as 32-bit floats.

use safetensors::tensor::Dtype;

/// The values of a tensor as 32-bit floats; `None` if they are not floats of 16, 32 or 64 bits. Those of 16
/// bits are kept exactly, those of 64 bits are rounded, to infinity if they are too large.
pub(super) fn floats(dtype: Dtype, bytes: &[u8]) -> Option<Vec<f32>> {
    let pairs = || bytes.as_chunks::<2>().0.iter().map(|&pair| u16::from_le_bytes(pair));
    Some(match dtype {
        Dtype::F32 => bytes.as_chunks::<4>().0.iter().map(|&four| f32::from_le_bytes(four)).collect(),
        Dtype::F64 => {
            bytes.as_chunks::<8>().0.iter().map(|&eight| f64::from_le_bytes(eight) as f32).collect()
        }
        Dtype::F16 => pairs().map(float16).collect(),
        Dtype::BF16 => pairs().map(|bits| f32::from_bits(u32::from(bits) << 16)).collect(),
        _ => return None,
    })
}

/// A float of IEEE 754's binary16: 1 bit for the sign, 5 for the exponent, 10 for the fraction.
fn float16(bits: u16) -> f32 {
    let sign = u32::from(bits >> 15) << 31;
    let exponent = u32::from(bits >> 10) & 0x1f;
    let fraction = u32::from(bits & 0x3ff);
    match exponent {
        // Subnormal: the fraction counts units of 2^-24.
        0 => f32::from_bits((fraction as f32 / 16_777_216.0).to_bits() | sign),
        // Infinity or NaN.
        0x1f => f32::from_bits(sign | 0x7f80_0000 | (fraction << 13)),
        // The exponent's bias is 15 there and 127 here.
        _ => f32::from_bits(sign | ((exponent + 112) << 23) | (fraction << 13)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_of_16_bits_are_exact() {
        // Significands of 11 bits, all exponents: the value by the definition.
        for bits in 0..=u16::MAX {
            let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f64::from(bits & 0x3ff));
            let magnitude = match exponent {
                0 => fraction * 2_f64.powi(-24),
                0x1f if fraction == 0.0 => f64::INFINITY,
                0x1f => f64::NAN,
                _ => (1.0 + fraction / 1024.0) * 2_f64.powi(exponent - 15),
            };
            let expected = if bits >> 15 == 1 { -magnitude } else { magnitude };
            let value = f64::from(float16(bits));
            assert!(value == expected || (value.is_nan() && expected.is_nan()), "{bits:#x}: {value}");
            assert_eq!(float16(bits).is_sign_negative(), bits >> 15 == 1, "{bits:#x}");
        }
    }

    #[test]
    fn every_size_gives_its_values() {
        let of = |dtype, bytes: &[u8]| floats(dtype, bytes);
        assert_eq!(of(Dtype::BF16, &[0xc0, 0x3f, 0x20, 0xc1]).unwrap(), [1.5, -10.0]);
        let doubles = [0.1_f64, -1e300].map(f64::to_le_bytes).concat();
        assert_eq!(of(Dtype::F64, &doubles).unwrap(), [0.1_f32, f32::NEG_INFINITY]);
        assert_eq!(of(Dtype::F16, &[0x00, 0x3c]).unwrap(), [1.0]);
        assert_eq!(of(Dtype::I64, &[0; 8]), None);
    }
}
