//! The position embedding of peripheral convolution (Eq. 3), as a bias.
//!
//! With `E[y, x, (a, b)]` the sum of the embedding over the taps of region (a, b) that lie inside the image
//! at (y, x), the bias is a matrix product, `bias = E theta^T`, and so are its gradients. All channels share
//! one table.

use crate::check::{expect_len, wanted};
use crate::gemm::{Layout, Product};
use crate::kernel::{Each, Whole};
use crate::memory::{Buffer, Element};
use crate::{Gpu, Result};
use pelk_grid::SharingGrid;
use pelk_ops::{ImageShape, PositionForm};

/// A grid, and the positions at which its embedding is summed.
struct Problem<'a> {
    gpu: &'a Gpu,
    grid: &'a SharingGrid,
    form: PositionForm,
    h: usize,
    w: usize,
    c: usize,
    /// First taps of the intervals, and the end of the last.
    edges: Buffer,
}

impl<'a> Problem<'a> {
    fn new(
        gpu: &'a Gpu,
        grid: &'a SharingGrid,
        form: PositionForm,
        size: [usize; 2],
        theta: &Buffer,
        position: &Buffer,
    ) -> Result<Problem<'a>> {
        // In the literal form all positions are equal.
        let [h, w] = if form == PositionForm::Literal { [1, 1] } else { size };
        let cells = grid.cells() * grid.cells();
        let c = theta.len() / cells;
        ImageShape::checked("position embedding", 1, h, w, c)?;
        expect_len("position embedding", "theta", theta.len(), c * cells)?;
        expect_len("position embedding", "position", position.len(), grid.kernel() * grid.kernel())?;
        let edges = grid.offsets().iter().copied().chain([grid.kernel()]).map(|edge| edge as i32);
        let edges = gpu.upload_integers(&edges.collect::<Vec<_>>())?;
        Ok(Problem { gpu, grid, form, h, w, c, edges })
    }

    fn cells(&self) -> usize {
        self.grid.cells() * self.grid.cells()
    }

    fn call(&self, name: &'static str, text: &'static str) -> crate::kernel::Call<'_> {
        self.gpu
            .items(name, text)
            .read("edges", &self.edges, Whole)
            .scalar("h", self.h)
            .scalar("w", self.w)
            .scalar("k", self.grid.kernel())
            .scalar("cells", self.grid.cells())
            .scalar("radius", self.grid.radius())
            .scalar("everywhere", usize::from(self.form == PositionForm::Literal))
    }

    /// `E`, `[H W, k' k']`.
    fn sums(&self, position: &Buffer) -> Result<Buffer> {
        let sums = self.gpu.empty(self.h * self.w * self.cells(), Element::F32)?;
        let taps = self.grid.kernel() * self.grid.kernel();
        self.call("position_sums", include_str!("sums.wgsl"))
            .read("position", position, Whole)
            .write("sums", &sums, Each(self.w * self.cells()))
            .run(self.h, self.w * self.cells(), self.w * taps)?;
        Ok(sums)
    }
}

impl Gpu {
    /// The bias of the embedding `position`, `[k, k]`, under the kernel `theta`, `[C, k', k']`: a map `[H, W,
    /// C]` for images of `size`, or `[C]` in the literal form; plus `bias`, `[C]`.
    ///
    /// # Errors
    /// When lengths do not fit, or the device is out of memory or has failed.
    pub fn position_bias(
        &self,
        grid: &SharingGrid,
        form: PositionForm,
        size: [usize; 2],
        theta: &Buffer,
        position: &Buffer,
        bias: Option<&Buffer>,
    ) -> Result<Buffer> {
        let problem = Problem::new(self, grid, form, size, theta, position)?;
        let sums = problem.sums(position)?;
        if let Some(bias) = bias {
            expect_len("position embedding", "bias", bias.len(), problem.c)?;
        }
        // However it was computed, it is a parameter of the convolution, not an activation.
        let map = self.empty(problem.h * problem.w * problem.c, Element::F32)?;
        self.linear_into(
            [problem.h * problem.w, problem.cells(), problem.c],
            &sums,
            theta,
            bias,
            (&map).into(),
        )?;
        Ok(map)
    }

    /// The gradients of theta and the embedding for [`Gpu::position_bias`], where `needs` is true.
    ///
    /// # Errors
    /// When lengths do not fit, or the device is out of memory or has failed.
    pub fn position_bias_backward(
        &self,
        grid: &SharingGrid,
        form: PositionForm,
        size: [usize; 2],
        theta: &Buffer,
        position: &Buffer,
        gbias: &Buffer,
        needs: [bool; 2],
    ) -> Result<[Option<Buffer>; 2]> {
        let problem = Problem::new(self, grid, form, size, theta, position)?;
        let (places, cells, c) = (problem.h * problem.w, problem.cells(), problem.c);
        expect_len("position embedding", "gbias", gbias.len(), places * c)?;
        let gtheta = || {
            let sums = problem.sums(position)?;
            Product::plain(c, cells, places).over_rows(self, gbias, &sums, |_| Vec::new())
        };
        let gposition = || {
            let gsums = self.empty(places * cells, Element::F32)?;
            let product = Product::plain(places, cells, c);
            product.record(self, gbias, (theta, Layout::Plain), &gsums, &[])?;
            let gposition = self.empty(position.len(), Element::F32)?;
            problem
                .call("position_gradient", include_str!("gradient.wgsl"))
                .read("gsums", &gsums, Whole)
                .write("gposition", &gposition, Each(1))
                .run(position.len(), 1, places)?;
            Ok(gposition)
        };
        Ok([wanted(needs[0], gtheta)?, wanted(needs[1], gposition)?])
    }
}
