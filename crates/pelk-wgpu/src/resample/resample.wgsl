// Each item is one value of the output. Each row is summed by itself, so that large windows add numbers of
// similar size.
fn item(i: u32) {
    let c = i % p.c;
    let pixel = i / p.c;
    let column = pixel % p.out_w;
    let row = pixel / p.out_w % p.out_h;
    let image = pixel / p.out_w / p.out_h;
    let column_begin = u32(load_columns(column));
    let column_end = u32(load_columns(column + 1u));
    var sum = 0.0;
    for (var t = u32(load_rows(row)); t < u32(load_rows(row + 1u)); t++) {
        let y = u32(load_rows(p.out_h + 1u + t));
        var row_sum = 0.0;
        for (var s = column_begin; s < column_end; s++) {
            let x = u32(load_columns(p.out_w + 1u + s));
            row_sum += load_column_weights(s) * load_x(((image * p.h + y) * p.w + x) * p.c + c);
        }
        sum += load_row_weights(t) * row_sum;
    }
    store_y(i, sum);
}
