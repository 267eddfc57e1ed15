// Each item is a channel.
fn item(i: u32) {
    let squares = load_squares(i);
    store_inv_std(i, 1.0 / sqrt(squares / p.rows + p.eps));
    store_renewed(i, (1.0 - p.momentum) * load_running(i) + p.momentum * (squares / (p.rows - 1.0)));
}
