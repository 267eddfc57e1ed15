// A pixel of a mask, on the channel of its region's class.
fn place(i: u32) -> u32 {
    return i * p.channels + u32(load_classes(i / p.pixels));
}

fn load_share(i: u32) -> f32 {
    return load_shares(i / p.pixels);
}
