fn item(i: u32) {
    let factor = (p.first + i / p.sample) * p.channels + i % p.channels;
    store_y(i, load_x(i) * load_factors(factor));
}
