// Each item is one value under a kernel, ordered by channel, kernel row and kernel column, as in the weight.
fn item(i: u32) {
    let taps = p.kernel_h * p.kernel_w;
    let values = p.c * taps;
    let pixel = i / values;
    let tap = i % taps;
    let channel = i % values / taps;
    let out_row = pixel / p.out_w;
    // Outside the image these wrap to numbers far beyond its size.
    let y = out_row % p.out_h * p.stride + tap / p.kernel_w - p.padding;
    let x = pixel % p.out_w * p.stride + tap % p.kernel_w - p.padding;
    var value = 0.0;
    if y < p.h && x < p.w {
        value = load_x(((out_row / p.out_h * p.h + y) * p.w + x) * p.c + channel);
    }
    store_y(i, value);
}
