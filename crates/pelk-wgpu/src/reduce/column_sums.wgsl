// Each item sums one column over a block of rows. Terms, terms(at, r, column) and store_sums(block, column,
// sums) are in separate files.
fn item(i: u32) {
    let column = i % p.columns;
    let block = i / p.columns;
    let begin = block * BLOCK;
    let end = min(begin + BLOCK, p.rows - p.first * BLOCK);
    var sums = Terms();
    for (var r = begin; r < end; r++) {
        sums += terms(r * p.columns + column, r, column);
    }
    store_sums(block, column, sums);
}
