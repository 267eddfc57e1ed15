fn place(i: u32) -> u32 {
    return u32(load_places(i));
}

fn distance_of(i: u32) -> vec4<f32> {
    let at = place(i);
    let t = 4u * i;
    return vec4<f32>(load_x(at), load_x(at + 1u), load_x(at + 2u), load_x(at + 3u))
        - vec4<f32>(load_targets(t), load_targets(t + 1u), load_targets(t + 2u), load_targets(t + 3u));
}

fn loss(i: u32) -> f32 {
    let d = distance_of(i);
    let a = abs(d);
    let terms = select(a - 0.5 * p.beta, 0.5 * d * d / p.beta, a < vec4<f32>(p.beta));
    return p.share * (terms.x + terms.y + terms.z + terms.w);
}

fn slope(i: u32) -> vec4<f32> {
    let d = distance_of(i);
    // Not a number is not at least beta, and stays what it is.
    return p.share * select(d / p.beta, sign(d), abs(d) >= vec4<f32>(p.beta));
}
