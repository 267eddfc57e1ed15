// The first output whose window holds a row or column of the padded image.
fn first_window(at: u32) -> u32 {
    return (max(at + 1u, p.kernel) - p.kernel + p.stride - 1u) / p.stride;
}

// Each item is one value of the input's gradient: the sum over the windows in which it is the largest.
fn item(i: u32) {
    let channel = i % p.c;
    let pixel = i / p.c;
    let x = pixel % p.w + p.padding;
    let row = pixel / p.w;
    let y = row % p.h + p.padding;
    let image = row / p.h;
    var sum = 0.0;
    for (var out_y = first_window(y); out_y < p.out_h && out_y * p.stride <= y; out_y++) {
        for (var out_x = first_window(x); out_x < p.out_w && out_x * p.stride <= x; out_x++) {
            let output = ((image * p.out_h + out_y) * p.out_w + out_x) * p.c + channel;
            let place = (y - out_y * p.stride) * p.kernel + x - out_x * p.stride;
            if u32(load_places(output)) == place {
                sum += load_gy(output);
            }
        }
    }
    store_gx(i, sum);
}
