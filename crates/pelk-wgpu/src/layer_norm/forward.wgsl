fn row(r: u32, lane: u32, lanes: u32, live: bool) {
    let begin = r * p.c;
    var sum = 0.0;
    for (var c = lane; c < p.c; c += lanes) {
        sum += load_x(begin + c);
    }
    let mean = row_sum(sum) / f32(p.c);
    var squares = 0.0;
    for (var c = lane; c < p.c; c += lanes) {
        let difference = load_x(begin + c) - mean;
        squares += difference * difference;
    }
    let inv_std = 1.0 / sqrt(row_sum(squares) / f32(p.c) + p.eps);
    if live {
        for (var c = lane; c < p.c; c += lanes) {
            let normal = (load_x(begin + c) - mean) * inv_std;
            store_y(begin + c, normal * load_weight(c) + load_bias(c));
        }
        if lane == 0u {
            store_mean(r, mean);
            store_inv_std(r, inv_std);
        }
    }
}
