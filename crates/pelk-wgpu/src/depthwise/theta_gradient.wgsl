// The gradient of theta for some kernel rows and columns, summed over some rows of an image: from x and the
// sums g of the output gradient to partials. An item is CELLS kernel rows, some image rows and a channel.
fn put(group: u32, a: u32, b: u32, c: u32, total: f32) {
    if a < p.row_count {
        store_partials(((group * p.row_count + a) * p.column_count + p.part_begin + b) * p.c + c, total);
    }
}

fn gradient(image: u32, a: u32, y: u32, x0: u32, c: u32) -> vec4<f32> {
    var values = vec4<f32>();
    let begin = gradient_row(image, a, y);
    if begin == NONE { return values; }
    for (var lane = 0u; lane < LANES; lane++) {
        if x0 + lane < p.w { values[lane] = load_g((begin * p.w + x0 + lane) * p.c + c); }
    }
    return values;
}

fn item(i: u32) {
    let c = i % p.c;
    let a0 = i / p.c % p.row_groups * CELLS;
    let group = i / p.c / p.row_groups;
    let image = group / p.image_parts;
    let begin = group % p.image_parts * p.part_rows;
    // GENERATED: a total for each cell
    for (var y = begin; y < min(begin + p.part_rows, p.h); y++) {
        line = (image * p.h + y) * p.w * p.c + c;
        for (var x0 = 0u; x0 < p.w; x0 += LANES) {
            left = x0 + p.part_tap - p.column_radius;
            // GENERATED: total += the gradient times the sum over each column interval
        }
    }
    // GENERATED: puts the totals
}
