// The gradient of the second layer's output: what gamma and the factors scale.
fn operand_a(m: u32, k: u32, at: u32) -> f32 {
    return by_factor(by_gamma(load_a(at), k), p.first * ROWS + m);
}
