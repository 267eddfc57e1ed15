// Each item is a channel.
fn item(i: u32) {
    store_inv_std(i, 1.0 / sqrt(load_variance(i) + p.eps));
}
