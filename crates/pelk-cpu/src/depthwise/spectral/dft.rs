//! Complex numbers in lanes, and Fourier transforms of two to five of them.

use pelk_simd::Simd;

/// A complex number in every lane: real and imaginary parts.
pub(super) type Complex<S> = [<S as Simd>::V; 2];

/// The numbers with their real and imaginary parts exchanged.
#[inline(always)]
pub(super) fn swapped<S: Simd, const R: usize>(mut numbers: [Complex<S>; R]) -> [Complex<S>; R] {
    for number in &mut numbers {
        *number = [number[1], number[0]];
    }
    numbers
}

/// The discrete Fourier transform of a few values.
pub(super) struct Dft;

/// [`Dft`] of `R` values.
pub(super) trait Radix<const R: usize> {
    /// `sum over j of v[j] exp(-2 pi i j k / R)` for each `k`.
    fn dft<S: Simd>(simd: S, v: [Complex<S>; R]) -> [Complex<S>; R];
}

#[inline(always)]
fn add<S: Simd>(simd: S, a: Complex<S>, b: Complex<S>) -> Complex<S> {
    [simd.add(a[0], b[0]), simd.add(a[1], b[1])]
}

#[inline(always)]
fn sub<S: Simd>(simd: S, a: Complex<S>, b: Complex<S>) -> Complex<S> {
    [simd.sub(a[0], b[0]), simd.sub(a[1], b[1])]
}

/// `a + scale * b`
#[inline(always)]
fn add_scaled<S: Simd>(simd: S, a: Complex<S>, scale: f32, b: Complex<S>) -> Complex<S> {
    let scale = simd.splat(scale);
    [simd.mul_add(scale, b[0], a[0]), simd.mul_add(scale, b[1], a[1])]
}

#[inline(always)]
fn scaled<S: Simd>(simd: S, scale: f32, a: Complex<S>) -> Complex<S> {
    let scale = simd.splat(scale);
    [simd.mul(a[0], scale), simd.mul(a[1], scale)]
}

/// `a - i b` and `a + i b`
#[inline(always)]
fn turned<S: Simd>(simd: S, a: Complex<S>, b: Complex<S>) -> [Complex<S>; 2] {
    [[simd.add(a[0], b[1]), simd.sub(a[1], b[0])], [simd.sub(a[0], b[1]), simd.add(a[1], b[0])]]
}

impl Radix<2> for Dft {
    #[inline(always)]
    fn dft<S: Simd>(simd: S, [a, b]: [Complex<S>; 2]) -> [Complex<S>; 2] {
        [add(simd, a, b), sub(simd, a, b)]
    }
}

impl Radix<3> for Dft {
    #[inline(always)]
    fn dft<S: Simd>(simd: S, [a, b, c]: [Complex<S>; 3]) -> [Complex<S>; 3] {
        const SIN: f32 = 0.866_025_4; // of a third of a turn
        let sum = add(simd, b, c);
        let difference = sub(simd, b, c);
        let middle = add_scaled(simd, a, -0.5, sum);
        let [first, second] = turned(simd, middle, scaled(simd, SIN, difference));
        [add(simd, a, sum), first, second]
    }
}

impl Radix<4> for Dft {
    #[inline(always)]
    fn dft<S: Simd>(simd: S, [a, b, c, d]: [Complex<S>; 4]) -> [Complex<S>; 4] {
        let (even, odd) = (add(simd, a, c), add(simd, b, d));
        let [first, third] = turned(simd, sub(simd, a, c), sub(simd, b, d));
        [add(simd, even, odd), first, sub(simd, even, odd), third]
    }
}

impl Radix<5> for Dft {
    #[inline(always)]
    fn dft<S: Simd>(simd: S, [a, b, c, d, e]: [Complex<S>; 5]) -> [Complex<S>; 5] {
        // Cosine and sine of one and of two fifths of a turn.
        const COS: [f32; 2] = [0.309_017, -0.809_017];
        const SIN: [f32; 2] = [0.951_056_54, 0.587_785_24];
        let (near, far) = (add(simd, b, e), add(simd, c, d));
        let (odd_near, odd_far) = (sub(simd, b, e), sub(simd, c, d));
        let near_even = add_scaled(simd, add_scaled(simd, a, COS[0], near), COS[1], far);
        let far_even = add_scaled(simd, add_scaled(simd, a, COS[1], near), COS[0], far);
        let near_odd = add_scaled(simd, scaled(simd, SIN[1], odd_far), SIN[0], odd_near);
        let far_odd = add_scaled(simd, scaled(simd, -SIN[0], odd_far), SIN[1], odd_near);
        let [first, fourth] = turned(simd, near_even, near_odd);
        let [second, third] = turned(simd, far_even, far_odd);
        [add(simd, add(simd, a, near), far), first, second, third, fourth]
    }
}
