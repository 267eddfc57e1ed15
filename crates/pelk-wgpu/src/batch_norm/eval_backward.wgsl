fn item(i: u32) {
    let c = i % p.c;
    store_gx(i, load_gy(i) * load_weight(c) * load_inv_std(c));
}
