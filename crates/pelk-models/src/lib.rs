//! PeLK and its rivals, written once and interpreted by training, inference and counting.
