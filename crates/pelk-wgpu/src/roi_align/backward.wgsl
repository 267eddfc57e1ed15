// Each item is one value of the gradient: it gathers from the regions that touch its tile of the map, in
// order. A record is the region's number, the first row and the number of rows that it reads, the same of the
// columns, and where the taps of each row and of each column begin.
fn item(i: u32) {
    let c = i % p.c;
    let x = i / p.c % p.w;
    let y = p.first + i / p.c / p.w;
    let tile = y / p.tile * p.tiles + x / p.tile;
    var sum = 0.0;
    for (var entry = u32(load_table(tile)); entry < u32(load_table(tile + 1u)); entry++) {
        let record = u32(load_table(p.entries + entry));
        let height = u32(load_table(record + 2u));
        let width = u32(load_table(record + 4u));
        // Wraps to a large number before the first row or column.
        let row = y - u32(load_table(record + 1u));
        let column = x - u32(load_table(record + 3u));
        if row < height && column < width {
            let gy = u32(load_table(record)) * p.out_h;
            let rows = record + 5u + row;
            let columns = record + 6u + height + column;
            let column_begin = u32(load_table(columns));
            let column_end = u32(load_table(columns + 1u));
            for (var t = u32(load_table(rows)); t < u32(load_table(rows + 1u)); t++) {
                let out_row = (gy + u32(load_table(p.places + t))) * p.out_w;
                var row_sum = 0.0;
                for (var s = column_begin; s < column_end; s++) {
                    row_sum += load_weights(s) * load_gy((out_row + u32(load_table(p.places + s))) * p.c + c);
                }
                sum += load_weights(t) * row_sum;
            }
        }
    }
    store_gx(i, sum);
}
