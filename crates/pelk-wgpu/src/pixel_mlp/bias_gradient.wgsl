fn terms(at: u32, r: u32, column: u32) -> f32 {
    return by_factor(load_x(at), p.first * BLOCK + r);
}
