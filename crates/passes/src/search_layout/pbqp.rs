//! Partitioned boolean quadratic problems: pick one choice per vertex so that the costs of the choices and of the pairs of
//! choices along the edges add up to as little as possible.
//!
//! Vertices of degree 0, 1 and 2 are taken out exactly (reductions R0, RI and RII of Scholz and Eckstein, "Register
//! allocation for irregular architectures", 2002), which solves chains, trees and series-parallel graphs – residual blocks
//! among them – to the optimum. What is left is decided by the heuristic RN: the busiest vertex takes its locally best
//! choice. Nothing depends on anything but the problem, and ties go to the first choice.

use std::collections::{BTreeMap, BTreeSet};

/// Cost of each pair of choices: a row per choice of the one vertex, a column per choice of the other.
type Matrix = Vec<Vec<f64>>;

/// A problem under construction.
#[derive(Clone, Debug, Default)]
pub(crate) struct Problem {
    costs: Vec<Vec<f64>>,
    edges: Vec<BTreeMap<usize, Matrix>>,
}

/// A vertex that was taken out, with what its choice depends on.
struct Reduced {
    vertex: usize,
    costs: Vec<f64>,
    edges: BTreeMap<usize, Matrix>,
}

impl Problem {
    /// Adds a vertex with the cost of each of its choices, of which there must be one.
    pub(crate) fn vertex(&mut self, costs: Vec<f64>) -> usize {
        self.costs.push(costs);
        self.edges.push(BTreeMap::new());
        self.costs.len() - 1
    }

    /// Adds a cost for each pair of choices of two vertices.
    pub(crate) fn edge(&mut self, a: usize, b: usize, cost: impl Fn(usize, usize) -> f64) {
        let (rows, columns) = (self.costs[a].len(), self.costs[b].len());
        if a == b {
            (0..rows).for_each(|i| self.costs[a][i] += cost(i, i));
            return;
        }
        let matrix: Matrix = (0..rows).map(|i| (0..columns).map(|j| cost(i, j)).collect()).collect();
        self.add(a, b, &matrix);
    }

    fn add(&mut self, a: usize, b: usize, matrix: &Matrix) {
        let (rows, columns) = (self.costs[a].len(), self.costs[b].len());
        let there = self.edges[a].entry(b).or_insert_with(|| vec![vec![0.0; columns]; rows]);
        for (i, row) in matrix.iter().enumerate() {
            row.iter().enumerate().for_each(|(j, cost)| there[i][j] += cost);
        }
        let back = self.edges[b].entry(a).or_insert_with(|| vec![vec![0.0; rows]; columns]);
        for (i, row) in matrix.iter().enumerate() {
            row.iter().enumerate().for_each(|(j, cost)| back[j][i] += cost);
        }
    }

    /// The choice of each vertex.
    pub(crate) fn solve(mut self) -> Vec<usize> {
        let mut by_degree: BTreeSet<(usize, usize)> =
            self.edges.iter().enumerate().map(|(vertex, edges)| (edges.len(), vertex)).collect();
        let mut stack = Vec::with_capacity(self.costs.len());
        while let Some(&(least, first)) = by_degree.first() {
            let busiest = by_degree.last().map_or(first, |&(_, vertex)| vertex);
            let vertex = if least <= 2 { first } else { busiest };
            let neighbours: Vec<usize> = self.edges[vertex].keys().copied().collect();
            by_degree.remove(&(neighbours.len(), vertex));
            for &neighbour in &neighbours {
                by_degree.remove(&(self.edges[neighbour].len(), neighbour));
            }
            stack.push(self.take_out(vertex));
            by_degree.extend(neighbours.into_iter().map(|n| (self.edges[n].len(), n)));
        }
        let mut chosen = vec![0; self.costs.len()];
        while let Some(Reduced { vertex, mut costs, edges }) = stack.pop() {
            for (other, matrix) in edges {
                costs.iter_mut().zip(&matrix).for_each(|(cost, row)| *cost += row[chosen[other]]);
            }
            chosen[vertex] = cheapest(&costs);
        }
        chosen
    }

    fn take_out(&mut self, vertex: usize) -> Reduced {
        let mut costs = std::mem::take(&mut self.costs[vertex]);
        let edges = std::mem::take(&mut self.edges[vertex]);
        edges.keys().for_each(|&other| drop(self.edges[other].remove(&vertex)));
        let ends: Vec<_> = edges.iter().collect();
        match ends.as_slice() {
            [] => {}
            [(a, to_a)] => {
                for (j, cost) in self.costs[**a].iter_mut().enumerate() {
                    *cost += least(costs.iter().zip(*to_a).map(|(own, row)| own + row[j]));
                }
            }
            [(a, to_a), (b, to_b)] => {
                let both = costs.iter().zip(*to_a).zip(*to_b);
                let pair = |j: usize, k: usize| least(both.clone().map(|((own, a), b)| own + a[j] + b[k]));
                let (rows, columns) = (self.costs[**a].len(), self.costs[**b].len());
                let matrix = (0..rows).map(|j| (0..columns).map(|k| pair(j, k)).collect()).collect();
                self.add(**a, **b, &matrix);
            }
            _ => {
                let choice = self.locally_best(&costs, &edges);
                for (&other, matrix) in &edges {
                    self.costs[other].iter_mut().zip(&matrix[choice]).for_each(|(cost, more)| *cost += more);
                }
                let others = costs.iter_mut().enumerate().filter(|(i, _)| *i != choice);
                others.for_each(|(_, cost)| *cost = f64::INFINITY);
            }
        }
        Reduced { vertex, costs, edges }
    }

    fn locally_best(&self, costs: &[f64], edges: &BTreeMap<usize, Matrix>) -> usize {
        let with_neighbours = costs.iter().enumerate().map(|(i, own)| {
            let pair = |(&other, matrix): (&usize, &Matrix)| {
                least(self.costs[other].iter().zip(&matrix[i]).map(|(theirs, edge)| theirs + edge))
            };
            own + edges.iter().map(pair).sum::<f64>()
        });
        cheapest(&with_neighbours.collect::<Vec<_>>())
    }
}

fn least(costs: impl Iterator<Item = f64>) -> f64 {
    costs.fold(f64::INFINITY, f64::min)
}

/// The first of the choices that cost least.
fn cheapest(costs: &[f64]) -> usize {
    (1..costs.len()).fold(0, |best, i| if costs[i] < costs[best] { i } else { best })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A small generator for test problems.
    struct Numbers(u64);

    impl Numbers {
        fn next(&mut self, below: u64) -> u64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) % below
        }
    }

    fn random(numbers: &mut Numbers, edges: &[(usize, usize)], vertices: usize) -> Problem {
        let mut problem = Problem::default();
        for _ in 0..vertices {
            let choices = 1 + numbers.next(3);
            problem.vertex((0..choices).map(|_| numbers.next(20) as f64).collect());
        }
        for &(a, b) in edges {
            let pairs: Matrix = (0..3).map(|_| (0..3).map(|_| numbers.next(20) as f64).collect()).collect();
            problem.edge(a, b, |i, j| pairs[i][j]);
        }
        problem
    }

    fn cost(problem: &Problem, chosen: &[usize]) -> f64 {
        let own: f64 = chosen.iter().enumerate().map(|(v, &i)| problem.costs[v][i]).sum();
        let pairs = problem.edges.iter().enumerate().flat_map(|(a, edges)| {
            edges.iter().filter(move |(b, _)| a < **b).map(move |(&b, m)| m[chosen[a]][chosen[b]])
        });
        own + pairs.sum::<f64>()
    }

    fn best(problem: &Problem) -> f64 {
        let mut all = vec![vec![]];
        for costs in &problem.costs {
            let longer = |chosen: &Vec<usize>| {
                (0..costs.len()).map(|i| [chosen.as_slice(), &[i]].concat()).collect::<Vec<_>>()
            };
            all = all.iter().flat_map(longer).collect();
        }
        all.iter().map(|chosen| cost(problem, chosen)).fold(f64::INFINITY, f64::min)
    }

    #[test]
    fn chains_trees_and_diamonds_are_solved_to_the_optimum() {
        let shapes: [&[(usize, usize)]; 4] = [
            &[(0, 1), (1, 2), (2, 3), (3, 4)],
            &[(0, 1), (0, 2), (2, 3), (2, 4), (2, 5)],
            &[(0, 1), (1, 2), (2, 3), (0, 3), (3, 4), (4, 5), (3, 5)],
            &[],
        ];
        for seed in 0..100 {
            for edges in shapes {
                let problem = random(&mut Numbers(seed), edges, 6);
                let chosen = problem.clone().solve();
                assert_eq!(cost(&problem, &chosen), best(&problem), "seed {seed}, {edges:?}");
            }
        }
    }

    #[test]
    fn dense_problems_are_solved_nearly() {
        let all: Vec<_> = (0..6).flat_map(|a| (0..a).map(move |b| (a, b))).collect();
        for seed in 0..50 {
            let problem = random(&mut Numbers(seed), &all, 6);
            let chosen = problem.clone().solve();
            let (got, want) = (cost(&problem, &chosen), best(&problem));
            assert!(got <= want * 1.5, "seed {seed}: {got}, optimum {want}");
        }
    }

    #[test]
    fn ties_go_to_the_first_choice() {
        let mut problem = Problem::default();
        let (a, b) = (problem.vertex(vec![0.0, 0.0]), problem.vertex(vec![0.0, 0.0]));
        problem.edge(a, b, |i, j| if i == j { 0.0 } else { 1.0 });
        assert_eq!(problem.solve(), [0, 0]);
    }
}
