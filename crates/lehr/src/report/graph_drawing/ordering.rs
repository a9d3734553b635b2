//! Third step of a layered drawing: the order inside the layers, so that few links cross.
//!
//! K. Sugiyama, S. Tagawa, M. Toda, "Methods for visual understanding of hierarchical system structures", IEEE
//! Transactions on Systems, Man, and Cybernetics 11 (1981), doi:10.1109/TSMC.1981.4308636.

use super::routing::Routes;

/// Sweeps over all layers; more of them rarely change anything.
const SWEEPS: usize = 8;

/// The points of each layer from left to right: the best of several sweeps, in which every point moves to the mean
/// position of its neighbours in the layer before.
pub fn order(routes: &Routes) -> Vec<Vec<usize>> {
    let mut order = Order::of_a_walk(routes);
    let mut best = (order.crossings(), order.layers.clone());
    for sweep in 0..SWEEPS {
        if best.0 == 0 {
            break;
        }
        if sweep.is_multiple_of(2) {
            (0..order.layers.len()).for_each(|layer| order.arrange(layer, &routes.above));
        } else {
            (0..order.layers.len()).rev().for_each(|layer| order.arrange(layer, &routes.below));
        }
        let crossed = order.crossings();
        if crossed < best.0 {
            best = (crossed, order.layers.clone());
        }
    }
    best.1
}

struct Order<'a> {
    routes: &'a Routes,
    layers: Vec<Vec<usize>>,
    /// Of each point in its layer.
    position: Vec<usize>,
}

impl<'a> Order<'a> {
    /// The points as a walk downwards, depth first, meets them.
    fn of_a_walk(routes: &'a Routes) -> Self {
        let n = routes.layer.len();
        let layers = routes.layer.iter().max().map_or(0, |last| last + 1);
        let mut order = Self { routes, layers: vec![Vec::new(); layers], position: vec![0; n] };
        let mut seen = vec![false; n];
        for start in (0..n).filter(|&point| routes.above[point].is_empty()) {
            let mut stack = vec![start];
            while let Some(point) = stack.pop() {
                if !std::mem::replace(&mut seen[point], true) {
                    order.layers[routes.layer[point]].push(point);
                    stack.extend(routes.below[point].iter().rev());
                }
            }
        }
        (0..layers).for_each(|layer| order.number(layer));
        order
    }

    fn number(&mut self, layer: usize) {
        self.layers[layer].iter().enumerate().for_each(|(position, &point)| self.position[point] = position);
    }

    /// Sorts a layer by the mean positions of its points' neighbours; points without one stay about where they are.
    fn arrange(&mut self, layer: usize, neighbours: &[Vec<usize>]) {
        let mean = |&point: &usize| {
            let near = &neighbours[point];
            let sum: usize = near.iter().map(|&other| self.position[other]).sum();
            if near.is_empty() { self.position[point] as f64 } else { sum as f64 / near.len() as f64 }
        };
        let mut keyed: Vec<(f64, usize)> = self.layers[layer].iter().map(|p| (mean(p), *p)).collect();
        keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
        self.layers[layer] = keyed.into_iter().map(|(_, point)| point).collect();
        self.number(layer);
    }

    /// How many pairs of links cross.
    fn crossings(&self) -> usize {
        self.layers.windows(2).map(|pair| self.crossings_below(&pair[0], pair[1].len())).sum()
    }

    /// Inversions among the lower ends of the links in the order of their upper ends, counted with a Fenwick tree.
    fn crossings_below(&self, upper: &[usize], lower: usize) -> usize {
        let mut tree = vec![0usize; lower + 1];
        let (mut seen, mut crossed) = (0, 0);
        for &point in upper {
            let below = &self.routes.below[point];
            let ends = || below.iter().map(|&to| self.position[to] + 1);
            crossed += ends().map(|end| seen - sum_to(&tree, end)).sum::<usize>();
            ends().for_each(|end| add_at(&mut tree, end));
            seen += below.len();
        }
        crossed
    }
}

fn sum_to(tree: &[usize], mut index: usize) -> usize {
    let mut sum = 0;
    while index > 0 {
        sum += tree[index];
        index &= index - 1;
    }
    sum
}

fn add_at(tree: &mut [usize], mut index: usize) {
    while index < tree.len() {
        tree[index] += 1;
        index += index & index.wrapping_neg();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::graph_drawing::layering::layers;

    #[test]
    fn crossings_that_can_be_avoided_are() {
        let edges = [(0, 3), (1, 2), (2, 5), (3, 4)];
        let routes = Routes::new(&layers(6, &edges).unwrap(), &edges);
        let mut order = Order::of_a_walk(&routes);
        order.layers = vec![vec![0, 1], vec![2, 3], vec![5, 4]];
        (0..3).for_each(|layer| order.number(layer));
        assert_eq!(order.crossings(), 1);
        order.layers = super::order(&routes);
        (0..3).for_each(|layer| order.number(layer));
        assert_eq!(order.crossings(), 0);
    }
}
