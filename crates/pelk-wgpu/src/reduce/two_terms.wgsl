alias Terms = vec2<f32>;

fn store_sums(block: u32, column: u32, sums: Terms) {
    store_partials(block * 2u * p.columns + column, sums.x);
    store_partials((block * 2u + 1u) * p.columns + column, sums.y);
}
