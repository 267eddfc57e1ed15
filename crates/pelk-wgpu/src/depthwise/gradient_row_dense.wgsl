// The row of the output gradient that meets cell row `a` of a dense kernel at row `y` of the input.
fn gradient_row(image: u32, a: u32, y: u32) -> u32 {
    let row = y + p.row_radius - (p.row_begin + a);
    return select(NONE, image * p.h + row, row < p.h);
}
