fn item(i: u32) {
    store_y(i, load_gy(i) * gelu_slope(load_x(i)));
}
