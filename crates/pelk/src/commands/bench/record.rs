//! Results, as lines of JSON or as tables.

use super::cases::Pass;
use super::gemm::{Lib, LinearPass};
use crate::timing::Timing;
use pelk_report::table::{Column, Table, number, text};
use serde::{Deserialize, Serialize};

/// One measurement. Scripts read these fields, so new ones go at the end. `device` is `cpu` or the name of a
/// GPU; for a GPU, `simd` is `wgsl` and `threads` is the number of threads that feed it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "bench", rename_all = "snake_case")]
pub enum Record {
    /// A peripheral convolution with an exponential grid of base 2.
    PeripheralConv {
        pass: Pass,
        n: usize,
        c: usize,
        h: usize,
        w: usize,
        kernel: usize,
        center: usize,
        threads: usize,
        simd: String,
        #[serde(flatten)]
        times: Times,
        device: String,
    },
    /// A depthwise convolution with a dense kernel.
    DepthwiseConv {
        pass: Pass,
        n: usize,
        c: usize,
        h: usize,
        w: usize,
        kernel_h: usize,
        kernel_w: usize,
        threads: usize,
        simd: String,
        #[serde(flatten)]
        times: Times,
        device: String,
    },
    /// LayerNorm, linear layer to four times the channels, GELU, linear layer, layer scale, residual.
    PixelMlp {
        pass: Pass,
        rows: usize,
        c: usize,
        threads: usize,
        simd: String,
        #[serde(flatten)]
        times: Times,
        device: String,
    },
    /// A product of a linear layer, by one library.
    Gemm {
        lib: Lib,
        pass: LinearPass,
        rows: usize,
        inputs: usize,
        outputs: usize,
        threads: usize,
        #[serde(flatten)]
        times: GemmTimes,
        simd: String,
        device: String,
    },
    /// A network.
    Model {
        model: String,
        pass: Pass,
        n: usize,
        size: usize,
        threads: usize,
        #[serde(flatten)]
        times: Times,
        /// Peak resident memory of the process, or of the GPU's tensors; `None` if the system does not report
        /// it.
        peak_bytes: Option<u64>,
        simd: String,
        images_per_second: f64,
        device: String,
    },
}

/// The speed of a product.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct GemmTimes {
    /// The median time in milliseconds.
    pub ms: f64,
    /// Billions of floating-point operations a second, two for each multiply-add.
    pub gflops: f64,
    /// The shortest time.
    pub min_ms: f64,
    /// Samples that nothing disturbed.
    pub runs: usize,
    /// The same at the processor's peak, with all threads.
    pub peak_gflops: f64,
}

/// Milliseconds of a measurement.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Times {
    /// The median.
    pub ms: f64,
    /// The shortest.
    pub min_ms: f64,
    /// Timed runs.
    pub runs: usize,
    /// Time of the necessary multiply-adds alone, at the peak rate of one core per thread; `None` for a GPU,
    /// whose peak rate is not measured.
    pub floor_ms: Option<f64>,
}

impl Times {
    /// A timing and its floor.
    pub fn new(timing: Timing, floor_ms: Option<f64>) -> Times {
        Times { ms: timing.median_ms, min_ms: timing.min_ms, runs: timing.runs, floor_ms }
    }

    fn cells(self) -> [String; 4] {
        let ms = |ms: f64| match ms {
            100.0.. => format!("{ms:.1}"),
            10.0.. => format!("{ms:.2}"),
            1.0.. => format!("{ms:.3}"),
            _ => format!("{ms:.4}"),
        };
        let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let ratio = self.floor_ms.map(|floor| format!("{:.2}", self.ms / floor));
        [ms(self.ms), ms(self.min_ms), or_none(self.floor_ms.map(ms)), or_none(ratio)]
    }
}

/// Explanation of the columns.
pub const EXPLANATION: &str = "\
ms       median of the runs in milliseconds, after warm-up
floor    time of the necessary multiply-adds alone at this CPU's peak rate, with all threads; parts of a
         kernel outside the image are not necessary, and each of the two gradients needs as many as the
         forward pass; a large convolution can take less, since spectra (FFT) need fewer multiply-adds
x floor  ms divided by floor
memory   peak resident memory of a process that runs only this
Speeds of matrix products are in GFLOP/s: two operations for each multiply-add.";

/// The records as one table per kind.
pub fn tables(records: &[Record]) -> String {
    let convolutions = convolutions(records);
    let mlps = mlps(records);
    let products = products(records);
    let models = models(records);
    [convolutions, mlps, products, models].into_iter().flatten().collect::<Vec<_>>().join("\n")
}

/// The table of these rows; `None` if there are none.
fn table<const N: usize>(columns: [Column; N], rows: impl Iterator<Item = [String; N]>) -> Option<String> {
    let mut rows = rows.peekable();
    rows.peek()?;
    let mut table = Table::new(columns);
    rows.for_each(|cells| table.row(cells));
    Some(table.to_string())
}

fn convolutions(records: &[Record]) -> Option<String> {
    let columns = [
        text("convolution"),
        number("kernel"),
        number("images"),
        number("channels"),
        number("map"),
        text("pass"),
        number("threads"),
        number("ms"),
        number("min"),
        number("floor"),
        number("x floor"),
    ];
    let row = |record: &Record| {
        let (name, kernel, (pass, n, c, h, w, threads, times)) = match record {
            Record::PeripheralConv { pass, n, c, h, w, kernel, center, threads, times, .. } => {
                (format!("peripheral, center {center}"), [kernel, kernel], (pass, n, c, h, w, threads, times))
            }
            Record::DepthwiseConv { pass, n, c, h, w, kernel_h, kernel_w, threads, times, .. } => {
                ("dense".to_owned(), [kernel_h, kernel_w], (pass, n, c, h, w, threads, times))
            }
            _ => return None,
        };
        let [ms, min, floor, ratio] = times.cells();
        Some([
            name,
            format!("{} x {}", kernel[0], kernel[1]),
            n.to_string(),
            c.to_string(),
            format!("{h} x {w}"),
            pass.name().to_owned(),
            threads.to_string(),
            ms,
            min,
            floor,
            ratio,
        ])
    };
    table(columns, records.iter().filter_map(row))
}

fn mlps(records: &[Record]) -> Option<String> {
    let columns = [
        text("pixel MLP"),
        number("channels"),
        text("pass"),
        number("threads"),
        number("ms"),
        number("min"),
        number("floor"),
        number("x floor"),
    ];
    let row = |record: &Record| {
        let Record::PixelMlp { pass, rows, c, threads, times, .. } = record else { return None };
        let [ms, min, floor, ratio] = times.cells();
        let (name, pass) = (format!("{rows} pixels"), pass.name().to_owned());
        Some([name, c.to_string(), pass, threads.to_string(), ms, min, floor, ratio])
    };
    table(columns, records.iter().filter_map(row))
}

/// A line for each product, with the libraries side by side.
fn products(records: &[Record]) -> Option<String> {
    let columns = [
        text("matrix product"),
        number("inputs"),
        number("outputs"),
        text("pass"),
        number("threads"),
        number("pelk"),
        number("matrixmultiply"),
        number("gemm"),
        number("peak"),
        number("pelk/peak"),
    ];
    let speed = |wanted: &Record, library: Lib| {
        let Record::Gemm { pass, rows, inputs, outputs, threads, .. } = wanted else { return None };
        let wanted = (pass, rows, inputs, outputs, threads);
        records.iter().find_map(|record| match record {
            Record::Gemm { lib, pass, rows, inputs, outputs, threads, times, .. }
                if *lib == library && (pass, rows, inputs, outputs, threads) == wanted =>
            {
                Some(times.gflops)
            }
            _ => None,
        })
    };
    let mut last = None;
    let row = |record: &Record| {
        let Record::Gemm { pass, rows, inputs, outputs, threads, times, .. } = record else { return None };
        // The first line of a product brings all of its libraries.
        if last.replace((*pass, *rows, *inputs, *outputs)) == Some((*pass, *rows, *inputs, *outputs)) {
            return None;
        }
        let ours = speed(record, Lib::Pelk);
        let cell = |speed: Option<f64>| speed.map_or_else(|| "-".to_owned(), |speed| format!("{speed:.1}"));
        let share = ours.map(|ours| ours / times.peak_gflops);
        Some([
            format!("{rows} rows"),
            inputs.to_string(),
            outputs.to_string(),
            pass.name().to_owned(),
            threads.to_string(),
            cell(ours),
            cell(speed(record, Lib::Matrixmultiply)),
            cell(speed(record, Lib::Gemm)),
            format!("{:.1}", times.peak_gflops),
            share.map_or_else(|| "-".to_owned(), |share| format!("{share:.2}")),
        ])
    };
    table(columns, records.iter().filter_map(row))
}

fn models(records: &[Record]) -> Option<String> {
    let columns = [
        text("model"),
        number("size"),
        number("images"),
        text("pass"),
        number("threads"),
        number("ms"),
        number("min"),
        number("floor"),
        number("x floor"),
        number("images/s"),
        number("memory, MiB"),
    ];
    let row = |record: &Record| {
        let Record::Model { model, pass, n, size, threads, times, peak_bytes, images_per_second, .. } =
            record
        else {
            return None;
        };
        let [ms, min, floor, ratio] = times.cells();
        Some([
            model.clone(),
            size.to_string(),
            n.to_string(),
            pass.name().to_owned(),
            threads.to_string(),
            ms,
            min,
            floor,
            ratio,
            format!("{images_per_second:.1}"),
            peak_bytes.map_or_else(|| "-".to_owned(), |bytes| (bytes >> 20).to_string()),
        ])
    };
    table(columns, records.iter().filter_map(row))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times() -> Times {
        Times { ms: 0.48, min_ms: 0.47, runs: 10, floor_ms: Some(0.24) }
    }

    fn records() -> [Record; 5] {
        let simd = || "avx512".to_owned();
        [
            Record::PeripheralConv {
                pass: Pass::Forward,
                n: 1,
                c: 36,
                h: 56,
                w: 56,
                kernel: 51,
                center: 5,
                threads: 1,
                simd: simd(),
                times: times(),
                device: "cpu".to_owned(),
            },
            Record::DepthwiseConv {
                pass: Pass::ForwardBackward,
                n: 1,
                c: 36,
                h: 56,
                w: 56,
                kernel_h: 51,
                kernel_w: 5,
                threads: 1,
                simd: simd(),
                times: times(),
                device: "cpu".to_owned(),
            },
            Record::PixelMlp {
                pass: Pass::Forward,
                rows: 49,
                c: 768,
                threads: 2,
                simd: simd(),
                times: times(),
                device: "cpu".to_owned(),
            },
            Record::Gemm {
                lib: Lib::Matrixmultiply,
                pass: LinearPass::Dw,
                rows: 784,
                inputs: 249,
                outputs: 996,
                threads: 1,
                times: GemmTimes { ms: 4.0, gflops: 97.2, min_ms: 3.9, runs: 10, peak_gflops: 118.0 },
                simd: simd(),
                device: "cpu".to_owned(),
            },
            Record::Model {
                model: "pelk_t".to_owned(),
                pass: Pass::TrainStep,
                n: 2,
                size: 224,
                threads: 2,
                times: times(),
                peak_bytes: None,
                simd: simd(),
                images_per_second: 4000.0,
                device: "cpu".to_owned(),
            },
        ]
    }

    #[test]
    fn lines_of_json_have_these_fields_in_this_order() {
        let lines = records().map(|record| serde_json::to_string(&record).unwrap());
        let expected = [
            r#"{"bench":"peripheral_conv","pass":"forward","n":1,"c":36,"h":56,"w":56,"kernel":51,"center":5,"threads":1,"simd":"avx512","ms":0.48,"min_ms":0.47,"runs":10,"floor_ms":0.24,"device":"cpu"}"#,
            r#"{"bench":"depthwise_conv","pass":"forward_backward","n":1,"c":36,"h":56,"w":56,"kernel_h":51,"kernel_w":5,"threads":1,"simd":"avx512","ms":0.48,"min_ms":0.47,"runs":10,"floor_ms":0.24,"device":"cpu"}"#,
            r#"{"bench":"pixel_mlp","pass":"forward","rows":49,"c":768,"threads":2,"simd":"avx512","ms":0.48,"min_ms":0.47,"runs":10,"floor_ms":0.24,"device":"cpu"}"#,
            r#"{"bench":"gemm","lib":"matrixmultiply","pass":"dw","rows":784,"inputs":249,"outputs":996,"threads":1,"ms":4.0,"gflops":97.2,"min_ms":3.9,"runs":10,"peak_gflops":118.0,"simd":"avx512","device":"cpu"}"#,
            r#"{"bench":"model","model":"pelk_t","pass":"train_step","n":2,"size":224,"threads":2,"ms":0.48,"min_ms":0.47,"runs":10,"floor_ms":0.24,"peak_bytes":null,"simd":"avx512","images_per_second":4000.0,"device":"cpu"}"#,
        ];
        assert_eq!(lines, expected);
        for (record, line) in records().iter().zip(lines) {
            assert_eq!(serde_json::from_str::<Record>(&line).unwrap(), *record);
        }
    }

    #[test]
    fn each_kind_has_its_table_and_absent_kinds_have_none() {
        let tables = tables(&records());
        for words in [
            "peripheral, center 5  51 x 51",
            "dense",
            "51 x 5 ",
            "49 pixels",
            "784 rows",
            "97.2",
            "pelk_t",
            "2.00",
        ] {
            assert!(tables.contains(words), "{words} is missing:\n{tables}");
        }
        assert!(!super::tables(&records()[..1]).contains("memory"));
        assert_eq!(super::tables(&[]), "");
    }
}
