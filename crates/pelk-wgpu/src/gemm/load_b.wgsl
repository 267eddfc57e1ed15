// The operand as stored.
fn operand_b(k: u32, n: u32, at: u32) -> f32 {
    return load_b(at);
}
