// The gradients of the weight and the bias.
fn terms(at: u32, r: u32, column: u32) -> vec2<f32> {
    let g = load_g(at);
    return vec2(g * (load_x(at) - load_mean(column)) * load_inv_std(column), g);
}
