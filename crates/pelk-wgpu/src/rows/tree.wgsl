// Sums across a row by halving, through workgroup memory.

const LANES: u32 = SIZE / ROWS;

var<workgroup> shared_values: array<f32, SIZE>;
var<private> own: u32;

fn row_sum(value: f32) -> f32 {
    shared_values[own] = value;
    workgroupBarrier();
    for (var half = LANES / 2u; half > 0u; half /= 2u) {
        if own % LANES < half {
            shared_values[own] += shared_values[own + half];
        }
        workgroupBarrier();
    }
    let sum = shared_values[own / LANES * LANES];
    workgroupBarrier();
    return sum;
}

fn row_max(value: f32) -> f32 {
    shared_values[own] = value;
    workgroupBarrier();
    for (var half = LANES / 2u; half > 0u; half /= 2u) {
        if own % LANES < half {
            shared_values[own] = max(shared_values[own], shared_values[own + half]);
        }
        workgroupBarrier();
    }
    let largest = shared_values[own / LANES * LANES];
    workgroupBarrier();
    return largest;
}

fn block(g: u32, local: u32) {
    own = local;
    let last = p.rows - p.first * ROWS - 1u;
    let r = g * ROWS + local / LANES;
    row(min(r, last), local % LANES, LANES, r <= last);
}
