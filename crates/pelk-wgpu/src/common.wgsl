// Functions that all shaders may use.

const NONE: u32 = 0xffffffffu;

// Coefficients of these functions: minimax fits to the relative error, as on the processor (pelk-cpu's
// simd/math.rs).

// From here on, the normal density times z is zero.
const LARGEST: f32 = 13.27;

// The normal density's exponential at z, in 0..=LARGEST, and Mills' ratio Phi(-z) / phi(z). exp(-z^2 / 2)
// would have the error of z^2, up to 88 / 2^24, so it is computed as a product of two, whose first square is
// exact.
fn density(z: f32) -> f32 {
    let high = round(z * 64.0) / 64.0;
    let low = z - high;
    return 0.3989422804 * exp(-0.5 * high * high) * exp(-low * (high + 0.5 * low));
}

fn mills_ratio(z: f32) -> f32 {
    let above = (((z + 9.525334) * z + 41.824593) * z + 97.793335) * z + 108.270325;
    let below = ((((z + 9.525501) * z + 42.8182) * z + 107.42987) * z + 146.9549) * z + 86.38722;
    return above / below;
}

// x Phi(x) = max(x, 0) - |x| Phi(-|x|): nothing cancels.
fn gelu(x: f32) -> f32 {
    let z = min(abs(x), LARGEST);
    return max(x, 0.0) - z * density(z) * mills_ratio(z);
}

// Phi(x) + x phi(x)
fn gelu_slope(x: f32) -> f32 {
    let clamped = clamp(x, -LARGEST, LARGEST);
    let z = abs(clamped);
    let ratio = select(mills_ratio(z), -mills_ratio(z), x < 0.0);
    return select(1.0, 0.0, x < 0.0) + (clamped - ratio) * density(z);
}
