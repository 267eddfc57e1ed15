alias Terms = f32;

fn store_sums(block: u32, column: u32, sums: Terms) {
    store_partials(block * p.columns + column, sums);
}
