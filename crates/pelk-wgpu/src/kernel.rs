//! Kernel calls: a shader's text, tensors and numbers. The tables of [`pipeline`](crate::pipeline) list what
//! a shader defines and which names it may use.
//!
//! The work of a call is a number of units (rows, images, blocks of rows). A tensor either belongs to the
//! call as a whole, or each unit has its part. A call is cut between units if a tensor is larger than an
//! adapter can bind at once, or the work is too much for one dispatch ([`dispatch`](crate::dispatch)).

use crate::Gpu;
use crate::memory::{Buffer, Element};

/// Invocations of a workgroup of items: a multiple of every subgroup size, and small enough that few are idle
/// at the end.
pub(crate) const ITEMS: u32 = 128;

/// A number for a shader.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Scalar {
    Unsigned(u32),
    Float(f32),
}

impl Scalar {
    /// The 32 bits in the uniform buffer.
    pub fn bits(self) -> u32 {
        match self {
            Scalar::Unsigned(value) => value,
            Scalar::Float(value) => value.to_bits(),
        }
    }
}

impl From<usize> for Scalar {
    fn from(value: usize) -> Scalar {
        // Tensors have fewer values than this; see Gpu::empty.
        Scalar::Unsigned(value as u32)
    }
}

impl From<f32> for Scalar {
    fn from(value: f32) -> Scalar {
        Scalar::Float(value)
    }
}

/// Which part of a tensor belongs to one unit.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Part {
    /// All of it, for every unit.
    Whole,
    /// This number of values for each unit, in order; the last unit may have fewer.
    Each(usize),
    /// Every unit sees this number of values, from where its view begins.
    Slice(usize),
}
pub(crate) use Part::{Each, Slice, Whole};

impl Part {
    /// Whether what a dispatch binds may begin before the first value of the part.
    pub fn has_base(self) -> bool {
        !matches!(self, Whole)
    }
}

/// A buffer, starting at one of its values.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'a> {
    pub buffer: &'a Buffer,
    /// The first value.
    pub begin: usize,
}

impl<'a> From<&'a Buffer> for View<'a> {
    fn from(buffer: &'a Buffer) -> View<'a> {
        View { buffer, begin: 0 }
    }
}

/// An argument of a shader, by name.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Operand<'a> {
    /// A tensor to read, `load_NAME(i)`.
    Tensor(&'static str, &'a Buffer, Part),
    /// A tensor to write, `store_NAME(i, value)`.
    Output(&'static str, &'a Buffer, Part),
    /// A number, `p.NAME`.
    Number(&'static str, Scalar),
}

pub(crate) struct Binding<'a> {
    pub name: &'static str,
    pub view: View<'a>,
    pub part: Part,
    pub writes: bool,
}

impl Binding<'_> {
    pub fn element(&self) -> Element {
        self.view.buffer.element()
    }

    pub fn bytes(&self) -> u64 {
        self.view.buffer.bytes()
    }
}

#[derive(Clone, Copy)]
pub(crate) enum Grid {
    Items,
    Blocks(u32),
}

/// A call under construction.
pub(crate) struct Call<'a> {
    pub gpu: &'a Gpu,
    pub name: &'static str,
    /// Distinguishes texts with the same name.
    pub variant: String,
    pub text: Box<dyn Fn() -> String + 'a>,
    pub grid: Grid,
    /// Whether the shader uses `subgroup`.
    pub knows_subgroups: bool,
    pub bindings: Vec<Binding<'a>>,
    pub scalars: Vec<(&'static str, Scalar)>,
}

impl Gpu {
    /// A call of the shader `text`, for every item.
    pub(crate) fn items<'a>(&'a self, name: &'static str, text: &'static str) -> Call<'a> {
        self.generated(name, String::new(), move || text.to_owned())
    }

    /// A call of a shader whose text is generated on first use. `name` and `variant` must determine the text.
    pub(crate) fn generated<'a>(
        &'a self,
        name: &'static str,
        variant: String,
        text: impl Fn() -> String + 'a,
    ) -> Call<'a> {
        let (bindings, scalars) = (Vec::new(), Vec::new());
        let (text, grid, knows_subgroups) = (Box::new(text), Grid::Items, false);
        Call { gpu: self, name, variant, text, grid, knows_subgroups, bindings, scalars }
    }
}

impl<'a> Call<'a> {
    /// Runs `block` for every workgroup of `size` invocations, instead of `item` for every item.
    pub fn blocks(mut self, size: u32) -> Self {
        self.grid = Grid::Blocks(size);
        self
    }

    /// Gives the shader its position in its subgroup: `subgroup.id` of `subgroup.count`, and `subgroup.lane`
    /// of `subgroup.lanes`.
    pub fn knowing_subgroups(mut self) -> Self {
        self.knows_subgroups = true;
        self
    }

    /// A tensor to read.
    pub fn read(self, name: &'static str, view: impl Into<View<'a>>, part: Part) -> Self {
        self.bind(name, view.into(), part, false)
    }

    /// A tensor to write or change.
    pub fn write(self, name: &'static str, view: impl Into<View<'a>>, part: Part) -> Self {
        self.bind(name, view.into(), part, true)
    }

    fn bind(mut self, name: &'static str, view: View<'a>, part: Part, writes: bool) -> Self {
        self.bindings.push(Binding { name, view, part, writes });
        self
    }

    /// A number, `p.name` in the shader.
    pub fn scalar(mut self, name: &'static str, value: impl Into<Scalar>) -> Self {
        self.scalars.push((name, value.into()));
        self
    }

    /// Several operands, in order.
    pub fn operands(self, operands: &[Operand<'a>]) -> Self {
        operands.iter().fold(self, |call, operand| match *operand {
            Operand::Tensor(name, buffer, part) => call.read(name, buffer, part),
            Operand::Output(name, buffer, part) => call.write(name, buffer, part),
            Operand::Number(name, value) => call.scalar(name, value),
        })
    }
}
