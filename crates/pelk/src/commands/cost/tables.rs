//! The output of `cost`: tables and lines of JSON.

use super::counted::Counted;
use super::footnotes::Quantity;
use super::units::{G, K, M, scaled};
use anyhow::Result;
use pelk_models::cost::{Part, PartCost};
use pelk_report::table::{Table, number, text};
use serde::Serialize;

#[derive(Serialize)]
struct JsonLine {
    model: &'static str,
    height: usize,
    width: usize,
    params_paper: u64,
    macs_paper: u64,
    #[serde(skip_serializing_if = "is_zero")]
    mmcv_extra: u64,
    params: u64,
    macs_executed: u64,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// A line of JSON for scripts.
///
/// # Errors
/// When it cannot be serialized.
pub fn json_line(counted: &Counted) -> Result<String> {
    let PartCost { params, params_paper, macs_executed, macs_paper, .. } = counted.cost.total();
    let [height, width] = counted.size;
    let line = JsonLine {
        model: counted.model,
        height,
        width,
        params_paper: params_paper.round() as u64,
        macs_paper: macs_paper.round() as u64,
        mmcv_extra: counted.mmcv_extra(),
        params,
        macs_executed,
    };
    Ok(serde_json::to_string(&line)?)
}

/// One row per model and size, beside the papers' numbers.
pub fn summary(counted: &[Counted]) -> Table<12> {
    let mut table = Table::new([
        text("model"),
        number("size"),
        number("params, M\ncounted"),
        number("printed"),
        text("difference"),
        number("MACs, G\ncounted"),
        number("printed"),
        text("difference"),
        number("MACs, G\nalone").optional(),
        number("params, M\nhere"),
        number("MACs, G\nhere"),
        number("saved"),
    ]);
    for counted in counted {
        let total = counted.cost.total();
        let compared = |quantity: Quantity| match quantity.compare(counted) {
            None => ["-".to_owned(), String::new()],
            Some(comparison) => [comparison.printed_text(), comparison.difference_text()],
        };
        let [params_printed, params_difference] = compared(Quantity::Parameters);
        let [macs_printed, macs_difference] = compared(Quantity::MultiplyAdds);
        table.row([
            counted.model.to_owned(),
            counted.size(),
            scaled(total.params_paper, M),
            params_printed,
            params_difference,
            scaled(counted.macs_as_printed(), G),
            macs_printed,
            macs_difference,
            if counted.mmcv_extra() > 0 { scaled(total.macs_paper, G) } else { String::new() },
            scaled(total.params as f64, M),
            scaled(total.macs_executed as f64, G),
            counted.saved(&Part::ALL),
        ]);
    }
    table
}

/// The cost of each part of a model.
pub fn by_part(counted: &Counted) -> Table<9> {
    let mut table = Table::new([
        text("part"),
        number("params, K\ncounted"),
        number("share"),
        number("MACs, M\ncounted"),
        number("share"),
        number("params, K\nhere"),
        number("MACs, M\nhere"),
        number("share"),
        number("saved"),
    ]);
    let total = counted.cost.total();
    let mut row = |name: &str, cost: PartCost, parts: &[Part]| {
        table.row([
            name.to_owned(),
            scaled(cost.params_paper, K),
            share(cost.params_paper, total.params_paper),
            scaled(cost.macs_paper, M),
            share(cost.macs_paper, total.macs_paper),
            scaled(cost.params as f64, K),
            scaled(cost.macs_executed as f64, M),
            share(cost.macs_executed as f64, total.macs_executed as f64),
            counted.saved(parts),
        ]);
    };
    for part in Part::ALL {
        let cost = counted.cost.part(part);
        // ConvNeXt, for example, has no small kernels and no position embedding.
        if cost != PartCost::default() {
            row(part.name(), cost, &[part]);
        }
    }
    row("total", total, &Part::ALL);
    table
}

fn share(part: f64, total: f64) -> String {
    if total > 0.0 { format!("{:.2} %", 100.0 * part / total) } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::super::counted::{CHANNELS, Setting};
    use super::*;
    use pelk_models::zoo::{self, Task};

    fn counted(name: &str, size: usize) -> Counted {
        let setting = Setting { task: Task::ImageNet, channels: CHANNELS, classes: 1000 };
        Counted::new(&zoo::model(name).unwrap(), [size; 2], setting).unwrap()
    }

    #[test]
    fn a_json_line_has_whole_numbers_under_the_documented_names() {
        let counted = counted("pelk_b", 384);
        let line = json_line(&counted).unwrap();
        assert!(
            line.starts_with("{\"model\":\"pelk_b\",\"height\":384,\"width\":384,\"params_paper\":"),
            "{line}"
        );
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        let total = counted.cost.total();
        assert_eq!(value["params"], total.params);
        assert_eq!(value["macs_executed"], total.macs_executed);
        assert_eq!(value["params_paper"], total.params_paper.round() as u64);
        assert_eq!(value["macs_paper"], total.macs_paper.round() as u64);
        assert_eq!(value.as_object().unwrap().len(), 7);
    }

    #[test]
    fn the_parts_add_up_to_the_line_below_them() {
        let counted = counted("pelk_t", 224);
        let table = by_part(&counted).to_string();
        let last = table.lines().last().unwrap();
        assert!(last.starts_with("total") && last.contains("100.00 %"), "{last}");
        // Without UperNet's two parts and the four of a detector.
        assert_eq!(table.lines().count(), 3 + Part::ALL.len() - 6 + 1);
    }
}
