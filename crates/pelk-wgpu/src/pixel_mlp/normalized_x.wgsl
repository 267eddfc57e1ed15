// Recomputes the output of LayerNorm.
fn operand_b(k: u32, n: u32, at: u32) -> f32 {
    return (load_b(at) - load_mean(k)) * load_inv_std(k) * load_weight(n) + load_shift(n);
}
