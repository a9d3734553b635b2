//! Second step of a layered drawing: edges over several layers become links from layer to layer.

/// The most bends of one drawing; the longest edges beyond them are only begun and ended.
const MAX_BENDS: usize = 20_000;

/// Points in layers and the links between them, which go down by one layer each. The first points are the vertices, the
/// others are bends. All long edges that leave a vertex share their bends.
#[derive(Debug)]
pub struct Routes {
    /// The layer of each point.
    pub layer: Vec<usize>,
    /// The points one layer above that link to a point.
    pub above: Vec<Vec<usize>>,
    /// The points one layer below that a point links to.
    pub below: Vec<Vec<usize>>,
    /// Edges that are too long to be drawn.
    pub cut: Vec<(usize, usize)>,
    /// How many points are vertices.
    pub vertices: usize,
}

impl Routes {
    /// Routes the edges between vertices in these layers.
    pub fn new(layers: &[usize], edges: &[(usize, usize)]) -> Self {
        let n = layers.len();
        let mut routes = Self {
            layer: layers.to_vec(),
            above: vec![Vec::new(); n],
            below: vec![Vec::new(); n],
            cut: Vec::new(),
            vertices: n,
        };
        let mut targets = vec![Vec::new(); n];
        edges.iter().for_each(|&(from, to)| targets[from].push(to));
        let longest = longest_allowed(layers, &targets);
        for (from, targets) in targets.iter().enumerate() {
            let length = targets.iter().map(|&to| layers[to] - layers[from]).max().unwrap_or(0);
            routes.route(from, targets, length <= longest);
        }
        routes
    }

    fn route(&mut self, from: usize, targets: &[usize], with_bends: bool) {
        let mut targets = targets.to_vec();
        targets.sort_unstable_by_key(|&to| (self.layer[to], to));
        let mut end = from;
        for to in targets {
            if !with_bends && self.layer[to] > self.layer[from] + 1 {
                self.cut.push((from, to));
                continue;
            }
            while self.layer[end] + 1 < self.layer[to] {
                end = self.bend_below(end);
            }
            self.link(end, to);
        }
    }

    fn bend_below(&mut self, point: usize) -> usize {
        let bend = self.layer.len();
        self.layer.push(self.layer[point] + 1);
        self.above.push(Vec::new());
        self.below.push(Vec::new());
        self.link(point, bend);
        bend
    }

    fn link(&mut self, from: usize, to: usize) {
        self.below[from].push(to);
        self.above[to].push(from);
    }

    /// Whether a point is a bend.
    pub fn is_bend(&self, point: usize) -> bool {
        point >= self.vertices
    }
}

/// The length up to which all edges together have at most [`MAX_BENDS`] bends.
fn longest_allowed(layers: &[usize], targets: &[Vec<usize>]) -> usize {
    let length =
        |(from, targets): (usize, &Vec<usize>)| targets.iter().map(|&to| layers[to] - layers[from]).max();
    let mut lengths: Vec<usize> = targets.iter().enumerate().filter_map(length).collect();
    lengths.sort_unstable();
    let mut bends = 0;
    for (index, &length) in lengths.iter().enumerate() {
        bends += length.saturating_sub(1);
        if bends > MAX_BENDS {
            // Of the edges of one length, all are drawn or none.
            let shorter = lengths[..index].iter().rev().find(|&&other| other < length);
            return shorter.copied().unwrap_or(1);
        }
    }
    usize::MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_edges_of_a_vertex_share_their_bends() {
        let routes = Routes::new(&[0, 1, 2, 3], &[(0, 1), (1, 2), (2, 3), (0, 2), (0, 3)]);
        assert_eq!(routes.layer, [0, 1, 2, 3, 1, 2]);
        assert_eq!(routes.below[0], [1, 4]);
        assert_eq!(routes.below[4], [2, 5]);
        assert_eq!(routes.above[3], [5, 2], "in the order of the vertices");
        assert!(routes.is_bend(4) && !routes.is_bend(3));
    }

    #[test]
    fn too_many_bends_cut_the_longest_edges() {
        let n = 400;
        let layers: Vec<usize> = (0..n).collect();
        let edges: Vec<(usize, usize)> = (1..n).flat_map(|i| [(i - 1, i), (i - 1, n - 1)]).collect();
        let mut edges = edges;
        edges.dedup();
        let routes = Routes::new(&layers, &edges);
        assert!(routes.layer.len() - n <= MAX_BENDS);
        assert!(!routes.cut.is_empty());
        assert!(routes.cut.contains(&(0, n - 1)));
    }
}
