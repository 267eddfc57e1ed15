// Each item is a channel.
fn item(i: u32) {
    let mean = load_sum(i) / p.rows;
    store_mean(i, mean);
    store_renewed(i, (1.0 - p.momentum) * load_running(i) + p.momentum * mean);
}
