// A line along an image's column, starting at `top`: zero outside the image.
var<private> line: u32;
var<private> top: u32;

fn at(j: u32) -> f32 {
    let y = top + j;
    if y < p.h { return load_x(line + y * p.w * p.c); }
    return 0.0;
}
