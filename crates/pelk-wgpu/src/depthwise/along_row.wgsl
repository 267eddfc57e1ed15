// A line along an image's row, starting at `left`: zero outside the image.
var<private> line: u32;
var<private> left: u32;

fn at(j: u32) -> f32 {
    let x = left + j;
    if x < p.w { return load_x(line + x * p.c); }
    return 0.0;
}
