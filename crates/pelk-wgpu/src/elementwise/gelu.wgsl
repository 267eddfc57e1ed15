fn item(i: u32) {
    store_y(i, gelu(load_x(i)));
}
