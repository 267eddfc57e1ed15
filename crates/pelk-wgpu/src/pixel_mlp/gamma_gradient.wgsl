// Each row is a channel: the sum of the weight times its gradient before gamma, and likewise for the bias.
fn row(r: u32, lane: u32, lanes: u32, live: bool) {
    var sum = 0.0;
    for (var j = lane; j < p.h; j += lanes) {
        sum += load_weight(r * p.h + j) * load_gweight(r * p.h + j);
    }
    let total = row_sum(sum);
    if live && lane == 0u {
        store_ggamma(r, total + load_bias(r) * load_gbias(r));
    }
}
