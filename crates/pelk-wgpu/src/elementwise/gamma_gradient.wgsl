fn terms(at: u32, r: u32, column: u32) -> f32 {
    return load_x(at) * load_g(at);
}
