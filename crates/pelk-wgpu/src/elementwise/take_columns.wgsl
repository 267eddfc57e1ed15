fn item(i: u32) {
    store_y(i, load_x(i / p.width * p.columns + p.begin + i % p.width));
}
