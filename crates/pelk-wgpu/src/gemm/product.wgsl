// A tile of ROWS x COLUMNS outputs, 8 x 8 per invocation, from tiles of the operands in workgroup memory.
//
// The host sets ROWS, COLUMNS, SPLIT, A_IN_ROWS and B_IN_ROWS. The functions operand_a, operand_b and finish
// are in separate files (see the table in pipeline.rs): they make up the kinds of products.
//
// An invocation's eight columns are two groups of four, half a tile apart, so that neighbors read neighbors.

const DEPTH: u32 = 16u;
const INVOCATIONS: u32 = ROWS * COLUMNS / 64u;
const HALF: u32 = COLUMNS / 2u;

// Vectors of four, which a GPU loads at once: loads from here limit a product's speed.
var<workgroup> tile_a: array<vec4<f32>, ROWS * DEPTH / 4u>;
var<workgroup> tile_b: array<vec4<f32>, COLUMNS * DEPTH / 4u>;

// a[m, k], which is stored as [M, K] where A_IN_ROWS, else as [K, M].
fn value_a(m: u32, k: u32) -> f32 {
    return operand_a(m, k, select(k * p.m + m, m * p.k + k, A_IN_ROWS));
}

// b[k, n], which is stored as [K, N] where B_IN_ROWS, else as [N, K].
fn value_b(k: u32, n: u32) -> f32 {
    return operand_b(k, n, select(n * p.k + k, k * p.n + n, B_IN_ROWS));
}

// Output n of the row that begins at `row`.
fn finish_one(row: u32, m: u32, n: u32, value: f32) {
    if n < p.n { finish(m, n, row + n, value); }
}

fn finish_four(part: u32, m: u32, n: u32, values: vec4<f32>) {
    let row = (part * p.m + m) * p.n;
    finish_one(row, m, n, values.x);
    finish_one(row, m, n + 1u, values.y);
    finish_one(row, m, n + 2u, values.z);
    finish_one(row, m, n + 3u, values.w);
}

fn finish_row(part: u32, m: u32, m_end: u32, n: u32, left: vec4<f32>, right: vec4<f32>) {
    if m < m_end {
        finish_four(part, m, n, left);
        finish_four(part, m, n + HALF, right);
    }
}

fn block(g: u32, local: u32) {
    let tiles_n = (p.n + COLUMNS - 1u) / COLUMNS;
    let n0 = g % tiles_n * COLUMNS;
    // If the sum is split, a unit is a part of it; otherwise a unit is a row of tiles.
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
    let left = local % (COLUMNS / 8u) * 4u;
    let top = local / (COLUMNS / 8u) * 8u;
    var left_0 = vec4<f32>();
    var right_0 = vec4<f32>();
    var left_1 = vec4<f32>();
    var right_1 = vec4<f32>();
    var left_2 = vec4<f32>();
    var right_2 = vec4<f32>();
    var left_3 = vec4<f32>();
    var right_3 = vec4<f32>();
    var left_4 = vec4<f32>();
    var right_4 = vec4<f32>();
    var left_5 = vec4<f32>();
    var right_5 = vec4<f32>();
    var left_6 = vec4<f32>();
    var right_6 = vec4<f32>();
    var left_7 = vec4<f32>();
    var right_7 = vec4<f32>();
    for (var k0 = k_begin; k0 < k_end; k0 += DEPTH) {
        for (var e = local; e < ROWS * DEPTH; e += INVOCATIONS) {
            // Neighbors read neighbors.
            let m = select(e % ROWS, e / DEPTH, A_IN_ROWS);
            let k = select(e / ROWS, e % DEPTH, A_IN_ROWS);
            var value = 0.0;
            if m0 + m < m_end && k0 + k < k_end {
                value = value_a(m0 + m, k0 + k);
            }
            tile_a[(k * ROWS + m) / 4u][m % 4u] = value;
        }
        for (var e = local; e < COLUMNS * DEPTH; e += INVOCATIONS) {
            let n = select(e / DEPTH, e % COLUMNS, B_IN_ROWS);
            let k = select(e % DEPTH, e / COLUMNS, B_IN_ROWS);
            var value = 0.0;
            if n0 + n < p.n && k0 + k < k_end {
                value = value_b(k0 + k, n0 + n);
            }
            tile_b[(k * COLUMNS + n) / 4u][n % 4u] = value;
        }
        workgroupBarrier();
        for (var k = 0u; k < DEPTH; k++) {
            let at = (k * COLUMNS + left) / 4u;
            let b = tile_b[at];
            let d = tile_b[at + HALF / 4u];
            let row = (k * ROWS + top) / 4u;
            let upper = tile_a[row];
            let lower = tile_a[row + 1u];
            left_0 += upper.x * b;
            right_0 += upper.x * d;
            left_1 += upper.y * b;
            right_1 += upper.y * d;
            left_2 += upper.z * b;
            right_2 += upper.z * d;
            left_3 += upper.w * b;
            right_3 += upper.w * d;
            left_4 += lower.x * b;
            right_4 += lower.x * d;
            left_5 += lower.y * b;
            right_5 += lower.y * d;
            left_6 += lower.z * b;
            right_6 += lower.z * d;
            left_7 += lower.w * b;
            right_7 += lower.w * d;
        }
        workgroupBarrier();
    }
    finish_row(part, m0 + top, m_end, n0 + left, left_0, right_0);
    finish_row(part, m0 + top + 1u, m_end, n0 + left, left_1, right_1);
    finish_row(part, m0 + top + 2u, m_end, n0 + left, left_2, right_2);
    finish_row(part, m0 + top + 3u, m_end, n0 + left, left_3, right_3);
    finish_row(part, m0 + top + 4u, m_end, n0 + left, left_4, right_4);
    finish_row(part, m0 + top + 5u, m_end, n0 + left, left_5, right_5);
    finish_row(part, m0 + top + 6u, m_end, n0 + left, left_6, right_6);
    finish_row(part, m0 + top + 7u, m_end, n0 + left, left_7, right_7);
}
