// Each item is a cell and a channel.
fn item(i: u32) {
    let place = p.first + i;
    let cell = place / p.c;
    let source = select(cell, p.cells - 1u - cell, p.turned == 1u);
    store_by_cell(place, load_theta(place % p.c * p.cells + source));
}
