//! The texts of the kernels: a grid's intervals, written out.
//!
//! Each invocation has four neighboring outputs, a `vec4`. The sum over an interval, for the four of them, is made of the
//! values that lie side by side under them, each of which is loaded once. Which values and which sums is known when the
//! text is made, so they are in registers and nothing is looked up.

use pelk_grid::SharingGrid;
use std::fmt::Write;

/// Outputs of an invocation.
pub(super) const LANES: usize = 4;
/// Longer sums are loops.
const WRITTEN_OUT: usize = 32;

/// Some intervals of a grid, one after another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Intervals {
    /// The number of the first.
    pub first: usize,
    /// The tap at which it begins.
    pub begin: usize,
    /// Their lengths.
    pub lengths: Vec<usize>,
}

impl Intervals {
    /// What of a grid's intervals ever meets a line of `size` pixels: a tap that is further from the center than the line is long lies
    /// outside of the image, whatever the output.
    pub fn meeting(grid: &SharingGrid, size: usize) -> Intervals {
        let (radius, kernel) = (grid.radius(), grid.kernel());
        let (begin, end) = (radius.saturating_sub(size - 1), kernel.min(radius + size));
        let clipped = grid.offsets().iter().zip(grid.intervals()).enumerate();
        let clipped = clipped
            .map(|(i, (&offset, &length))| (i, (offset + length).min(end).saturating_sub(offset.max(begin))))
            .filter(|&(_, length)| length > 0);
        let (numbers, lengths): (Vec<_>, Vec<_>) = clipped.unzip();
        // The center tap always meets the image.
        Intervals { first: numbers[0], begin, lengths }
    }

    /// The intervals of a kernel of `taps` turned by 180 degrees.
    pub fn turned(&self, taps: usize) -> Intervals {
        let lengths = self.lengths.iter().rev().copied().collect();
        Intervals { first: 0, begin: taps - self.begin - self.taps(), lengths }
    }

    /// Their number.
    pub fn count(&self) -> usize {
        self.lengths.len()
    }

    /// Taps under them.
    pub fn taps(&self) -> usize {
        self.lengths.iter().sum()
    }

    /// The intervals in parts of at most `most`, as equal as they can be.
    pub fn parts(&self, most: usize) -> Vec<Intervals> {
        let (count, parts) = (self.count(), self.count().div_ceil(most));
        let part = |i: usize| {
            let range = i * count / parts..(i + 1) * count / parts;
            let before: usize = self.lengths[..range.start].iter().sum();
            let (first, begin) = (self.first + range.start, self.begin + before);
            Intervals { first, begin, lengths: self.lengths[range].to_vec() }
        };
        (0..parts).map(part).collect()
    }

    /// What texts with these intervals depend on.
    pub fn key(&self) -> String {
        self.lengths.iter().map(usize::to_string).collect::<Vec<_>>().join(" ")
    }

    /// Lines that declare the values under the intervals, `at(0)` being that of the first tap and the first output, and call
    /// `with_sum(i)` for the lines that use `sum`, the four sums over interval i.
    fn sums(&self, lines: &mut Lines, mut with_sum: impl FnMut(&mut Lines, usize)) {
        let mut begin = 0;
        let mut declared = 0;
        for (i, &length) in self.lengths.iter().enumerate() {
            let loops = length > WRITTEN_OUT + LANES;
            let middle = begin + LANES - 1..begin + length;
            for j in declared.max(begin)..begin + length + LANES - 1 {
                if !(loops && middle.contains(&j)) {
                    lines.add(format!("let v_{j} = at({j}u);"));
                }
            }
            // Values of a loop have no names, but none is under the next interval.
            declared = begin + length + LANES - 1;
            lines.add("{");
            lines.box_sum(begin, length, loops);
            with_sum(lines, i);
            lines.add("}");
            begin += length;
        }
    }
}

/// A text in the making.
#[derive(Default)]
pub(super) struct Lines(String);

impl Lines {
    fn add(&mut self, line: impl AsRef<str>) {
        let _ = writeln!(self.0, "    {}", line.as_ref()); // strings take all
    }

    /// `sum`: for outputs 0 to 3 the sum over `length` values from `begin` plus the output's number on.
    fn box_sum(&mut self, begin: usize, length: usize, loops: bool) {
        let v = |j: usize| format!("v_{}", begin + j);
        let plus = |terms: Vec<String>| terms.join(" + ");
        if length < LANES {
            let lane = |lane: usize| plus((lane..lane + length).map(v).collect());
            self.add(format!("let sum = vec4({});", (0..LANES).map(lane).collect::<Vec<_>>().join(", ")));
            return;
        }
        // The values that all four have in common, and those at the ends.
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

/// A line of an image's row, from `left` on: zero outside of the image.
const ALONG_ROW: &str = "\
var<private> line: u32;
var<private> left: u32;
fn at(j: u32) -> f32 {
    let x = left + j;
    if x < p.w { return load_x(line + x * p.c); }
    return 0.0;
}
";

/// A line of an image's column, from `top` on.
const ALONG_COLUMN: &str = "\
var<private> line: u32;
var<private> top: u32;
fn at(j: u32) -> f32 {
    let y = top + j;
    if y < p.h { return load_x(line + y * p.w * p.c); }
    return 0.0;
}
";

/// Which four pixels of a row item `i` is.
const FOUR_OF_ROW: &str = "    \
    let c = i % p.c;
    let block = i / p.c % p.blocks;
    let row = i / p.c / p.blocks;
    let y = row % p.h;
    let image = row / p.h;
";

/// Which four pixels of a column item `i` is.
const FOUR_OF_COLUMN: &str = "    \
    let c = i % p.c;
    let x = i / p.c % p.w;
    let block = i / p.c / p.w % p.blocks;
    let image = i / p.c / p.w / p.blocks;
";

/// The convolution with a kernel whose rows are all of their own: `x` to `y`. An item is four pixels of a row, in one channel.
pub(super) fn dense_rows(columns: &Intervals) -> String {
    let mut lines = Lines::default();
    columns.sums(&mut lines, |lines, b| {
        lines.add(format!("total += load_theta(theta + {b}u * p.c) * sum;"));
    });
    let body = lines.0;
    format!(
        "{ALONG_ROW}
fn item(i: u32) {{
{FOUR_OF_ROW}    left = block * {LANES}u + p.column_begin - p.column_radius;
    var total = vec4<f32>();
    for (var a = 0u; a < p.row_count; a++) {{
        let source = y + p.row_begin + a - p.row_radius;
        if source >= p.h {{ continue; }}
        line = (image * p.h + source) * p.w * p.c + c;
        let theta = ((p.row_first + a) * p.column_cells + p.column_first) * p.c + c;
{body}    }}
    for (var lane = 0u; lane < {LANES}u; lane++) {{
        let x = block * {LANES}u + lane;
        if x < p.w {{ finish(y, x, c, (row * p.w + x) * p.c + c, total[lane]); }}
    }}
}}
"
    )
}

/// The sums over `columns` times theta, for `cells` rows of the kernel: `x` to `planes`. An item is four pixels of a row, in one
/// channel.
pub(super) fn row_planes(columns: &Intervals, cells: usize) -> String {
    let mut lines = Lines::default();
    for a in 0..cells {
        lines.add(format!("var total_{a} = vec4<f32>();"));
    }
    columns.sums(&mut lines, |lines, b| {
        for a in 0..cells {
            lines
                .add(format!("total_{a} += load_theta(theta + ({a}u * p.column_cells + {b}u) * p.c) * sum;"));
        }
    });
    for a in 0..cells {
        lines.add(format!("put(image, p.part_begin + {a}u, y, block, c, total_{a});"));
    }
    let body = lines.0;
    format!(
        "{ALONG_ROW}
fn put(image: u32, a: u32, y: u32, block: u32, c: u32, total: vec4<f32>) {{
    let begin = (image * p.row_count + a) * p.h + y;
    for (var lane = 0u; lane < {LANES}u; lane++) {{
        let x = block * {LANES}u + lane;
        if x < p.w {{ store_planes((begin * p.w + x) * p.c + c, total[lane]); }}
    }}
}}
fn item(i: u32) {{
{FOUR_OF_ROW}    left = block * {LANES}u + p.column_begin - p.column_radius;
    line = row * p.w * p.c + c;
    let theta = ((p.row_first + p.part_begin) * p.column_cells + p.column_first) * p.c + c;
{body}}}
"
    )
}

/// The sums over `rows` of the planes: `x` to `y`, or with `more` on top of what is there. An item is four pixels of a column, in one
/// channel.
pub(super) fn sum_planes(rows: &Intervals, more: bool) -> String {
    let mut lines = Lines::default();
    for (a, interval) in rows.parts(1).iter().enumerate() {
        let begin = interval.begin - rows.begin;
        lines.add(format!("line = (image * p.row_count + {a}u) * p.h * p.w * p.c + x * p.c + c;"));
        lines.add(format!("top = block * {LANES}u + {begin}u + p.row_begin - p.row_radius;"));
        lines.add("{");
        interval.sums(&mut lines, |lines, _| lines.add("total += sum;"));
        lines.add("}");
    }
    let body = lines.0;
    format!(
        "{ALONG_COLUMN}
fn item(i: u32) {{
{FOUR_OF_COLUMN}    var total = vec4<f32>();
    for (var lane = 0u; lane < {LANES}u; lane++) {{
        let y = block * {LANES}u + lane;
        if {more} && y < p.h {{ total[lane] = load_y(((image * p.h + y) * p.w + x) * p.c + c); }}
    }}
{body}    for (var lane = 0u; lane < {LANES}u; lane++) {{
        let y = block * {LANES}u + lane;
        if y < p.h {{ finish(y, x, c, ((image * p.h + y) * p.w + x) * p.c + c, total[lane]); }}
    }}
}}
"
    )
}

/// The sums of `x` over rows that are `turned`, a plane each, in the order before that: what each cell of the kernel meets in the
/// gradient. An item is four pixels of a column, in one channel.
pub(super) fn column_planes(turned: &Intervals) -> String {
    let mut lines = Lines::default();
    turned.sums(&mut lines, |lines, i| {
        let a = turned.count() - 1 - i;
        lines.add(format!("put(image, {a}u, block, x * p.c + c, sum);"));
    });
    let body = lines.0;
    format!(
        "{ALONG_COLUMN}
fn put(image: u32, a: u32, block: u32, place: u32, sum: vec4<f32>) {{
    let begin = (image * p.row_count + a) * p.h;
    for (var lane = 0u; lane < {LANES}u; lane++) {{
        let y = block * {LANES}u + lane;
        if y < p.h {{ store_planes((begin + y) * p.w * p.c + place, sum[lane]); }}
    }}
}}
fn item(i: u32) {{
{FOUR_OF_COLUMN}    line = image * p.h * p.w * p.c + x * p.c + c;
    top = block * {LANES}u + p.turned_begin - p.row_radius;
{body}}}
"
    )
}

/// The gradient of theta for some rows and `columns` of the kernel, summed over some rows of an image: `x` and the output gradient's sums
/// `g` to `partials`. An item is `cells` rows of the kernel, some rows of the image and a channel.
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
    columns.sums(&mut body, |lines, b| {
        for a in 0..cells {
            lines.add(format!("total_{a}_{b} += dot(g_{a}, sum);"));
        }
    });
    let (declarations, body, stores) = (declarations.0, body.0, stores.0);
    format!(
        "{ALONG_ROW}
fn put(group: u32, a: u32, b: u32, c: u32, total: f32) {{
    if a < p.row_count {{
        store_partials(((group * p.row_count + a) * p.column_count + p.part_begin + b) * p.c + c, total);
    }}
}}
fn gradient(image: u32, a: u32, y: u32, x0: u32, c: u32) -> vec4<f32> {{
    var values = vec4<f32>();
    let begin = gradient_row(image, a, y);
    if begin == NONE {{ return values; }}
    for (var lane = 0u; lane < {LANES}u; lane++) {{
        if x0 + lane < p.w {{ values[lane] = load_g((begin * p.w + x0 + lane) * p.c + c); }}
    }}
    return values;
}}
fn item(i: u32) {{
    let c = i % p.c;
    let a0 = i / p.c % p.row_groups * {cells}u;
    let group = i / p.c / p.row_groups;
    let image = group / p.image_parts;
    let begin = group % p.image_parts * p.part_rows;
{declarations}    for (var y = begin; y < min(begin + p.part_rows, p.h); y++) {{
        line = (image * p.h + y) * p.w * p.c + c;
        for (var x0 = 0u; x0 < p.w; x0 += {LANES}u) {{
            left = x0 + p.part_tap - p.column_radius;
{body}        }}
    }}
{stores}}}
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_a_grid() {
        let grid = SharingGrid::exponential(51, 5, 2).unwrap();
        let all = Intervals::meeting(&grid, 51);
        assert_eq!(all, Intervals { first: 0, begin: 0, lengths: grid.intervals().to_vec() });
        let parts = all.parts(5);
        assert_eq!(parts.iter().map(Intervals::count).collect::<Vec<_>>(), [4, 4, 5]);
        for part in &parts {
            assert_eq!(part.begin, grid.offsets()[part.first]);
            assert_eq!(part.lengths, grid.intervals()[part.first..part.first + part.count()]);
        }
        assert_eq!(all.parts(13), [all]);
    }

    #[test]
    fn what_never_meets_the_image_is_left_out() {
        let grid = SharingGrid::from_half(&[9, 8, 4, 2, 1, 1, 1]).unwrap();
        assert_eq!(grid.kernel(), 51);
        for (size, first, begin, lengths) in [
            (1, 6, 25, vec![1]),
            (3, 4, 23, vec![1; 5]),
            (4, 3, 22, vec![1, 1, 1, 1, 1, 1, 1]),
            (14, 1, 12, vec![5, 4, 2, 1, 1, 1, 1, 1, 2, 4, 5]),
        ] {
            assert_eq!(Intervals::meeting(&grid, size), Intervals { first, begin, lengths }, "{size}");
        }
    }

    #[test]
    fn every_value_is_loaded_once() {
        let grid = SharingGrid::exponential(51, 5, 2).unwrap();
        let text = dense_rows(&Intervals::meeting(&grid, 51));
        assert_eq!(text.matches("= at(").count(), 51 + LANES - 1);
        let text = dense_rows(&Intervals { first: 0, begin: 0, lengths: vec![100] });
        assert_eq!(text.matches("= at(").count(), 2 * (LANES - 1) + 1, "{text}");
    }
}
