//! A sharing grid as text in the terminal and as an SVG picture.
//!
//! ```sh
//! cargo run -p pelk-grid --example grid_picture                 # PeLK's 51 x 51 kernel with a 5 x 5 center
//! cargo run -p pelk-grid --example grid_picture 101 7 grid.svg  # kernel, center, file for the picture
//! ```
#![allow(clippy::print_stdout)] // an example prints

use pelk_grid::{SharingGrid, picture};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |index: usize, default| arguments.get(index).map_or(Ok(default), |text| text.parse());
    // Outside the center the intervals grow by powers of two, as in the paper.
    let grid = SharingGrid::exponential(number(0, 51)?, number(1, 5)?, 2)?;
    print!("{}", picture::text(&grid));
    if let Some(file) = arguments.get(2) {
        std::fs::write(file, picture::svg(&grid))?;
        println!("wrote {file}");
    }
    Ok(())
}
