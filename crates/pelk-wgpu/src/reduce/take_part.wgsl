fn item(i: u32) {
    store_y(i, load_x(p.begin + i));
}
