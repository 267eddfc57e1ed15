fn row(r: u32, lane: u32, lanes: u32, live: bool) {
    let begin = r * p.classes;
    var largest = load_logits(begin);
    var all = 0.0;
    for (var k = lane; k < p.classes; k += lanes) {
        largest = max(largest, load_logits(begin + k));
        all += load_logits(begin + k);
    }
    largest = row_max(largest);
    var sum = 0.0;
    for (var k = lane; k < p.classes; k += lanes) {
        sum += exp(load_logits(begin + k) - largest);
    }
    let log_sum_exp = largest + log(row_sum(sum));
    let even = log_sum_exp - row_sum(all) / f32(p.classes);
    if live && lane == 0u {
        let label = log_sum_exp - load_logits(begin + u32(load_labels(r)));
        store_sums(r, log_sum_exp);
        store_losses(r, load_shares(r) * ((1.0 - p.smoothing) * label + p.smoothing * even));
    }
}
