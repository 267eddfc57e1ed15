//! The position embedding of PeLK-T's first and third stage.

use criterion::{Criterion, criterion_group, criterion_main};
use pelk_bench::{bench, settings, values};
use pelk_cpu::position::{in_bounds_backward, in_bounds_forward, literal_forward};
use pelk_grid::SharingGrid;

fn position(c: &mut Criterion) {
    let mut group = c.benchmark_group("position");
    for (map, channels, kernel) in [(56, 46, 51), (14, 187, 47)] {
        let grid = SharingGrid::exponential(kernel, 5, 2).unwrap();
        let theta = values(channels * grid.cells() * grid.cells());
        let embedding = values(kernel * kernel);
        let n = map * map * channels;
        let (gbias, mut bias) = (values(n), vec![0.0; n]);
        let (mut gtheta, mut gposition) = (vec![0.0; theta.len()], vec![0.0; embedding.len()]);
        let name = format!("{kernel} on {map} x {map} x {channels}");
        bench(&mut group, format!("in bounds {name}, forward"), n, || {
            in_bounds_forward(&grid, [map, map, channels], &theta, &embedding, &mut bias).unwrap();
        });
        bench(&mut group, format!("in bounds {name}, backward"), n, || {
            let (shape, gtheta, gposition) = ([map, map, channels], &mut gtheta, &mut gposition);
            in_bounds_backward(&grid, shape, &theta, &embedding, &gbias, gtheta, gposition).unwrap();
        });
        bench(&mut group, format!("literal {kernel}, forward"), channels, || {
            literal_forward(&grid, channels, &theta, &embedding, &mut bias[..channels]).unwrap();
        });
    }
}

criterion_group! { name = benches; config = settings(); targets = position }
criterion_main!(benches);
