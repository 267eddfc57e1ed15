fn item(i: u32) {
    store_y(i, load_y(i) + p.weight * (load_x(i) - load_y(i)));
}
