fn item(i: u32) {
    let r = i / p.classes;
    let softmax = exp(load_logits(i) - load_sums(r));
    let at_label = select(0.0, 1.0 - p.smoothing, i % p.classes == u32(load_labels(r)));
    let gradient = softmax - at_label - p.smoothing / f32(p.classes);
    store_glogits(i, load_gy(0u) * load_shares(r) * gradient);
}
