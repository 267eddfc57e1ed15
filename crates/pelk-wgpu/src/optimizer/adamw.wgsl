fn item(i: u32) {
    let gradient = load_gradient(i);
    let first = load_first(i) + p.to_gradient * (gradient - load_first(i));
    let second = load_second(i) * p.beta2 + p.to_square * gradient * gradient;
    let parameter = load_parameter(i) * p.keep;
    store_first(i, first);
    store_second(i, second);
    store_parameter(i, parameter - p.step_size * first / (sqrt(second) * p.inverse_root + p.eps));
}
