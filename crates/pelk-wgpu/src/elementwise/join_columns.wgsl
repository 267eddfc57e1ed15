fn item(i: u32) {
    let width = p.first_width + p.second_width;
    let row = i / width;
    let column = i % width;
    var value: f32;
    if column < p.first_width {
        value = load_a(row * p.first_width + column);
    } else {
        value = load_b(row * p.second_width + column - p.first_width);
    }
    store_y(i, value);
}
