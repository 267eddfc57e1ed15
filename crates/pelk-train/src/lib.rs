//! Optimisers, schedules, checkpoints and the training loop.
