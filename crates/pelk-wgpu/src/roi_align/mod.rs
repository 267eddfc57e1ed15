//! RoIAlign. A launch is about one image of one map, so that no more of a map than an image must be bound.
//!
//! The backward gathers, so it needs no atomics and sums in a fixed order: the host lists for each tile of the
//! map the regions that touch it.

mod tables;

use crate::check::{expect_len, shape_error};
use crate::kernel::{Each, Slice, View, Whole};
use crate::memory::Buffer;
use crate::{Gpu, Result};
use pelk_ops::{ImageShape, RoiAlign};
use std::ops::Range;
use tables::{TILE, Table};

const NAME: &str = "roi_align";

/// The regions in one image of one map.
struct Group {
    map: usize,
    image: usize,
    /// From the first region of the group to the last; others may lie between them.
    range: Range<usize>,
}

impl Group {
    /// Every image of every map; the range is empty where no region lies.
    fn all(op: &RoiAlign, maps: &[ImageShape]) -> Vec<Group> {
        let images = maps.first().map_or(0, |map| map.n);
        let group = |place: usize| Group { map: place / images, image: place % images, range: 0..0 };
        let mut groups: Vec<Group> = (0..maps.len() * images).map(group).collect();
        for (index, roi) in op.rois.iter().enumerate() {
            let range = &mut groups[roi.map * images + roi.image].range;
            let start = if range.start == range.end { index } else { range.start };
            *range = start..index + 1;
        }
        groups
    }
}

impl Gpu {
    /// Reads the regions of `op` from `maps`, images of the given shapes: `[regions, op.size.., c]`.
    ///
    /// # Errors
    /// As [`RoiAlign::output`], and when lengths do not fit, or the device has no memory left or has failed.
    pub fn roi_align(&self, op: &RoiAlign, maps: &[(ImageShape, &Buffer)]) -> Result<Buffer> {
        let shapes: Vec<ImageShape> = maps.iter().map(|(shape, _)| *shape).collect();
        let output = op.output(&shapes)?;
        maps.iter().try_for_each(|(shape, x)| expect_len(NAME, "a map", x.len(), shape.len()))?;
        let (y, region) = (self.activation(output.len())?, output.len() / output.n);
        for group in Group::all(op, &shapes).into_iter().filter(|group| !group.range.is_empty()) {
            let (shape, x) = maps[group.map];
            let table = Table::of_bins(op, &group, shape)?;
            let (integers, weights) = table.upload(self)?;
            let image = shape.h * shape.w * shape.c;
            self.items("roi_align", include_str!("forward.wgsl"))
                .read("x", View { buffer: x, begin: group.image * image }, Slice(image))
                .read("table", &integers, Whole)
                .read("weights", &weights, Whole)
                .write("y", View { buffer: &y, begin: group.range.start * region }, Each(region))
                .scalar("c", shape.c)
                .scalar("w", shape.w)
                .scalar("out_h", output.h)
                .scalar("out_w", output.w)
                .scalar("places", table.places)
                .run(group.range.len(), region, table.work * shape.c)?;
        }
        Ok(y)
    }

    /// The gradients of [`Gpu::roi_align`] by the maps, images of the shapes `maps`, where `needs` is true.
    ///
    /// # Errors
    /// As [`RoiAlign::output`], and when `needs` is not one a map, lengths do not fit, or the device has no
    /// memory left or has failed.
    pub fn roi_align_backward(
        &self,
        op: &RoiAlign,
        maps: &[ImageShape],
        gy: &Buffer,
        needs: &[bool],
    ) -> Result<Vec<Option<Buffer>>> {
        let output = op.output(maps)?;
        expect_len(NAME, "gy", gy.len(), output.len())?;
        if needs.len() != maps.len() {
            return Err(shape_error(
                NAME,
                format!("{} of {} maps need a gradient or not", needs.len(), maps.len()),
            ));
        }
        let gradient =
            |(map, need): (&ImageShape, &bool)| need.then(|| self.activation(map.len())).transpose();
        let gradients = maps.iter().zip(needs).map(gradient).collect::<Result<Vec<_>>>()?;
        let region = output.len() / output.n;
        for group in Group::all(op, maps) {
            let (shape, Some(gx)) = (maps[group.map], &gradients[group.map]) else { continue };
            let table = Table::of_tiles(op, &group, shape)?;
            let (integers, weights) = table.upload(self)?;
            let row = shape.w * shape.c;
            // Something must be bound even where no region lies.
            let regions = Slice(group.range.len().max(1) * region);
            self.items("roi_align_backward", include_str!("backward.wgsl"))
                .read("gy", View { buffer: gy, begin: group.range.start * region }, regions)
                .read("table", &integers, Whole)
                .read("weights", &weights, Whole)
                .write("gx", View { buffer: gx, begin: group.image * shape.h * row }, Each(row))
                .scalar("c", shape.c)
                .scalar("w", shape.w)
                .scalar("out_h", output.h)
                .scalar("out_w", output.w)
                .scalar("tile", TILE)
                .scalar("tiles", shape.w.div_ceil(TILE))
                .scalar("entries", table.entries)
                .scalar("places", table.places)
                .run(shape.h, row, table.work * shape.c)?;
        }
        Ok(gradients)
    }
}
