// Each item sums the squares of a run of values.
fn item(i: u32) {
    let begin = i * p.stride;
    let end = min(begin + p.stride, p.len - p.first * p.stride);
    var sum = 0.0;
    for (var j = begin; j < end; j++) {
        let value = load_x(j);
        sum += value * value;
    }
    store_sums(p.at + p.first + i, sum);
}
