fn finish(y: u32, x: u32, c: u32, at: u32, value: f32) {
    store_y(at, value);
}
