//! Sharing grids of peripheral convolution: intervals, regions, expansion, box plans.
