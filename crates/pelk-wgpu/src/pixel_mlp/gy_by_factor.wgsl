fn operand_a(m: u32, k: u32, at: u32) -> f32 {
    return by_factor(load_a(at), p.first * p.k_part + k);
}
