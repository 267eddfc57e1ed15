// The convolution with a kernel each of whose rows is its own cell: x to y. An item is four pixels of a row,
// in one channel.
fn item(i: u32) {
    let c = i % p.c;
    let block = i / p.c % p.blocks;
    let row = i / p.c / p.blocks;
    let y = row % p.h;
    let image = row / p.h;
    left = block * LANES + p.column_begin - p.column_radius;
    var total = vec4<f32>();
    for (var a = 0u; a < p.row_count; a++) {
        let source = y + p.row_begin + a - p.row_radius;
        if source >= p.h { continue; }
        line = (image * p.h + source) * p.w * p.c + c;
        let theta = ((p.row_first + a) * p.column_cells + p.column_first) * p.c + c;
        // GENERATED: total += theta times the sum over each column interval
    }
    for (var lane = 0u; lane < LANES; lane++) {
        let x = block * LANES + lane;
        if x < p.w { finish(y, x, c, (row * p.w + x) * p.c + c, total[lane]); }
    }
}
