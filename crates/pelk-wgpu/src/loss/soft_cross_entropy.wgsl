fn row(r: u32, lane: u32, lanes: u32, live: bool) {
    let begin = r * p.classes;
    var largest = load_logits(begin);
    for (var k = lane; k < p.classes; k += lanes) {
        largest = max(largest, load_logits(begin + k));
    }
    largest = row_max(largest);
    var sum = 0.0;
    for (var k = lane; k < p.classes; k += lanes) {
        sum += exp(load_logits(begin + k) - largest);
    }
    let log_sum_exp = largest + log(row_sum(sum));
    var loss = 0.0;
    for (var k = lane; k < p.classes; k += lanes) {
        loss += load_targets(begin + k) * (log_sum_exp - load_logits(begin + k));
    }
    let total = row_sum(loss);
    if live && lane == 0u {
        store_sums(r, log_sum_exp);
        store_losses(r, p.share * total);
    }
}
