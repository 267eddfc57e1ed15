fn finish(m: u32, n: u32, at: u32, value: f32) {
    let scaled = by_gamma(value + load_bias(n), n);
    store_y(at, load_shortcut(at) + by_factor(scaled, p.first * ROWS + m));
}
