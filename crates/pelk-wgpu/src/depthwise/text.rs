//! The shaders of a grid: the `.wgsl` files of this folder with the sums over the grid's intervals unrolled.
//!
//! Each invocation computes four neighboring outputs, a `vec4`. Their sums over an interval share the values
//! beneath them, and each value is loaded once. These lines are generated because WGSL cannot unroll a loop:
//! in a loop over intervals, the values would be an array indexed by a variable, which GPUs keep in memory,
//! and the bounds would be loaded. In generated code, the values are in registers and the bounds are
//! constants.

use pelk_grid::Intervals;
use std::fmt::Write;

/// Neighboring outputs of an invocation.
pub(super) const LANES: usize = 4;
/// Longer sums are loops, since unrolled they would need too many registers.
const WRITTEN_OUT: usize = 32;

/// Identifies the generated text for these intervals.
pub(super) fn key(intervals: &Intervals) -> String {
    intervals.lengths.iter().map(usize::to_string).collect::<Vec<_>>().join(" ")
}

/// Adds lines that declare the values under the intervals, where `at(0)` is under the first tap of the first
/// output; `with_sum(i)` adds the lines that use `sum`, the four sums over interval i.
fn sums(intervals: &Intervals, lines: &mut Lines, mut with_sum: impl FnMut(&mut Lines, usize)) {
    let mut begin = 0;
    let mut declared = 0;
    for (i, &length) in intervals.lengths.iter().enumerate() {
        let loops = length > WRITTEN_OUT + LANES;
        let middle = begin + LANES - 1..begin + length;
        for j in declared.max(begin)..begin + length + LANES - 1 {
            if !(loops && middle.contains(&j)) {
                lines.add(format!("let v_{j} = at({j}u);"));
            }
        }
        // A loop's values have no names, but the next interval uses none of them.
        declared = begin + length + LANES - 1;
        lines.add("{");
        lines.box_sum(begin, length, loops);
        with_sum(lines, i);
        lines.add("}");
        begin += length;
    }
}

/// Generated lines.
#[derive(Default)]
pub(super) struct Lines(String);

impl Lines {
    fn add(&mut self, line: impl AsRef<str>) {
        let _ = writeln!(self.0, "    {}", line.as_ref()); // writing to a String cannot fail
    }

    /// `sum`: for output i of 0 to 3, the sum over `length` values starting at `begin + i`.
    fn box_sum(&mut self, begin: usize, length: usize, loops: bool) {
        let v = |j: usize| format!("v_{}", begin + j);
        let plus = |terms: Vec<String>| terms.join(" + ");
        if length < LANES {
            let lane = |lane: usize| plus((lane..lane + length).map(v).collect());
            self.add(format!("let sum = vec4({});", (0..LANES).map(lane).collect::<Vec<_>>().join(", ")));
            return;
        }
        // The values that all four sums share, and those at the ends.
        if loops {
            let (from, to) = (begin + LANES - 1, begin + length);
            self.add("var middle = 0.0;");
            self.add(format!("for (var j = {from}u; j < {to}u; j++) {{ middle += at(j); }}"));
        } else {
            self.add(format!("let middle = {};", plus((LANES - 1..length).map(v).collect())));
        }
        let lane = |lane: usize| {
            let before = (lane..LANES - 1).map(v);
            let after = (length..length + lane).map(v);
            plus(before.chain(["middle".to_owned()]).chain(after).collect())
        };
        self.add(format!("let sum = vec4({});", (0..LANES).map(lane).collect::<Vec<_>>().join(", ")));
    }
}

/// The text of a shader file with its `GENERATED` comments replaced by generated lines, in order.
fn filled<const N: usize>(file: &str, generated: [Lines; N]) -> String {
    let mut generated = generated.into_iter();
    let mut text = String::new();
    for line in file.lines() {
        match line.trim_start().starts_with(GENERATED).then(|| generated.next()).flatten() {
            Some(Lines(lines)) => text.push_str(&lines),
            None => text.extend([line, "\n"]),
        }
    }
    text
}

const GENERATED: &str = "// GENERATED";
const ALONG_ROW: &str = include_str!("along_row.wgsl");
const ALONG_COLUMN: &str = include_str!("along_column.wgsl");

/// The shader `dense_rows.wgsl`.
pub(super) fn dense_rows(columns: &Intervals) -> String {
    let mut lines = Lines::default();
    sums(columns, &mut lines, |lines, b| {
        lines.add(format!("total += load_theta(theta + {b}u * p.c) * sum;"));
    });
    let text = filled(include_str!("dense_rows.wgsl"), [lines]);
    format!("const LANES: u32 = {LANES}u;\n{ALONG_ROW}{text}")
}

/// The shader `row_planes.wgsl` for `cells` rows of the kernel.
pub(super) fn row_planes(columns: &Intervals, cells: usize) -> String {
    let mut lines = Lines::default();
    for a in 0..cells {
        lines.add(format!("var total_{a} = vec4<f32>();"));
    }
    sums(columns, &mut lines, |lines, b| {
        for a in 0..cells {
            lines
                .add(format!("total_{a} += load_theta(theta + ({a}u * p.column_cells + {b}u) * p.c) * sum;"));
        }
    });
    for a in 0..cells {
        lines.add(format!("put(image, p.part_begin + {a}u, y, block, c, total_{a});"));
    }
    let text = filled(include_str!("row_planes.wgsl"), [lines]);
    format!("const LANES: u32 = {LANES}u;\n{ALONG_ROW}{text}")
}

/// The shader `sum_planes.wgsl`, which adds to `y` if `more`.
pub(super) fn sum_planes(rows: &Intervals, more: bool) -> String {
    let mut lines = Lines::default();
    for (a, interval) in rows.parts(1).iter().enumerate() {
        let begin = interval.begin - rows.begin;
        lines.add(format!("line = (image * p.row_count + {a}u) * p.h * p.w * p.c + x * p.c + c;"));
        lines.add(format!("top = block * LANES + {begin}u + p.row_begin - p.row_radius;"));
        lines.add("{");
        sums(interval, &mut lines, |lines, _| lines.add("total += sum;"));
        lines.add("}");
    }
    let text = filled(include_str!("sum_planes.wgsl"), [lines]);
    format!("const LANES: u32 = {LANES}u;\nconst MORE: bool = {more};\n{ALONG_COLUMN}{text}")
}

/// The shader `column_planes.wgsl`.
pub(super) fn column_planes(turned: &Intervals) -> String {
    let mut lines = Lines::default();
    sums(turned, &mut lines, |lines, i| {
        let a = turned.count() - 1 - i;
        lines.add(format!("put(image, {a}u, block, x * p.c + c, sum);"));
    });
    let text = filled(include_str!("column_planes.wgsl"), [lines]);
    format!("const LANES: u32 = {LANES}u;\n{ALONG_COLUMN}{text}")
}

/// The shader `theta_gradient.wgsl` for `cells` rows of the kernel.
pub(super) fn theta_gradient(columns: &Intervals, cells: usize) -> String {
    let (mut declarations, mut body, mut stores) = (Lines::default(), Lines::default(), Lines::default());
    let all = || (0..cells).flat_map(|a| (0..columns.count()).map(move |b| (a, b)));
    for (a, b) in all() {
        declarations.add(format!("var total_{a}_{b} = 0.0;"));
        stores.add(format!("put(group, a0 + {a}u, {b}u, c, total_{a}_{b});"));
    }
    for a in 0..cells {
        body.add(format!("let g_{a} = gradient(image, min(a0 + {a}u, p.row_count - 1u), y, x0, c);"));
    }
    sums(columns, &mut body, |lines, b| {
        for a in 0..cells {
            lines.add(format!("total_{a}_{b} += dot(g_{a}, sum);"));
        }
    });
    let text = filled(include_str!("theta_gradient.wgsl"), [declarations, body, stores]);
    format!("const LANES: u32 = {LANES}u;\nconst CELLS: u32 = {cells}u;\n{ALONG_ROW}{text}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use pelk_grid::SharingGrid;

    #[test]
    fn all_generated_lines_have_their_place() {
        let grid = SharingGrid::exponential(51, 5, 2).unwrap();
        let all = grid.meeting(51);
        for (text, last) in [
            (dense_rows(&all), "12u * p.c) * sum;"),
            (row_planes(&all, 3), "total_2);"),
            (sum_planes(&all, false), "total += sum;"),
            (column_planes(&all), "put(image, 0u"),
            (theta_gradient(&all, 2), "total_1_12);"),
        ] {
            assert!(!text.contains(GENERATED) && text.contains(last), "{text}");
        }
    }

    #[test]
    fn every_value_is_loaded_once() {
        let grid = SharingGrid::exponential(51, 5, 2).unwrap();
        let text = dense_rows(&grid.meeting(51));
        assert_eq!(text.matches("= at(").count(), 51 + LANES - 1);
        let text = dense_rows(&Intervals { first: 0, begin: 0, lengths: vec![100] });
        assert_eq!(text.matches("= at(").count(), 2 * (LANES - 1) + 1, "{text}");
    }
}
