// `row` counts from the first row of the whole tensor.
fn by_factor(value: f32, row: u32) -> f32 {
    return value * load_factors(row / p.sample);
}
