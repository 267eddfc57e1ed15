//! `pelk grid`: how a kernel shares its parameters, as numbers and as a picture.

use crate::output::say;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use pelk_grid::{SharingGrid, picture};

/// Maximum number of cells per side in an SVG; with more, cells are smaller than a pixel or two and the file
/// grows to megabytes.
const SVG_CELLS: usize = 255;

/// Show how a large kernel shares its parameters.
///
/// A peripheral convolution has a separate parameter for every tap in the fine center of the kernel; taps
/// farther out share parameters, in blocks that grow outward. Prints the number of parameters and draws the
/// blocks as a chessboard: each square is one parameter.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct GridArgs {
    /// Kernel size in taps, an odd number
    #[arg(long, value_name = "TAPS", default_value_t = 51)]
    kernel: usize,

    /// Size of the fine center in taps, an odd number
    #[arg(long, value_name = "TAPS", default_value_t = 5)]
    center: usize,

    /// Growth factor: each block is this many times as long as the next one inward
    #[arg(long, value_name = "FACTOR", default_value_t = 2)]
    base: usize,

    /// Length of all blocks outside the center, which then do not grow
    #[arg(long, value_name = "TAPS", conflicts_with = "base")]
    uniform: Option<usize>,

    /// Block lengths from the outer edge to the center tap, for example 8,4,2,1,1,1
    #[arg(long, value_name = "LIST", conflicts_with_all = ["kernel", "center", "base", "uniform"])]
    half: Option<String>,

    /// Reverse the grid: long blocks inside, short ones outside
    #[arg(long)]
    reversed: bool,

    /// Also write the picture to this SVG file; its folder must exist
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  pelk grid                                     the 51 x 51 kernel of PeLK's first stage
  pelk grid --kernel 101 --center 7             the one of PeLK-101
  pelk grid --half 8,4,2,1,1,1 --reversed       fine outside, coarse inside
  pelk grid --kernel 33 --uniform 2 --center 1  blocks of 2 x 2 throughout
  pelk grid --kernel 51 --svg grid.svg          the picture as a file";

/// Writes the SVG if requested, then prints the grid; an error would be easy to miss above the printed
/// picture.
///
/// # Errors
/// When the options do not make a valid grid, or the file cannot be written.
pub fn run(args: GridArgs) -> Result<()> {
    let grid = grid(&args)?;
    if let Some(path) = &args.svg {
        write_svg(&grid, path)?;
    }
    say!("{}", picture::text(&grid).trim_end());
    if let Some(path) = &args.svg {
        say!("\nwrote {}", path.display());
    }
    Ok(())
}

fn grid(args: &GridArgs) -> Result<SharingGrid> {
    let grid = match (&args.half, args.uniform) {
        (Some(half), _) => SharingGrid::from_half_text(half).context("cannot read --half")?,
        (None, Some(interval)) => SharingGrid::uniform(args.kernel, interval, args.center)?,
        (None, None) => SharingGrid::exponential(args.kernel, args.center, args.base)?,
    };
    Ok(if args.reversed { grid.reversed() } else { grid })
}

fn write_svg(grid: &SharingGrid, path: &Path) -> Result<()> {
    let cells = grid.cells();
    ensure!(
        cells <= SVG_CELLS,
        "a grid of {cells} x {cells} cells is too fine for a picture; --svg takes up to {SVG_CELLS} per side"
    );
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder {
        ensure!(
            folder.is_dir(),
            "cannot write {}: there is no folder {}; create it first",
            path.display(),
            folder.display()
        );
    }
    fs::write(path, picture::svg(grid)).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        grid: GridArgs,
    }

    fn parse(line: &str) -> Result<GridArgs, clap::Error> {
        Command::try_parse_from(line.split_whitespace()).map(|command| command.grid)
    }

    fn half_of(line: &str) -> Vec<usize> {
        grid(&parse(line).unwrap()).unwrap().half().to_vec()
    }

    #[test]
    fn options_choose_the_rule() {
        assert_eq!(half_of("grid"), [9, 8, 4, 2, 1, 1, 1]);
        assert_eq!(half_of("grid --kernel 51 --center 3 --base 3"), [12, 9, 3, 1, 1]);
        assert_eq!(half_of("grid --kernel 13 --uniform 4 --center 1"), [2, 4, 1]);
        assert_eq!(half_of("grid --half 8,4,2,1,1,1 --reversed"), [1, 1, 2, 4, 8, 1]);
    }

    #[test]
    fn options_that_exclude_each_other_are_refused() {
        for line in ["grid --half 2,1 --kernel 5", "grid --uniform 2 --base 3"] {
            assert!(parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn errors_say_what_is_wrong() {
        let error = |line| format!("{:#}", grid(&parse(line).unwrap()).unwrap_err());
        assert!(error("grid --kernel 50").contains("49 or 51"));
        assert!(error("grid --half 2,x").starts_with("cannot read --half: \"x\""));
        let dense = SharingGrid::dense(SVG_CELLS + 2).unwrap();
        let error = write_svg(&dense, Path::new("grid.svg")).unwrap_err().to_string();
        assert!(error.contains("up to 255"), "{error}");
    }

    #[test]
    fn a_missing_folder_is_named_and_not_made() {
        let path = Path::new("no-such-folder/grid.svg");
        let error = write_svg(&SharingGrid::dense(3).unwrap(), path).unwrap_err().to_string();
        assert!(error.contains("no folder no-such-folder"), "{error}");
        assert!(!Path::new("no-such-folder").exists());
    }
}
