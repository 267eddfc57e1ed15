fn item(i: u32) {
    store_y(i, f32(load_x(i)));
}
