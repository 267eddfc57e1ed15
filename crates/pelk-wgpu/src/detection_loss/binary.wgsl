// ln(1 + e) for e in 0..=1, to the last bits where e is small too: 2 artanh(s), with s = e / (2 + e).
fn log_of_one_plus(e: f32) -> f32 {
    let s = e / (2.0 + e);
    let q = s * s;
    let series = (((q / 13.0 + 1.0 / 11.0) * q + 1.0 / 9.0) * q + 1.0 / 7.0) * q + 0.2;
    return 2.0 * s * (1.0 + (series * q + 1.0 / 3.0) * q);
}

// No exponential overflows.
fn loss(i: u32) -> f32 {
    let share = load_share(i);
    if share == 0.0 {
        return 0.0;
    }
    let z = load_x(place(i));
    return share * (max(z, 0.0) - z * load_targets(i) + log_of_one_plus(exp(-abs(z))));
}

fn slope(i: u32) -> vec4<f32> {
    let share = load_share(i);
    if share == 0.0 {
        return vec4<f32>();
    }
    let z = load_x(place(i));
    let e = exp(-abs(z));
    let sigmoid = select(e, 1.0, z >= 0.0) / (1.0 + e);
    return vec4<f32>(share * (sigmoid - load_targets(i)), 0.0, 0.0, 0.0);
}
