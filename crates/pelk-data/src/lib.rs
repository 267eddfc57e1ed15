//! Dataset formats, augmentation and a deterministic prefetching loader.
