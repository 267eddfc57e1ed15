fn item(i: u32) {
    store_y(i / p.width * p.columns + p.begin + i % p.width, load_part(i));
}
