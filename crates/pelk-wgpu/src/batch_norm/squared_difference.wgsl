fn terms(at: u32, r: u32, column: u32) -> f32 {
    let difference = load_x(at) - load_mean(column);
    return difference * difference;
}
