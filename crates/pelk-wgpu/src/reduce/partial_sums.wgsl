// Each item sums one column of a block of rows.
fn item(i: u32) {
    let column = i % p.width;
    let block = i / p.width;
    let begin = block * p.block;
    let end = min(begin + p.block, p.rows - p.first * p.block);
    var sum = 0.0;
    for (var r = begin; r < end; r++) {
        sum += load_x(r * p.width + column);
    }
    store_y(i, sum);
}
