//! First step of a layered drawing: the layer of each vertex, so that every edge goes down.

/// The layer of each vertex by its longest path from above; vertices without an edge from above then sink to the layer
/// over their first reader. `edges` must not have a cycle; `None` when they have one.
pub fn layers(n: usize, edges: &[(usize, usize)]) -> Option<Vec<usize>> {
    let mut below = vec![Vec::new(); n];
    let mut waiting = vec![0usize; n];
    for &(from, to) in edges {
        below.get_mut(from)?.push(to);
        *waiting.get_mut(to)? += 1;
    }
    let is_source: Vec<bool> = waiting.iter().map(|&count| count == 0).collect();
    let mut layer = vec![0usize; n];
    let mut ready: Vec<usize> = (0..n).filter(|&v| is_source[v]).collect();
    let mut done = 0;
    while let Some(&vertex) = ready.get(done) {
        done += 1;
        for &to in &below[vertex] {
            layer[to] = layer[to].max(layer[vertex] + 1);
            waiting[to] -= 1;
            if waiting[to] == 0 {
                ready.push(to);
            }
        }
    }
    for vertex in (0..n).filter(|&v| is_source[v]) {
        if let Some(first) = below[vertex].iter().map(|&to| layer[to]).min() {
            layer[vertex] = first.saturating_sub(1);
        }
    }
    (done == n).then_some(layer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_edge_goes_down_and_sources_sink() {
        let edges = [(0, 1), (1, 2), (2, 3), (4, 3), (0, 3)];
        assert_eq!(layers(5, &edges), Some(vec![0, 1, 2, 3, 2]));
    }

    #[test]
    fn cycles_have_no_layers() {
        assert_eq!(layers(2, &[(0, 1), (1, 0)]), None);
        assert_eq!(layers(1, &[(0, 3)]), None);
    }
}
