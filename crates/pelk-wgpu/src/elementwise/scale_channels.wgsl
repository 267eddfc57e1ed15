fn item(i: u32) {
    store_y(i, load_x(i) * load_gamma(i % p.c));
}
