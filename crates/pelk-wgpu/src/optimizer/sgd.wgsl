fn item(i: u32) {
    let gradient = load_gradient(i) + p.decay * load_parameter(i);
    let velocity = p.momentum * load_velocity(i) + gradient;
    let step = select(velocity, gradient + p.momentum * velocity, p.nesterov == 1u);
    store_velocity(i, velocity);
    store_parameter(i, load_parameter(i) - p.rate * step);
}
