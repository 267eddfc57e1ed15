fn terms(at: u32, r: u32, column: u32) -> f32 {
    return load_g(at) * (load_x(at) - load_mean(column)) * load_inv_std(column);
}
