// The row in the plane of cell row `a`.
fn gradient_row(image: u32, a: u32, y: u32) -> u32 {
    return (image * p.row_count + a) * p.h + y;
}
