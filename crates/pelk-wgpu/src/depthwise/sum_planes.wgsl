// The sums over the row intervals of the planes: x to y, added to y if MORE. An item is four pixels of a
// column, in one channel.
fn item(i: u32) {
    let c = i % p.c;
    let x = i / p.c % p.w;
    let block = i / p.c / p.w % p.blocks;
    let image = i / p.c / p.w / p.blocks;
    var total = vec4<f32>();
    for (var lane = 0u; lane < LANES; lane++) {
        let y = block * LANES + lane;
        if MORE && y < p.h { total[lane] = load_y(((image * p.h + y) * p.w + x) * p.c + c); }
    }
    // GENERATED: total += the sum over each row interval of its plane
    for (var lane = 0u; lane < LANES; lane++) {
        let y = block * LANES + lane;
        if y < p.h { finish(y, x, c, ((image * p.h + y) * p.w + x) * p.c + c, total[lane]); }
    }
}
