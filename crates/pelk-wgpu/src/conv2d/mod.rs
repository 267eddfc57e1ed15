//! Dense convolution as a matrix product, whose rows are the values under the kernel at each output.

use crate::check::{expect_len, wanted};
use crate::gemm::{Layout, Product};
use crate::kernel::{Each, View, Whole};
use crate::memory::{Buffer, Element};
use crate::{Gpu, Result};
use pelk_ops::{Conv2dShape, ImageShape};
use std::ops::Range;

/// Most patch values at a time: 64 MiB, far more than it takes to keep a GPU busy.
const PATCHES: usize = 1 << 24;

/// A convolution with sizes derived from its shape.
struct Patches<'a> {
    gpu: &'a Gpu,
    shape: &'a Conv2dShape,
    output: ImageShape,
    /// Values under the kernel.
    patch: usize,
}

impl<'a> Patches<'a> {
    fn new(gpu: &'a Gpu, shape: &'a Conv2dShape) -> Result<Patches<'a>> {
        let output = shape.output()?;
        Ok(Patches { gpu, shape, output, patch: shape.patch() })
    }

    /// Output pixels of one image.
    fn pixels(&self) -> usize {
        self.output.h * self.output.w
    }

    fn image(&self) -> usize {
        self.shape.image.len() / self.shape.image.n
    }

    /// The images, cut into parts whose patches have a bounded size.
    fn parts(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let images = (PATCHES / (self.pixels() * self.patch)).max(1);
        let n = self.shape.image.n;
        (0..n).step_by(images).map(move |first| first..(first + images).min(n))
    }

    fn call(&self, name: &'static str, text: &'static str) -> crate::kernel::Call<'a> {
        let Conv2dShape { image, kernel, stride, padding, .. } = *self.shape;
        let numbers = [
            ("h", image.h),
            ("w", image.w),
            ("c", image.c),
            ("kernel_h", kernel[0]),
            ("kernel_w", kernel[1]),
            ("stride", stride),
            ("padding", padding),
            ("out_h", self.output.h),
            ("out_w", self.output.w),
        ];
        numbers.into_iter().fold(self.gpu.items(name, text), |call, (name, value)| call.scalar(name, value))
    }

    /// The patches of some images of x, `[images, H', W', C kh kw]`.
    fn gather(&self, x: &Buffer, images: Range<usize>) -> Result<Buffer> {
        let values = self.pixels() * self.patch;
        let patches = self.gpu.activation(images.len() * values)?;
        self.call("patches", include_str!("patches.wgsl"))
            .read("x", View { buffer: x, begin: images.start * self.image() }, Each(self.image()))
            .write("y", &patches, Each(values))
            .run(images.len(), values, values)?;
        Ok(patches)
    }
}

impl Gpu {
    /// The convolution of `x` with `weight`, plus `bias`; see [`Conv2dShape`].
    ///
    /// # Errors
    /// When the shape or lengths do not fit, or the device is out of memory or has failed.
    pub fn conv2d(
        &self,
        shape: &Conv2dShape,
        x: &Buffer,
        weight: &Buffer,
        bias: Option<&Buffer>,
    ) -> Result<Buffer> {
        let patches = Patches::new(self, shape)?;
        check("conv2d", shape, x, weight)?;
        if let Some(bias) = bias {
            expect_len("conv2d", "bias", bias.len(), shape.out_channels)?;
        }
        let y = self.activation(patches.output.len())?;
        for images in patches.parts() {
            let gathered = patches.gather(x, images.clone())?;
            let rows = images.len() * patches.pixels();
            let view = View { buffer: &y, begin: images.start * patches.pixels() * shape.out_channels };
            self.linear_into([rows, patches.patch, shape.out_channels], &gathered, weight, bias, view)?;
        }
        Ok(y)
    }

    /// The gradients of x, weight and bias for [`Gpu::conv2d`], where `needs` is true.
    ///
    /// # Errors
    /// When the shape or lengths do not fit, or the device is out of memory or has failed.
    pub fn conv2d_backward(
        &self,
        shape: &Conv2dShape,
        x: &Buffer,
        weight: &Buffer,
        gy: &Buffer,
        needs: [bool; 3],
    ) -> Result<[Option<Buffer>; 3]> {
        let patches = Patches::new(self, shape)?;
        check("conv2d_backward", shape, x, weight)?;
        expect_len("conv2d_backward", "gy", gy.len(), patches.output.len())?;
        let outputs = shape.out_channels;
        let gx = wanted(needs[0], || self.conv2d_transposed(shape, gy, weight, None))?;
        let mut gweight: Option<Buffer> = None;
        for images in patches.parts().filter(|_| needs[1]) {
            let rows = images.len() * patches.pixels();
            let gy = View { buffer: gy, begin: images.start * patches.pixels() * outputs };
            let gathered = patches.gather(x, images)?;
            let product = Product::plain(outputs, patches.patch, rows);
            let part = product.over_rows(self, gy, &gathered, |_| Vec::new())?;
            match &gweight {
                Some(sum) => self.add_assign(sum, &part)?,
                None => gweight = Some(part),
            }
        }
        let gbias = wanted(needs[2], || self.column_sum(gy, outputs))?;
        Ok([gx, gweight, gbias])
    }

    /// The transposed convolution: the gradient of x for [`Gpu::conv2d`] from `gy`, plus `bias[c]` in every
    /// pixel of channel `c`.
    ///
    /// # Errors
    /// When the shape or lengths do not fit, or the device is out of memory or has failed.
    pub fn conv2d_transposed(
        &self,
        shape: &Conv2dShape,
        gy: &Buffer,
        weight: &Buffer,
        bias: Option<&Buffer>,
    ) -> Result<Buffer> {
        const NAME: &str = "conv2d_transposed";
        let patches = Patches::new(self, shape)?;
        let (outputs, channels) = (shape.out_channels, shape.image.c);
        expect_len(NAME, "weight", weight.len(), shape.weight_len())?;
        expect_len(NAME, "gy", gy.len(), patches.output.len())?;
        let zeros = self.zeros(channels)?;
        let bias = bias.unwrap_or(&zeros);
        expect_len(NAME, "bias", bias.len(), channels)?;
        let gx = self.activation(shape.image.len())?;
        for images in patches.parts() {
            let rows = images.len() * patches.pixels();
            let gy = View { buffer: gy, begin: images.start * patches.pixels() * outputs };
            let gathered = self.empty(rows * patches.patch, Element::F32)?;
            let product = Product::plain(rows, patches.patch, outputs);
            product.record(self, gy, (weight, Layout::Plain), &gathered, &[])?;
            let (image, values) = (patches.image(), patches.pixels() * patches.patch);
            patches
                .call("scatter_patches", include_str!("scatter_patches.wgsl"))
                .read("x", &gathered, Each(values))
                .read("bias", bias, Whole)
                .write("y", View { buffer: &gx, begin: images.start * image }, Each(image))
                .run(images.len(), image, values)?;
        }
        Ok(gx)
    }
}

fn check(operator: &'static str, shape: &Conv2dShape, x: &Buffer, weight: &Buffer) -> Result<()> {
    expect_len(operator, "x", x.len(), shape.image.len())?;
    expect_len(operator, "weight", weight.len(), shape.weight_len())
}
