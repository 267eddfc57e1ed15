//! The datasets that can be opened by name.

use std::fmt;
use std::str::FromStr;

use crate::DataError;

/// The name of a dataset: [`recognize`](crate::recognize) finds it from a folder's files, [`FromStr`] reads
/// it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DatasetName {
    /// [`fashion_mnist`](crate::fashion_mnist)
    FashionMnist,
    /// [`mnist`](crate::mnist)
    Mnist,
    /// [`cifar10`](crate::cifar10)
    Cifar10,
    /// [`cifar100`](crate::cifar100)
    Cifar100,
    /// [`image_folder`](crate::image_folder)
    Folder,
    /// [`imagenet_1k`](crate::imagenet_1k)
    Imagenet,
    /// [`LongRange`](crate::LongRange)
    LongRange,
    /// [`Scenes`](crate::Scenes)
    Scenes,
    /// [`SceneInstances`](crate::SceneInstances)
    ScenesInstances,
    /// [`ade20k`](crate::ade20k())
    Ade20k,
    /// [`coco`](crate::coco())
    Coco,
    /// [`coco_instances`](crate::coco_instances)
    CocoInstances,
    /// [`mask_folder`](crate::mask_folder)
    Masks,
}

impl DatasetName {
    /// All names, starting with the one that needs no download.
    pub const ALL: [Self; 13] = [
        Self::FashionMnist,
        Self::Mnist,
        Self::Cifar10,
        Self::Cifar100,
        Self::Folder,
        Self::Imagenet,
        Self::LongRange,
        Self::Scenes,
        Self::ScenesInstances,
        Self::Ade20k,
        Self::Coco,
        Self::CocoInstances,
        Self::Masks,
    ];

    /// The name as it is written in configurations and folders.
    pub const fn name(self) -> &'static str {
        self.row().0
    }

    /// A one-line description of the dataset.
    pub const fn description(self) -> &'static str {
        self.row().1
    }

    /// Whether the dataset is composed from the images of Fashion-MNIST and has no files of its own.
    pub const fn is_composed(self) -> bool {
        matches!(self, Self::LongRange | Self::Scenes | Self::ScenesInstances)
    }

    /// The dataset whose files this one reads: itself, unless it is composed or has other labels for the same
    /// images.
    pub const fn source(self) -> Self {
        match self {
            Self::LongRange | Self::Scenes | Self::ScenesInstances => Self::FashionMnist,
            Self::CocoInstances => Self::Coco,
            other => other,
        }
    }

    /// Whether each image has a file of its own, so that [`Excluded`](crate::Excluded) can leave it out.
    pub const fn can_exclude(self) -> bool {
        matches!(
            self,
            Self::Folder | Self::Imagenet | Self::Ade20k | Self::Coco | Self::CocoInstances | Self::Masks
        )
    }

    const fn row(self) -> (&'static str, &'static str) {
        match self {
            Self::FashionMnist => {
                ("fashion-mnist", "28 x 28 gray articles of clothing, 10 classes, IDX files")
            }
            Self::Mnist => ("mnist", "28 x 28 gray digits, 10 classes, IDX files"),
            Self::Cifar10 => ("cifar10", "32 x 32 color images, 10 classes, binary version"),
            Self::Cifar100 => ("cifar100", "32 x 32 color images, 100 classes, binary version"),
            Self::Folder => ("folder", "your own images, one folder per class"),
            Self::Imagenet => ("imagenet", "ImageNet-1K, 1000 class folders, in any of the usual layouts"),
            Self::LongRange => {
                ("long-range", "canvases of Fashion-MNIST whose answer lies at a known distance")
            }
            Self::Scenes => ("scenes", "scenes of several Fashion-MNIST items, a class per pixel"),
            Self::ScenesInstances => ("scenes-instances", "the same scenes, a box and a mask per item"),
            Self::Ade20k => ("ade20k", "ADE20K (SceneParse150), 150 classes, a class per pixel"),
            Self::Coco => ("coco", "COCO instance annotations, a class per pixel"),
            Self::CocoInstances => {
                ("coco-instances", "COCO instance annotations, a box and a mask per object")
            }
            Self::Masks => ("masks", "your own images with PNG masks and palette.txt, a class per pixel"),
        }
    }
}

impl fmt::Display for DatasetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for DatasetName {
    type Err = DataError;

    /// # Errors
    /// [`DataError::UnknownDataset`].
    fn from_str(name: &str) -> Result<Self, DataError> {
        let known = Self::ALL.into_iter().find(|known| known.name() == name);
        known.ok_or_else(|| {
            let known = Self::ALL.map(Self::name).to_vec();
            DataError::UnknownDataset { found: name.to_owned(), known }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_listed_once_and_read_back() {
        for (number, name) in DatasetName::ALL.into_iter().enumerate() {
            assert_eq!(name as usize, number, "in the order of the enum, so that none is missing in between");
            assert_eq!(name.to_string().parse::<DatasetName>().unwrap(), name);
            assert!(!name.description().is_empty() && !name.description().ends_with('.'), "{name}");
            assert_eq!(name.source().source(), name.source());
            assert_eq!(name.is_composed(), name.source() == DatasetName::FashionMnist && number > 0);
        }
        assert_eq!(DatasetName::Masks as usize + 1, DatasetName::ALL.len(), "the last one is listed too");
    }

    #[test]
    fn an_unknown_name_is_refused_with_the_known_ones() {
        for name in ["cifar", "Folder", "", "imagenet "] {
            let error = name.parse::<DatasetName>().unwrap_err().to_string();
            assert!(
                error.contains(&format!("{name:?}")) && error.contains("fashion-mnist, mnist,"),
                "{error}"
            );
        }
    }
}
