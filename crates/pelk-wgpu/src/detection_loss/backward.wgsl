fn item(i: u32) {
    let slopes = load_gy(0u) * slope(i);
    let at = place(i);
    for (var k = 0u; k < p.width; k++) {
        store_gx(at + k, slopes[k]);
    }
}
