// A tile of ROWS x COLUMNS outputs, 4 x 4 for each invocation, from tiles of the operands in workgroup memory.
//
// The host sets ROWS, COLUMNS, SPLIT and the order of the operands, and writes the functions
//   operand_a(m, k), operand_b(k, n): a value of an operand,
//   finish(part, m, n, value): what becomes of an output,
// in which rows count from the first of the part.

const DEPTH: u32 = 16u;
const INVOCATIONS: u32 = ROWS * COLUMNS / 16u;

var<workgroup> tile_a: array<f32, ROWS * DEPTH>;
var<workgroup> tile_b: array<f32, COLUMNS * DEPTH>;

fn finish_row(part: u32, m: u32, m_end: u32, n: u32, values: vec4<f32>) {
    if m < m_end {
        if n < p.n { finish(part, m, n, values.x); }
        if n + 1u < p.n { finish(part, m, n + 1u, values.y); }
        if n + 2u < p.n { finish(part, m, n + 2u, values.z); }
        if n + 3u < p.n { finish(part, m, n + 3u, values.w); }
    }
}

fn block(g: u32, local: u32) {
    let tiles_n = (p.n + COLUMNS - 1u) / COLUMNS;
    let n0 = g % tiles_n * COLUMNS;
    // Where the sum is long it is split: a unit is a part of it. Elsewhere a unit is a row of tiles.
    var m0 = g / tiles_n * ROWS;
    var m_end = p.m - p.first * ROWS;
    var part = 0u;
    var k_begin = 0u;
    var k_end = p.k;
    if SPLIT {
        let tiles_m = (p.m + ROWS - 1u) / ROWS;
        m0 = g / tiles_n % tiles_m * ROWS;
        m_end = p.m;
        part = g / (tiles_n * tiles_m);
        k_begin = part * p.k_part;
        k_end = min(k_begin + p.k_part, p.k - p.first * p.k_part);
    }
    let left = local % (COLUMNS / 4u) * 4u;
    let top = local / (COLUMNS / 4u) * 4u;
    var sum_0 = vec4<f32>();
    var sum_1 = vec4<f32>();
    var sum_2 = vec4<f32>();
    var sum_3 = vec4<f32>();
    for (var k0 = k_begin; k0 < k_end; k0 += DEPTH) {
        for (var e = local; e < ROWS * DEPTH; e += INVOCATIONS) {
            // Neighbours read neighbours.
            let m = select(e % ROWS, e / DEPTH, A_IN_ROWS);
            let k = select(e / ROWS, e % DEPTH, A_IN_ROWS);
            var value = 0.0;
            if m0 + m < m_end && k0 + k < k_end {
                value = operand_a(m0 + m, k0 + k);
            }
            tile_a[k * ROWS + m] = value;
        }
        for (var e = local; e < COLUMNS * DEPTH; e += INVOCATIONS) {
            let n = select(e / DEPTH, e % COLUMNS, B_IN_ROWS);
            let k = select(e % DEPTH, e / COLUMNS, B_IN_ROWS);
            var value = 0.0;
            if n0 + n < p.n && k0 + k < k_end {
                value = operand_b(k0 + k, n0 + n);
            }
            tile_b[k * COLUMNS + n] = value;
        }
        workgroupBarrier();
        for (var k = 0u; k < DEPTH; k++) {
            let at = k * COLUMNS + left;
            let b = vec4(tile_b[at], tile_b[at + 1u], tile_b[at + 2u], tile_b[at + 3u]);
            let row = k * ROWS + top;
            sum_0 += tile_a[row] * b;
            sum_1 += tile_a[row + 1u] * b;
            sum_2 += tile_a[row + 2u] * b;
            sum_3 += tile_a[row + 3u] * b;
        }
        workgroupBarrier();
    }
    finish_row(part, m0 + top, m_end, n0 + left, sum_0);
    finish_row(part, m0 + top + 1u, m_end, n0 + left, sum_1);
    finish_row(part, m0 + top + 2u, m_end, n0 + left, sum_2);
    finish_row(part, m0 + top + 3u, m_end, n0 + left, sum_3);
}
