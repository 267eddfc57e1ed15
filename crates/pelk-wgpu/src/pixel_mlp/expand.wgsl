fn finish(m: u32, n: u32, at: u32, value: f32) {
    store_y(at, gelu(value + load_bias(n)));
}
