fn item(i: u32) {
    let c = i % p.c;
    let inv_std = load_inv_std(c);
    let normal = (load_x(i) - load_mean(c)) * inv_std;
    let centered = load_gy(i) - (load_gbias(c) + normal * load_gweight(c)) / p.rows;
    store_gx(i, centered * load_weight(c) * inv_std);
}
