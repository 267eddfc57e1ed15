// The sums of x over the rotated row intervals, one plane each, in unrotated order: what each kernel cell
// meets in the gradient. An item is four pixels of a column, in one channel.
fn put(image: u32, a: u32, block: u32, place: u32, sum: vec4<f32>) {
    let begin = (image * p.row_count + a) * p.h;
    for (var lane = 0u; lane < LANES; lane++) {
        let y = block * LANES + lane;
        if y < p.h { store_planes((begin + y) * p.w * p.c + place, sum[lane]); }
    }
}

fn item(i: u32) {
    let c = i % p.c;
    let x = i / p.c % p.w;
    let block = i / p.c / p.w % p.blocks;
    let image = i / p.c / p.w / p.blocks;
    line = image * p.h * p.w * p.c + x * p.c + c;
    top = block * LANES + p.turned_begin - p.row_radius;
    // GENERATED: puts the sum over each interval
}
