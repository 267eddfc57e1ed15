fn place(i: u32) -> u32 {
    return i;
}

fn load_share(i: u32) -> f32 {
    return load_shares(i);
}
