// Each item is a channel and a cell; a cell that never meets an image has no gradient.
fn item(i: u32) {
    let place = p.first + i;
    let cell = place % p.cells;
    // Before the first these wrap, to numbers far beyond the last.
    let a = cell / p.column_cells - p.row_first;
    let b = cell % p.column_cells - p.column_first;
    var value = 0.0;
    if a < p.row_count && b < p.column_count {
        value = load_by_cell((a * p.column_count + b) * p.c + place / p.cells);
    }
    store_theta(place, value);
}
