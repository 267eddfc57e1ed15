fn item(i: u32) {
    store_y(i, max(load_x(i), 0.0));
}
