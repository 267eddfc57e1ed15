// Each item is a channel and a cell. A cell outside these rows is left unchanged: cells that never meet an
// image have no gradient.
fn item(i: u32) {
    let place = p.first + i;
    let cell = place % p.cells;
    // Before the first row or column these wrap to numbers far beyond the last.
    let a = cell / p.column_cells - p.row_first;
    let b = cell % p.column_cells - p.column_first;
    if a < p.row_count && b < p.column_count {
        store_theta(place, load_by_cell((a * p.column_count + b) * p.c + place / p.cells));
    }
}
