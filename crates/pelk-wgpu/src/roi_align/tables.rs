//! What the kernels know of the regions, as one table of integers and one of weights.

use super::Group;
use crate::memory::Buffer;
use crate::{Gpu, Result};
use pelk_ops::resample::Axis;
use pelk_ops::{ImageShape, RoiAlign, RoiAxis};

/// Rows and columns of a tile of the map. Regions are some ten pixels wide on their map, so a pixel passes
/// over few that do not read it.
pub(super) const TILE: usize = 8;

/// A table of a group of regions. It begins with what the kernel looks up first, for the forward one record a
/// region, for the backward the entries of each tile; then come the records, then the places of all taps.
pub(super) struct Table {
    integers: Vec<i32>,
    weights: Vec<f32>,
    /// Where the places begin in the integers; the weights of a tap are at the same index from there.
    pub places: usize,
    /// Where the entries of the tiles begin.
    pub entries: usize,
    /// Multiply-adds of a channel: of a region forward, of a row of the map backward; the most of any.
    pub work: usize,
}

impl Table {
    /// For the forward: where each region's record begins, or -1 for those that are not in the group. A
    /// record is where the taps of each row of bins begin, then of each column.
    pub fn of_bins(op: &RoiAlign, group: &Group, map: ImageShape) -> Result<Table> {
        let regions = group.range.len();
        let (mut firsts, mut records, mut taps) = (Vec::new(), Vec::new(), Taps::default());
        let mut work = 1;
        for index in group.range.clone() {
            let roi = &op.rois[index];
            if (roi.map, roi.image) != (group.map, group.image) {
                firsts.push(-1);
                continue;
            }
            firsts.push((regions + records.len()) as i32);
            let axes = op.axes(roi, map)?;
            for axis in &axes {
                taps.push(&axis.axis, axis.first, &mut records);
            }
            work = work.max(reads(&axes[0].axis) * reads(&axes[1].axis));
        }
        Ok(taps.finish([firsts, records], work))
    }

    /// For the backward: where each tile's entries begin; the entries, each where a record begins; the
    /// records, see `backward.wgsl`.
    pub fn of_tiles(op: &RoiAlign, group: &Group, map: ImageShape) -> Result<Table> {
        let [down, across] = [map.h.div_ceil(TILE), map.w.div_ceil(TILE)];
        let mut tiles: Vec<Vec<usize>> = vec![Vec::new(); down * across];
        let (mut records, mut taps) = (Vec::new(), Taps::default());
        let mut work = vec![0; map.h];
        for index in group.range.clone() {
            let roi = &op.rois[index];
            if (roi.map, roi.image) != (group.map, group.image) {
                continue;
            }
            let [rows, columns] = op.axes(roi, map)?;
            for y in touched(&rows) {
                tiles[y * across..][touched(&columns)].iter_mut().for_each(|tile| tile.push(records.len()));
            }
            let [by_row, by_column] = [rows.axis.transposed(), columns.axis.transposed()];
            for (work, reads_of_row) in work[rows.first..].iter_mut().zip(by_row.taps()) {
                *work += reads_of_row.len() * reads(&by_column);
            }
            let header =
                [index - group.range.start, rows.first, by_row.outputs(), columns.first, by_column.outputs()];
            records.extend(header.map(|value| value as i32));
            taps.push(&by_row, 0, &mut records);
            taps.push(&by_column, 0, &mut records);
        }
        let count: usize = tiles.iter().map(Vec::len).sum();
        let first_record = tiles.len() + 1 + count;
        let (mut starts, mut entries) = (vec![0], Vec::with_capacity(count));
        for tile in &tiles {
            entries.extend(tile.iter().map(|record| (first_record + record) as i32));
            starts.push(entries.len() as i32);
        }
        let (entries_begin, most) = (starts.len(), work.into_iter().max().unwrap_or(0));
        Ok(Table { entries: entries_begin, ..taps.finish([[starts, entries].concat(), records], most) })
    }

    /// The integers and the weights on the device.
    pub fn upload(&self, gpu: &Gpu) -> Result<(Buffer, Buffer)> {
        Ok((gpu.upload_integers(&self.integers)?, gpu.upload(&self.weights)?))
    }
}

/// The tiles in which an axis reads.
fn touched(axis: &RoiAxis) -> std::ops::Range<usize> {
    axis.first / TILE..(axis.first + axis.axis.inputs()).div_ceil(TILE)
}

fn reads(axis: &Axis) -> usize {
    axis.taps().iter().map(Vec::len).sum()
}

/// The taps of all axes, one after another.
#[derive(Default)]
struct Taps {
    places: Vec<i32>,
    weights: Vec<f32>,
}

impl Taps {
    /// Adds an axis whose inputs begin at `first`. Writes to `record` where the taps of each output begin, and
    /// where the last end.
    fn push(&mut self, axis: &Axis, first: usize, record: &mut Vec<i32>) {
        record.push(self.places.len() as i32);
        for taps in axis.taps() {
            self.places.extend(taps.iter().map(|(place, _)| (first + place) as i32));
            self.weights.extend(taps.iter().map(|(_, weight)| *weight));
            record.push(self.places.len() as i32);
        }
    }

    fn finish(mut self, parts: [Vec<i32>; 2], work: usize) -> Table {
        let mut integers = parts.concat();
        let places = integers.len();
        integers.append(&mut self.places);
        Table { integers, weights: self.weights, places, entries: 0, work }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pelk_ops::Roi;

    #[test]
    fn tiles_list_the_regions_that_touch_them_in_order() {
        let roi = |image, corners| Roi { image, map: 0, corners };
        let rois = [
            roi(1, [0.0, 0.0, 20.0, 4.0]),
            roi(0, [0.0, 0.0, 20.0, 20.0]),
            roi(1, [9.0, 1.0, 15.0, 7.0]),
            roi(1, [90.0, 90.0, 95.0, 95.0]),
        ];
        let op = RoiAlign { rois: rois.into(), size: [2, 2], strides: [1].into(), sampling_ratio: 0 };
        let map = ImageShape { n: 2, h: 9, w: 20, c: 1 };
        let group = Group::all(&op, &[map]).pop().unwrap();
        assert_eq!((group.image, group.range.clone()), (1, 0..4));
        let table = Table::of_tiles(&op, &group, map).unwrap();
        // Three tiles across, two down: the first region touches the upper three, the second the middle one.
        assert_eq!(table.integers[..7], [0, 1, 3, 4, 4, 4, 4]);
        let entries = &table.integers[table.entries..][..4];
        let region = |entry: usize| table.integers[entries[entry] as usize];
        assert_eq!([0, 1, 2, 3].map(region), [0, 0, 2, 0]);
        let bins = Table::of_bins(&op, &group, map).unwrap();
        assert_eq!((bins.integers[0], bins.integers[1]), (4, -1));
    }
}
