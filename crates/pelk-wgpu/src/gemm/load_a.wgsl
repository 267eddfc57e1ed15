// The operand as stored.
fn operand_a(m: u32, k: u32, at: u32) -> f32 {
    return load_a(at);
}
