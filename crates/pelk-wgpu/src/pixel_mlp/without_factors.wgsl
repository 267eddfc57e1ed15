fn by_factor(value: f32, row: u32) -> f32 {
    return value;
}
