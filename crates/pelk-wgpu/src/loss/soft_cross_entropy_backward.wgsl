fn row(r: u32, lane: u32, lanes: u32, live: bool) {
    let begin = r * p.classes;
    var sum = 0.0;
    for (var k = lane; k < p.classes; k += lanes) {
        sum += load_targets(begin + k);
    }
    let weight = row_sum(sum);
    if live {
        let log_sum_exp = load_sums(r);
        for (var k = lane; k < p.classes; k += lanes) {
            let softmax = exp(load_logits(begin + k) - log_sum_exp);
            store_glogits(begin + k, load_gy(0u) * p.share * (softmax * weight - load_targets(begin + k)));
        }
    }
}
