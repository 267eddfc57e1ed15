// Each item is a tap: the sum over the positions at which it lies inside the image.

// The positions, out of `size`, at which tap `t` is inside.
fn places(t: u32, size: u32) -> vec2<u32> {
    if p.everywhere == 1u { return vec2(0u, size); }
    let begin = min(select(0u, p.radius - t, t < p.radius), size);
    let end = min(size, select(0u, p.radius + size - t, t < p.radius + size));
    return vec2(begin, max(begin, end));
}

// The interval of tap `t`.
fn cell(t: u32) -> u32 {
    var a = 0u;
    while u32(load_edges(a + 1u)) <= t { a++; }
    return a;
}

fn item(i: u32) {
    let tap = p.first + i;
    let row = tap / p.k;
    let column = tap % p.k;
    let region = cell(row) * p.cells + cell(column);
    let rows = places(row, p.h);
    let columns = places(column, p.w);
    var sum = 0.0;
    for (var y = rows.x; y < rows.y; y++) {
        var row_sum = 0.0;
        for (var x = columns.x; x < columns.y; x++) {
            row_sum += load_gsums((y * p.w + x) * p.cells * p.cells + region);
        }
        sum += row_sum;
    }
    store_gposition(i, sum);
}
