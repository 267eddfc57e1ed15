// Each item is one value of the output. A row is summed by itself, so that large bins add numbers of like
// size. Regions of other images or maps have no record.
fn item(i: u32) {
    let c = i % p.c;
    let column = i / p.c % p.out_w;
    let row = i / p.c / p.out_w % p.out_h;
    let record = load_table(p.first + i / p.c / p.out_w / p.out_h);
    if record < 0 {
        return;
    }
    let rows = u32(record) + row;
    let columns = u32(record) + p.out_h + 1u + column;
    let column_begin = u32(load_table(columns));
    let column_end = u32(load_table(columns + 1u));
    var sum = 0.0;
    for (var t = u32(load_table(rows)); t < u32(load_table(rows + 1u)); t++) {
        let y = u32(load_table(p.places + t));
        var row_sum = 0.0;
        for (var s = column_begin; s < column_end; s++) {
            let x = u32(load_table(p.places + s));
            row_sum += load_weights(s) * load_x((y * p.w + x) * p.c + c);
        }
        sum += load_weights(t) * row_sum;
    }
    store_y(i, sum);
}
