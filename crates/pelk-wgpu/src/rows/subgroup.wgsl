// Sums across a row within a subgroup, whatever its size.

fn row_sum(value: f32) -> f32 {
    return subgroupAdd(value);
}

fn row_max(value: f32) -> f32 {
    return subgroupMax(value);
}

fn block(g: u32, local: u32) {
    let last = p.rows - p.first * ROWS - 1u;
    for (var slot = subgroup.id; slot < ROWS; slot += subgroup.count) {
        let r = g * ROWS + slot;
        row(min(r, last), subgroup.lane, subgroup.lanes, r <= last);
    }
}
