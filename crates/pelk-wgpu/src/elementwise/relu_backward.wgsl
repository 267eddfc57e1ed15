fn item(i: u32) {
    store_y(i, select(0.0, load_gy(i), load_x(i) > 0.0));
}
