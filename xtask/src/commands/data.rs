//! `cargo xtask data`

use crate::workspace::{DATASETS, dataset, root, shown};
use anyhow::{Context, Result, bail};
use clap::builder::{PossibleValuesParser, RangedU64ValueParser};
use image::{Rgb, RgbImage};
use pelk_data::{Dataset, Sample, Split};
use pelk_train::CanvasConfig;
use std::path::PathBuf;

/// Look at datasets
#[derive(Debug, clap::Args)]
pub struct DataArgs {
    #[command(subcommand)]
    command: DataCommand,
}

#[derive(Debug, clap::Subcommand)]
enum DataCommand {
    Show(ShowArgs),
}

/// Write a contact sheet of a dataset's images as PNG
///
/// A row a class; where the places of an image have classes of their own, each image beside its labels instead.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  cargo xtask data show --task long-range --count 12")]
struct ShowArgs {
    /// The dataset
    #[arg(long, value_name = "NAME", default_value = DATASETS[0], value_parser = PossibleValuesParser::new(DATASETS))]
    task: String,
    /// Folder of the dataset's files [default: the folder in `datasets` that comes with the checkout]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Show the test images
    #[arg(long)]
    test: bool,
    /// Images of each class, or images in all where places have labels
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = RangedU64ValueParser::<usize>::new().range(1..=1000))]
    count: usize,
    /// Seed of a composed dataset's canvases
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// The picture [default: runs/data/NAME-SPLIT.png]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Runs the command.
///
/// # Errors
/// When the data are unusable or the picture cannot be written.
pub fn run(args: &DataArgs) -> Result<()> {
    match &args.command {
        DataCommand::Show(args) => show(args),
    }
}

fn show(args: &ShowArgs) -> Result<()> {
    let split = if args.test { Split::Test } else { Split::Train };
    let canvases = CanvasConfig { seed: args.seed, train: args.count, test: args.count };
    let data = dataset(&args.task, args.data.as_deref(), &canvases, split)?;
    let sheet = match data.label_size() {
        [1, 1] => by_class(&*data, args.count)?,
        _ => beside_labels(&*data, args.count)?,
    };
    let default = || root().join("runs").join("data").join(format!("{}-{split}.png", args.task));
    let path = args.out.clone().unwrap_or_else(default);
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    }
    sheet.save(&path).with_context(|| format!("cannot write {}", path.display()))?;
    println!("{} {split} images of {} pixels: {}", data.len(), size(&*data), shown(&path));
    Ok(())
}

fn size(data: &dyn Dataset) -> String {
    let [height, width, channels] = data.shape();
    format!("{height} x {width} x {channels}")
}

/// Pixels between pictures, and what they show.
const GAP: u32 = 4;
const PAPER: Rgb<u8> = Rgb([255, 255, 255]);

/// A sheet of tiles of one size.
struct Sheet {
    picture: RgbImage,
    tile: [u32; 2],
}

impl Sheet {
    fn new(rows: usize, columns: usize, [height, width]: [u32; 2]) -> Sheet {
        let side = |count: usize, tile: u32| GAP + count as u32 * (tile + GAP);
        let picture = RgbImage::from_pixel(side(columns, width), side(rows, height), PAPER);
        Sheet { picture, tile: [height, width] }
    }

    /// Draws a picture of rows x columns colours into a tile, each as a rectangle.
    fn draw(&mut self, row: usize, column: usize, size: [usize; 2], color: impl Fn(usize) -> Rgb<u8>) {
        let [height, width] = self.tile;
        let corner = |place: usize, tile: u32| GAP + place as u32 * (tile + GAP);
        let (top, left) = (corner(row, height), corner(column, width));
        for y in 0..height {
            for x in 0..width {
                let [from_y, from_x] = [(y, height, size[0]), (x, width, size[1])]
                    .map(|(at, all, n)| at as usize * n / all as usize);
                self.picture.put_pixel(left + x, top + y, color(from_y * size[1] + from_x));
            }
        }
    }

    fn image(
        &mut self,
        row: usize,
        column: usize,
        [height, width, channels]: [usize; 3],
        sample: &Sample<'_>,
    ) {
        self.draw(row, column, [height, width], |pixel| {
            let pixel = &sample.pixels[pixel * channels..][..channels];
            match *pixel {
                [red, green, blue] => Rgb([red, green, blue]),
                _ => Rgb([pixel[0]; 3]),
            }
        });
    }
}

/// The size of an image's tile: itself, small ones enlarged.
fn tile([height, width, _]: [usize; 3]) -> [u32; 2] {
    const SMALLEST: usize = 56;
    let factor = SMALLEST.div_ceil(height.min(width)).max(1);
    [height, width].map(|side| (side * factor) as u32)
}

fn by_class(data: &dyn Dataset, count: usize) -> Result<RgbImage> {
    let classes = data.classes();
    let mut found = vec![0; classes.len()];
    let mut sheet = Sheet::new(classes.len(), count, tile(data.shape()));
    for index in 0..data.len() {
        if found.iter().all(|&found| found == count) {
            break;
        }
        let sample = data.sample(index)?;
        let Some(&label) = sample.labels.first() else { bail!("sample {index} has no label") };
        let column = &mut found[label as usize];
        if *column < count {
            sheet.image(label as usize, *column, data.shape(), &sample);
            *column += 1;
        }
    }
    println!("Rows, from the top: {}", classes.join(", "));
    Ok(sheet.picture)
}

/// Colours that stay apart for colour-blind readers (Okabe and Ito); classes beyond them begin again.
const COLORS: [(&str, [u8; 3]); 8] = [
    ("grey", [190, 190, 190]),
    ("orange", [230, 159, 0]),
    ("sky blue", [86, 180, 233]),
    ("green", [0, 158, 115]),
    ("purple", [204, 121, 167]),
    ("blue", [0, 114, 178]),
    ("vermilion", [213, 94, 0]),
    ("yellow", [240, 228, 66]),
];

fn beside_labels(data: &dyn Dataset, count: usize) -> Result<RgbImage> {
    let columns = (count as f64).sqrt().ceil() as usize;
    let rows = count.div_ceil(columns);
    let mut sheet = Sheet::new(rows, 2 * columns, tile(data.shape()));
    for index in 0..count.min(data.len()) {
        let sample = data.sample(index)?;
        let (row, column) = (index / columns, 2 * (index % columns));
        sheet.image(row, column, data.shape(), &sample);
        sheet.draw(row, column + 1, data.label_size(), |place| {
            Rgb(COLORS[sample.labels[place] as usize % COLORS.len()].1)
        });
    }
    let legend = data.classes().iter().enumerate();
    let legend: Vec<_> = legend.map(|(i, class)| format!("{} {class}", COLORS[i % COLORS.len()].0)).collect();
    println!("Labels: {}", legend.join(", "));
    Ok(sheet.picture)
}
