//! Fifth step of a layered drawing: long edges become straight lines close to where they begin.

use super::routing::Routes;

/// Moves all bends of an edge to one place between their neighbours, the nearest to its source, where there is one.
/// Edges that lie close to their sources come first and make room for the others.
pub fn straighten(routes: &Routes, layers: &[Vec<usize>], widths: &[f64], gap: f64, x: &mut [f64]) {
    let mut position = vec![0; x.len()];
    for layer in layers {
        layer.iter().enumerate().for_each(|(index, &point)| position[point] = index);
    }
    let mut trunks: Vec<(usize, Vec<usize>)> = (0..routes.vertices).map(|v| (v, trunk(routes, v))).collect();
    trunks.retain(|(_, bends)| !bends.is_empty());
    trunks.sort_by(|a, b| distance(x, a).total_cmp(&distance(x, b)));
    for (source, bends) in trunks {
        let (mut low, mut high) = (f64::NEG_INFINITY, f64::INFINITY);
        for &bend in &bends {
            let layer = &layers[routes.layer[bend]];
            let room = |other: usize| (widths[bend] + widths[other]) / 2.0 + gap;
            let left = position[bend].checked_sub(1).map(|index| layer[index]);
            let right = layer.get(position[bend] + 1).copied();
            low = left.map_or(low, |other| low.max(x[other] + room(other)));
            high = right.map_or(high, |other| high.min(x[other] - room(other)));
        }
        if low <= high {
            let place = x[source].clamp(low, high);
            bends.iter().for_each(|&bend| x[bend] = place);
        }
    }
}

/// The bends below a vertex from top to bottom.
fn trunk(routes: &Routes, vertex: usize) -> Vec<usize> {
    let bend_below = |&point: &usize| routes.below[point].iter().copied().find(|&next| routes.is_bend(next));
    std::iter::successors(bend_below(&vertex), bend_below).collect()
}

/// How far the bends of a vertex lie from it on the average.
fn distance(x: &[f64], (source, bends): &(usize, Vec<usize>)) -> f64 {
    bends.iter().map(|&bend| (x[bend] - x[*source]).abs()).sum::<f64>() / bends.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bends_lie_in_one_line_beside_the_widest_box() {
        let edges = [(0, 1), (1, 2), (2, 3), (0, 3)];
        let routes = Routes::new(&[0, 1, 2, 3], &edges);
        let layers = [vec![0], vec![1, 4], vec![2, 5], vec![3]];
        let mut x = [0.0, 0.0, 0.0, 0.0, 90.0, 120.0];
        straighten(&routes, &layers, &[50.0, 50.0, 80.0, 50.0, 10.0, 10.0], 5.0, &mut x);
        assert_eq!(x, [0.0, 0.0, 0.0, 0.0, 50.0, 50.0]);
    }
}
