// Each item is a position of the image and a region of the kernel: the sum of the embedding over the region's
// taps that lie inside the image.

// The kernel's taps that are inside an image of `size` at position `at`.
fn inside(at: u32, size: u32) -> vec2<u32> {
    if p.everywhere == 1u { return vec2(0u, p.k); }
    let begin = select(0u, p.radius - at, at < p.radius);
    return vec2(begin, min(p.k, p.radius + size - at));
}

fn item(i: u32) {
    let b = i % p.cells;
    let a = i / p.cells % p.cells;
    let place = i / (p.cells * p.cells);
    let rows = inside(p.first + place / p.w, p.h);
    let columns = inside(place % p.w, p.w);
    let top = max(rows.x, u32(load_edges(a)));
    let bottom = min(rows.y, u32(load_edges(a + 1u)));
    let left = max(columns.x, u32(load_edges(b)));
    let right = min(columns.y, u32(load_edges(b + 1u)));
    var sum = 0.0;
    for (var r = top; r < bottom; r++) {
        for (var c = left; c < right; c++) {
            sum += load_position(r * p.k + c);
        }
    }
    store_sums(i, sum);
}
