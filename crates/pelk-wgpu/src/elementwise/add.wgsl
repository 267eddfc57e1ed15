fn item(i: u32) {
    store_y(i, load_a(i) + load_b(i));
}
