fn row(r: u32, lane: u32, lanes: u32, live: bool) {
    let begin = r * p.c;
    let mean = load_mean(r);
    let inv_std = load_inv_std(r);
    var sum = 0.0;
    var sum_of_normal = 0.0;
    for (var c = lane; c < p.c; c += lanes) {
        let g = load_gy(begin + c) * load_weight(c);
        sum += g;
        sum_of_normal += g * (load_x(begin + c) - mean) * inv_std;
    }
    let g_mean = row_sum(sum) / f32(p.c);
    let g_normal_mean = row_sum(sum_of_normal) / f32(p.c);
    if live {
        for (var c = lane; c < p.c; c += lanes) {
            let g = load_gy(begin + c) * load_weight(c);
            let normal = (load_x(begin + c) - mean) * inv_std;
            store_gx(begin + c, inv_std * (g - g_mean - normal * g_normal_mean));
        }
    }
}
