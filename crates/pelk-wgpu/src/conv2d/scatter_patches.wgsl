// Each item is one value of the image: the bias, plus the sum over its places in patches.
fn item(i: u32) {
    let channel = i % p.c;
    let pixel = i / p.c;
    let x = pixel % p.w + p.padding;
    let row = pixel / p.w;
    let y = row % p.h + p.padding;
    let image = row / p.h;
    let taps = p.kernel_h * p.kernel_w;
    var sum = load_bias(channel);
    for (var kernel_y = 0u; kernel_y < p.kernel_h; kernel_y++) {
        let top = y - kernel_y;
        let out_y = top / p.stride;
        // Above the first output this wraps, far beyond the last.
        if top % p.stride != 0u || out_y >= p.out_h { continue; }
        for (var kernel_x = 0u; kernel_x < p.kernel_w; kernel_x++) {
            let left = x - kernel_x;
            let out_x = left / p.stride;
            if left % p.stride != 0u || out_x >= p.out_w { continue; }
            let output = (image * p.out_h + out_y) * p.out_w + out_x;
            sum += load_x(output * p.c * taps + channel * taps + kernel_y * p.kernel_w + kernel_x);
        }
    }
    store_y(i, sum);
}
