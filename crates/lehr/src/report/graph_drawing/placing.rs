//! Fourth step of a layered drawing: where each point of an ordered layer lies from left to right.

use super::routing::Routes;

/// Sweeps over all layers.
const SWEEPS: usize = 12;

/// How much more than a bend a vertex insists on its place.
const VERTEX_WEIGHT: f64 = 8.0;

/// The middle of each point. Points of a layer keep their order and lie at least half their widths and `gap` apart;
/// among such places each sweep takes those nearest to the neighbours of the points (least squares).
pub fn middles(routes: &Routes, layers: &[Vec<usize>], widths: &[f64], gap: f64) -> Vec<f64> {
    let mut x = vec![0.0; routes.layer.len()];
    for layer in layers {
        let offsets = offsets(layer, widths, gap);
        let total = offsets.last().copied().unwrap_or(0.0);
        layer.iter().zip(offsets).for_each(|(&point, offset)| x[point] = offset - total / 2.0);
    }
    for sweep in 0..SWEEPS {
        // The last sweep goes down: what follows one way in then lies straight under it.
        let down = !sweep.is_multiple_of(2);
        let (near, far) = if down { (&routes.above, &routes.below) } else { (&routes.below, &routes.above) };
        for index in 0..layers.len() {
            let index = if down { index } else { layers.len() - 1 - index };
            let wish = |&point: &usize| wish(routes, &x, point, &near[point], &far[point]);
            let wishes: Vec<_> = layers[index].iter().map(wish).collect();
            place(&layers[index], &wishes, &offsets(&layers[index], widths, gap), &mut x);
        }
    }
    x
}

/// Distances of the points of a layer from its first when they lie as close as they may.
fn offsets(layer: &[usize], widths: &[f64], gap: f64) -> Vec<f64> {
    let mut at = 0.0;
    let mut last = None;
    let place = |&point: &usize| {
        if let Some(last) = last.replace(point) {
            at += (widths[last] + widths[point]) / 2.0 + gap;
        }
        at
    };
    layer.iter().map(place).collect()
}

/// Where a point wants to lie, and how much: vertices in line with vertices, bends in line with the bends of their edge.
fn wish(routes: &Routes, x: &[f64], point: usize, near: &[usize], far: &[usize]) -> (f64, f64) {
    let is_bend = routes.is_bend(point);
    let alike = |others: &[usize]| mean(x, others.iter().filter(|&&other| routes.is_bend(other) == is_bend));
    let along = if is_bend { alike(near).or_else(|| alike(far)) } else { alike(near) };
    match along.or_else(|| mean(x, near.iter())) {
        Some(wish) => (wish, if is_bend { 1.0 } else { VERTEX_WEIGHT }),
        None => (x[point], 0.05),
    }
}

fn mean<'a>(x: &[f64], points: impl Iterator<Item = &'a usize>) -> Option<f64> {
    let (sum, count) = points.fold((0.0, 0.0), |(sum, count), &point| (sum + x[point], count + 1.0));
    (count > 0.0).then(|| sum / count)
}

/// Nearest places to the wishes that keep the distances: isotonic regression by pooling adjacent violators.
fn place(layer: &[usize], wishes: &[(f64, f64)], offsets: &[f64], x: &mut [f64]) {
    let mut blocks: Vec<(f64, f64, usize)> = Vec::with_capacity(layer.len());
    for ((wish, weight), offset) in wishes.iter().zip(offsets) {
        let mut block = (wish - offset, *weight, 1);
        while let Some(&(place, other, count)) = blocks.last() {
            if place <= block.0 {
                break;
            }
            let together = other + block.1;
            block = ((place * other + block.0 * block.1) / together, together, count + block.2);
            blocks.pop();
        }
        blocks.push(block);
    }
    let places = blocks.iter().flat_map(|&(place, _, count)| std::iter::repeat_n(place, count));
    for ((&point, place), offset) in layer.iter().zip(places).zip(offsets) {
        x[point] = place + offset;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_keep_their_distances_and_get_near_their_wishes() {
        let mut x = [0.0; 3];
        place(&[0, 1, 2], &[(0.0, 1.0), (0.0, 1.0), (50.0, 1.0)], &[0.0, 10.0, 20.0], &mut x);
        assert_eq!(x, [-5.0, 5.0, 50.0]);
    }
}
