//! Figures 5 and 6 of the paper, counted from the networks' definitions: a backbone's multiply-adds by part,
//! and the growth of parameters with the kernel.

use super::units::{G, M, scaled};
use crate::folders::{ensure_new, shown};
use crate::output::say;
use anyhow::{Context, Result};
use pelk_grid::SharingGrid;
use pelk_models::cost::{NetworkCost, PaperRules, Part, count};
use pelk_models::zoo;
use pelk_models::{
    MixerConfig, Network, NetworkConfig, PeripheralConfig, Position, StripeConfig, ThetaScale,
};
use pelk_report::chart::{Axis, Bars, Chart, Point, Row, Series, Style};
use pelk_report::table::{Table, number, text};
use std::path::Path;

/// Image height and width of Figure 5, as in segmentation of street scenes.
const SHARES_SIZE: [usize; 2] = [512, 2048];
/// The model of Figure 5.
const SHARES_MODEL: &str = "pelk_t";

/// Comparison with the numbers in the paper's text.
const SHARES_NOTE: &str = "\
The paper gives about 25 % for the large kernels and 0.05 % for the position embedding. Here the embedding
counts once per block, as one product per tap and convolved channel; one addition per value of each block's map
would be 0.05 %.";

/// Kernel sizes in Figure 6.
const KERNELS: [usize; 7] = [7, 15, 31, 51, 71, 101, 151];
/// The model of Figure 6, whose depthwise kernels are all replaced.
const KERNELS_MODEL: &str = "convnext_t";
/// Size of the fine center, and width of stripes.
const CENTER: usize = 5;

const SHARES_FILE: &str = "fig5-shares.svg";
const PARAMETERS_FILE: &str = "fig6-parameters.svg";

/// Writes both figures and prints their numbers.
///
/// # Errors
/// When a file cannot be written, or exists and `force` is not set.
pub(super) fn run(folder: &Path, force: bool) -> Result<()> {
    ensure_new([SHARES_FILE, PARAMETERS_FILE].map(|name| folder.join(name)), force)?;
    let (shares, parameters) = (Shares::count()?, parameters()?);
    std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let files =
        [(SHARES_FILE, shares.bars().svg()?), (PARAMETERS_FILE, parameters_chart(&parameters).svg()?)];
    say!("{}\n\n{}\n{SHARES_NOTE}\n", shares.title(), shares.table());
    say!("Parameters of ConvNeXt-T by kernel size, M\n\n{}", parameters_table(&parameters));
    for (name, svg) in files {
        let path = folder.join(name);
        std::fs::write(&path, svg).with_context(|| format!("cannot write {}", path.display()))?;
        say!("wrote {}", shown(&path));
    }
    Ok(())
}

/// Multiply-adds of a backbone, without the classifier.
struct Shares(NetworkCost);

impl Shares {
    fn count() -> Result<Shares> {
        let model = zoo::model(SHARES_MODEL)?;
        let network = Network::new(model.configure(3, 1000)?)?;
        let rules = PaperRules { density: model.density, ..PaperRules::PLAIN };
        Ok(Shares(count(&network, SHARES_SIZE, rules)?))
    }

    fn title(&self) -> String {
        let [height, width] = SHARES_SIZE;
        format!("Multiply-adds of PeLK-T's backbone at {width} x {height}")
    }

    /// The parts of the backbone with nonzero multiply-adds: as the paper counts them, and as computed here.
    fn parts(&self) -> impl Iterator<Item = (Part, [f64; 2])> {
        let counts = |part| {
            let cost = self.0.part(part);
            (part, [cost.macs_paper, cost.macs_executed as f64])
        };
        let backbone = Part::ALL.into_iter().filter(|&part| part != Part::Head);
        backbone.map(counts).filter(|(_, counts)| *counts != [0.0; 2])
    }

    fn totals(&self) -> [f64; 2] {
        [0, 1].map(|way| self.parts().map(|(_, counts)| counts[way]).sum())
    }

    fn bars(&self) -> Bars {
        let totals = self.totals();
        let row = |way: usize, name: &str| Row {
            name: format!("{name}: {:.1} G", totals[way] / G),
            amounts: self.parts().map(|(_, counts)| counts[way]).collect(),
        };
        Bars {
            title: self.title(),
            segments: self.parts().map(|(part, _)| part.name().to_owned()).collect(),
            rows: vec![
                row(0, "as the paper counts: dense kernels, 60 % of the weights"),
                row(1, "as computed here: shared kernels, all weights"),
            ],
        }
    }

    fn table(&self) -> Table<5> {
        let columns =
            [text("part"), number("counted, M"), number("share"), number("here, M"), number("share")];
        let mut table = Table::new(columns);
        let totals = self.totals();
        let mut row = |name: &str, counts: [f64; 2]| {
            let [counted, here] =
                [0, 1].map(|way| [scaled(counts[way], M), percent(counts[way] / totals[way])]);
            let ([counted, counted_share], [here, here_share]) = (counted, here);
            table.row([name.to_owned(), counted, counted_share, here, here_share]);
        };
        for (part, counts) in self.parts() {
            row(part.name(), counts);
        }
        row("total", totals);
        table
    }
}

/// A share in percent, with enough digits for the smallest part.
fn percent(share: f64) -> String {
    format!("{:.3} %", 100.0 * share)
}

/// Replacements for ConvNeXt's kernels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kernel {
    Dense,
    Peripheral,
    Stripe,
}

impl Kernel {
    const ALL: [Kernel; 3] = [Kernel::Dense, Kernel::Peripheral, Kernel::Stripe];

    fn name(self) -> &'static str {
        match self {
            Kernel::Dense => "dense, K x K",
            Kernel::Peripheral => "peripheral, center 5 x 5",
            Kernel::Stripe => "stripes, K x 5 and 5 x K",
        }
    }

    fn mixer(self, kernel: usize, channels: usize) -> Result<MixerConfig> {
        Ok(match self {
            Kernel::Dense => MixerConfig::Depthwise { kernel },
            Kernel::Peripheral => MixerConfig::Peripheral(PeripheralConfig {
                grid: SharingGrid::exponential(kernel, CENTER, 2)?,
                channels,
                small_kernel: 0,
                position: Position::None,
                theta_scale: ThetaScale::default(),
            }),
            Kernel::Stripe => MixerConfig::Stripe(StripeConfig { kernel, width: CENTER, channels }),
        })
    }

    /// ConvNeXt-T with kernels of this size. In the folded form, every mixer has a bias like ConvNeXt's, in
    /// place of the training form's BatchNorm.
    fn network(self, kernel: usize) -> Result<Network> {
        let mut config = NetworkConfig { folded: true, ..zoo::model(KERNELS_MODEL)?.configure(3, 1000)? };
        for stage in &mut config.stages {
            stage.mixer = self.mixer(kernel, stage.width)?;
        }
        Ok(Network::new(config)?)
    }
}

/// Parameters by kind of kernel, then by kernel size.
type Parameters = [[u64; KERNELS.len()]; Kernel::ALL.len()];

fn parameters() -> Result<Parameters> {
    let mut parameters = Parameters::default();
    for (row, kind) in parameters.iter_mut().zip(Kernel::ALL) {
        for (cell, kernel) in row.iter_mut().zip(KERNELS) {
            *cell = count(&kind.network(kernel)?, [224, 224], PaperRules::PLAIN)?.total().params;
        }
    }
    Ok(parameters)
}

fn parameters_chart(parameters: &Parameters) -> Chart {
    let series = Kernel::ALL.into_iter().zip(parameters).map(|(kind, row)| {
        let points = KERNELS.into_iter().zip(row);
        let point = |(kernel, &count)| Point { x: kernel as f64, y: count as f64 / M, ..Point::default() };
        Series { name: kind.name().to_owned(), points: points.map(point).collect(), style: Style::Both }
    });
    let ticks = KERNELS.map(|kernel| (kernel as f64, kernel.to_string()));
    Chart {
        title: "Parameters of ConvNeXt-T with kernels of side K".to_owned(),
        x: Axis { label: "K".to_owned(), ticks: ticks.to_vec(), ..Axis::default() },
        y: Axis { label: "parameters, M".to_owned(), range: Some((0.0, 0.0)), ..Axis::default() },
        series: series.collect(),
    }
}

fn parameters_table(parameters: &Parameters) -> Table<4> {
    let mut table = Table::new([number("K"), number("dense"), number("peripheral"), number("stripes")]);
    for (i, kernel) in KERNELS.into_iter().enumerate() {
        let [dense, peripheral, stripes] = parameters.map(|row| format!("{:.1}", row[i] as f64 / M));
        table.row([kernel.to_string(), dense, peripheral, stripes]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_in_the_checkout_are_what_the_command_writes() {
        let folder = tempfile::tempdir().unwrap();
        run(folder.path(), false).unwrap();
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
        for name in [SHARES_FILE, PARAMETERS_FILE] {
            let [written, kept] = [folder.path().join(name), docs.join(name)]
                .map(|path| std::fs::read_to_string(path).unwrap());
            let remedy = "run `cargo xtask cost --chart --out docs --force`";
            assert!(written == kept, "docs/{name} is out of date: {remedy}");
        }
    }

    #[test]
    fn existing_figures_are_overwritten_only_by_force() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(PARAMETERS_FILE);
        std::fs::write(&path, "mine").unwrap();
        let error = run(folder.path(), false).unwrap_err().to_string();
        assert!(error.contains(PARAMETERS_FILE) && error.contains("--force"), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "mine");
        assert!(!folder.path().join(SHARES_FILE).exists());
        run(folder.path(), true).unwrap();
        assert!(std::fs::read_to_string(&path).unwrap().starts_with("<svg"));
    }

    #[test]
    fn parameters_against_the_kernel_are_those_of_figure_6() {
        // Counted by hand from ConvNeXt-T's 28.59 M and the published grids; the figure shows one decimal.
        let expected = [
            (
                Kernel::Dense,
                [(7, 28.6), (31, 34.6), (51, 45.5), (71, 61.7), (101, 95.8), (151, 179.3)].as_slice(),
            ),
            (Kernel::Peripheral, &[(31, 29.1), (51, 29.4), (71, 29.8), (101, 29.8), (151, 30.2)]),
        ];
        let parameters = parameters().unwrap();
        for (kind, values) in expected {
            for &(kernel, millions) in values {
                let at = KERNELS.iter().position(|&side| side == kernel).unwrap();
                let counted = parameters[kind as usize][at] as f64 / M;
                assert!((counted - millions).abs() <= 0.05, "{kind:?} {kernel}: {counted}, not {millions}");
            }
        }
    }

    #[test]
    fn another_mixer_changes_the_kernels_alone() {
        let plain = zoo::model(KERNELS_MODEL).unwrap().configure(3, 1000).unwrap();
        let plain = count(&Network::new(plain).unwrap(), [224, 224], PaperRules::PLAIN).unwrap();
        for kind in Kernel::ALL {
            let other = count(&kind.network(31).unwrap(), [224, 224], PaperRules::PLAIN).unwrap();
            for part in Part::ALL.into_iter().filter(|&part| part != Part::LargeKernel) {
                assert_eq!(other.part(part), plain.part(part), "{kind:?}: {}", part.name());
            }
        }
    }

    #[test]
    fn the_backbone_s_shares_are_those_that_the_paper_tells() {
        let shares = Shares::count().unwrap();
        let [counted, here] = shares.totals();
        let part = |wanted| shares.parts().find(|(part, _)| *part == wanted).unwrap().1;
        assert!((part(Part::LargeKernel)[0] / counted - 0.25).abs() < 0.01);
        assert!(part(Part::Position)[0] / counted < 0.0005, "the paper's number is the upper bound");
        assert!(part(Part::LargeKernel)[1] / here < 0.03, "sharing leaves little of the large kernels");
    }
}
