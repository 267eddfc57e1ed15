//! The parts of a network for which costs are listed.

use pelk_autodiff::{Layer, Place, Section};

/// A part of a network for which costs are listed (the parts of the paper's Fig. 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Part {
    /// The convolutions before the first stage.
    Stem,
    /// Convolutions between stages.
    Downsampling,
    /// Large depthwise kernels: peripheral, dense, stripes or bands.
    LargeKernel,
    /// The dense branch beside the large kernel. The paper counts no parameters here, since the branch is
    /// merged into the large kernel for inference, and multiply-adds only for some tasks.
    SmallKernel,
    /// Kernel-wise position embedding.
    Position,
    /// The pixel MLPs, and other 1 x 1 convolutions of a block.
    Mlp,
    /// Normalization and layer scale.
    Normalization,
    /// The classifier.
    Head,
    /// UperNet without its auxiliary head.
    Decoder,
    /// A head that exists only in training: its parameters count, its multiply-adds do not.
    AuxiliaryHead,
    /// A detector's feature pyramid.
    Pyramid,
    /// What proposes boxes in a detector.
    RegionProposal,
    /// The box heads of a detector.
    BoxHeads,
    /// The mask heads of a detector.
    MaskHeads,
}

impl Part {
    /// All parts, in the order of the network.
    pub const ALL: [Part; 14] = [
        Part::Stem,
        Part::Downsampling,
        Part::LargeKernel,
        Part::SmallKernel,
        Part::Position,
        Part::Mlp,
        Part::Normalization,
        Part::Head,
        Part::Decoder,
        Part::AuxiliaryHead,
        Part::Pyramid,
        Part::RegionProposal,
        Part::BoxHeads,
        Part::MaskHeads,
    ];

    /// The name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Part::Stem => "stem",
            Part::Downsampling => "downsampling",
            Part::LargeKernel => "large kernels",
            Part::SmallKernel => "small kernels",
            Part::Position => "position embedding",
            Part::Mlp => "pixel MLP",
            Part::Normalization => "normalization, layer scale",
            Part::Head => "head",
            Part::Decoder => "UperNet",
            Part::AuxiliaryHead => "auxiliary head",
            Part::Pyramid => "feature pyramid",
            Part::RegionProposal => "region proposals",
            Part::BoxHeads => "box heads",
            Part::MaskHeads => "mask heads",
        }
    }

    /// Whether it belongs to the backbone or its classifier, which train sparsely; what a task adds is dense.
    pub(super) fn is_sparse(self) -> bool {
        !matches!(
            self,
            Part::Decoder
                | Part::AuxiliaryHead
                | Part::Pyramid
                | Part::RegionProposal
                | Part::BoxHeads
                | Part::MaskHeads
        )
    }

    /// The part that the parameters at this place belong to.
    pub fn of(place: Place) -> Part {
        match (place.section, place.layer) {
            (Section::Position(_), _) => Part::Position,
            (Section::Head, _) => Part::Head,
            (Section::Decoder, _) => Part::Decoder,
            (Section::AuxiliaryHead, _) => Part::AuxiliaryHead,
            (Section::Pyramid, _) => Part::Pyramid,
            (Section::RegionProposal, _) => Part::RegionProposal,
            (Section::BoxHead(_), _) => Part::BoxHeads,
            (Section::MaskHead(_), _) => Part::MaskHeads,
            (_, Layer::SmallKernel) => Part::SmallKernel,
            (_, Layer::Normalization) => Part::Normalization,
            (_, Layer::LargeKernel) => Part::LargeKernel,
            (Section::Stem, Layer::Dense) => Part::Stem,
            (Section::Downsampling(_), Layer::Dense) => Part::Downsampling,
            (Section::Block(..) | Section::Norm | Section::Other, Layer::Dense) => Part::Mlp,
        }
    }
}
