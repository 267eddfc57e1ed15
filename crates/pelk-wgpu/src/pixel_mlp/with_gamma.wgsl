fn by_gamma(value: f32, channel: u32) -> f32 {
    return value * load_gamma(channel);
}
