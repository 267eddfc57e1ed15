// The sums over column intervals times theta, for some rows of the kernel: x to planes. An item is four
// pixels of a row, in one channel.
fn put(image: u32, a: u32, y: u32, block: u32, c: u32, total: vec4<f32>) {
    let begin = (image * p.row_count + a) * p.h + y;
    for (var lane = 0u; lane < LANES; lane++) {
        let x = block * LANES + lane;
        if x < p.w { store_planes((begin * p.w + x) * p.c + c, total[lane]); }
    }
}

fn item(i: u32) {
    let c = i % p.c;
    let block = i / p.c % p.blocks;
    let row = i / p.c / p.blocks;
    let y = row % p.h;
    let image = row / p.h;
    left = block * LANES + p.column_begin - p.column_radius;
    line = row * p.w * p.c + c;
    let theta = ((p.row_first + p.part_begin) * p.column_cells + p.column_first) * p.c + c;
    // GENERATED: computes and puts a total for each kernel row
}
