fn finish(m: u32, n: u32, at: u32, value: f32) {
    let z = value + load_bias(n);
    store_expanded(at, z);
    store_y(at, gelu(z));
}
