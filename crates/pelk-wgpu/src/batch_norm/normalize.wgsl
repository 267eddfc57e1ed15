fn item(i: u32) {
    let c = i % p.c;
    store_y(i, (load_x(i) - load_mean(c)) * load_inv_std(c) * load_weight(c) + load_bias(c));
}
