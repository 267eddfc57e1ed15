// Each item is one value of the output: the largest under its window, and its place there.
fn item(i: u32) {
    let channel = i % p.c;
    let pixel = i / p.c;
    let row = pixel / p.out_w;
    let image = row / p.out_h;
    var largest = 0.0;
    var found = -1.0;
    for (var place = 0u; place < p.kernel * p.kernel; place++) {
        // Above and left of the image these wrap to numbers far beyond its size.
        let y = row % p.out_h * p.stride + place / p.kernel - p.padding;
        let x = pixel % p.out_w * p.stride + place % p.kernel - p.padding;
        if y >= p.h || x >= p.w { continue; }
        let value = load_x(((image * p.h + y) * p.w + x) * p.c + channel);
        if found < 0.0 || value > largest || value != value {
            largest = value;
            found = f32(place);
        }
    }
    store_y(i, largest);
    store_places(i, found);
}
