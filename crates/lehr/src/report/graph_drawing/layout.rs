//! A layered drawing of a directed graph: boxes in rows, edges from top to bottom.

use super::layering::layers;
use super::ordering::order;
use super::placing::middles;
use super::routing::Routes;
use super::straightening::straighten;

/// Height of every box.
pub const BOX_HEIGHT: f64 = 38.0;
/// Room between two rows.
const ROW_GAP: f64 = 26.0;
/// Room between two neighbours of a row.
const COLUMN_GAP: f64 = 14.0;
/// Room that a passing edge takes in a row.
const BEND_WIDTH: f64 = 8.0;
/// Room around the drawing.
const MARGIN: f64 = 16.0;

/// A box by its upper left corner.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rect {
    /// Left edge.
    pub x: f64,
    /// Upper edge.
    pub y: f64,
    /// Width; the height is [`BOX_HEIGHT`].
    pub width: f64,
}

/// A link between two rows, or one that passes a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Link {
    /// The vertex in which the edge begins.
    pub source: usize,
    /// Upper end.
    pub from: [f64; 2],
    /// Lower end.
    pub to: [f64; 2],
    /// Where it goes on straight to when it passes the row below.
    pub passes_to: Option<f64>,
}

/// A finished drawing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Layout {
    /// Width of all.
    pub width: f64,
    /// Height of all.
    pub height: f64,
    /// The box of each vertex.
    pub boxes: Vec<Rect>,
    /// The links of all edges, those of one source after the other.
    pub links: Vec<Link>,
    /// Edges that are too long to be drawn, by their vertices.
    pub cut: Vec<(usize, usize)>,
}

impl Layout {
    /// Draws vertices of these widths; `None` when the edges have a cycle or a vertex that is not there.
    pub fn new(widths: &[f64], edges: &[(usize, usize)]) -> Option<Self> {
        let layers = layers(widths.len(), edges)?;
        let routes = Routes::new(&layers, edges);
        let order = order(&routes);
        let mut all_widths = widths.to_vec();
        all_widths.resize(routes.layer.len(), BEND_WIDTH);
        let mut middles = middles(&routes, &order, &all_widths, COLUMN_GAP);
        straighten(&routes, &order, &all_widths, COLUMN_GAP, &mut middles);
        Some(Self::placed(&routes, &middles, &all_widths))
    }

    fn placed(routes: &Routes, middles: &[f64], widths: &[f64]) -> Self {
        let edge = |point: usize, side: f64| middles[point] + side * widths[point] / 2.0;
        let points = 0..middles.len();
        let left = points.clone().map(|point| edge(point, -1.0)).fold(f64::INFINITY, f64::min);
        let right = points.map(|point| edge(point, 1.0)).fold(left, f64::max);
        let shift = if left.is_finite() { MARGIN - left } else { 0.0 };
        let top = |point: usize| MARGIN + routes.layer[point] as f64 * (BOX_HEIGHT + ROW_GAP);
        let boxes = (0..routes.vertices).map(|vertex| Rect {
            x: edge(vertex, -1.0) + shift,
            y: top(vertex),
            width: widths[vertex],
        });
        let rows = routes.layer.iter().max().map_or(0, |last| last + 1);
        Self {
            width: if left.is_finite() { right - left } else { 0.0 } + 2.0 * MARGIN,
            height: 2.0 * MARGIN + rows as f64 * (BOX_HEIGHT + ROW_GAP) - ROW_GAP,
            boxes: boxes.collect(),
            links: links(routes, |point| [middles[point] + shift, top(point)]),
            cut: routes.cut.clone(),
        }
    }
}

fn links(routes: &Routes, place: impl Fn(usize) -> [f64; 2]) -> Vec<Link> {
    let mut links = Vec::new();
    for source in 0..routes.vertices {
        let mut ends = vec![source];
        while let Some(end) = ends.pop() {
            for &next in &routes.below[end] {
                let ([x, y], to) = (place(end), place(next));
                let bend = routes.is_bend(next);
                links.push(Link {
                    source,
                    from: [x, y + BOX_HEIGHT],
                    to,
                    passes_to: bend.then_some(to[1] + BOX_HEIGHT),
                });
                if bend {
                    ends.push(next);
                }
            }
        }
    }
    links
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    /// A reproducible generator (xorshift64*).
    struct Random(u64);

    impl Random {
        fn below(&mut self, n: usize) -> usize {
            self.0 ^= self.0 >> 12;
            self.0 ^= self.0 << 25;
            self.0 ^= self.0 >> 27;
            ((self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize) % n
        }
    }

    fn assert_is_tidy(layout: &Layout, edges: &[(usize, usize)]) {
        for (index, a) in layout.boxes.iter().enumerate() {
            assert!(a.x >= 0.0 && a.x + a.width <= layout.width + 1e-6, "{a:?} is outside");
            assert!(a.y >= 0.0 && a.y + BOX_HEIGHT <= layout.height, "{a:?} is outside");
            for b in &layout.boxes[index + 1..] {
                let apart = a.x + a.width <= b.x + 1e-6 || b.x + b.width <= a.x + 1e-6;
                assert!(apart || (a.y - b.y).abs() >= BOX_HEIGHT, "{a:?} and {b:?} overlap");
            }
        }
        for &(from, to) in edges {
            assert!(layout.boxes[from].y + BOX_HEIGHT < layout.boxes[to].y, "{from} → {to} does not go down");
        }
        for link in &layout.links {
            assert!(link.from[1] < link.to[1]);
        }
    }

    #[test]
    fn no_boxes_overlap_and_every_edge_goes_down() {
        for seed in 1..40u64 {
            let mut random = Random(seed);
            let n = 2 + random.below(60);
            let mut edges: Vec<(usize, usize)> = (0..2 * n)
                .map(|_| (random.below(n), random.below(n)))
                .filter(|(a, b)| a != b)
                .map(|(a, b)| (a.min(b), a.max(b)))
                .collect();
            edges.sort_unstable();
            edges.dedup();
            let widths: Vec<f64> = (0..n).map(|_| 40.0 + random.below(120) as f64).collect();
            let layout = Layout::new(&widths, &edges).unwrap_or_else(|| panic!("seed {seed}"));
            assert_is_tidy(&layout, &edges);
        }
    }

    #[test]
    fn a_chain_is_a_straight_line() {
        let edges: Vec<(usize, usize)> = (1..20).map(|i| (i - 1, i)).collect();
        let layout = Layout::new(&[80.0; 20], &edges).unwrap();
        assert!(layout.boxes.iter().all(|b| (b.x - layout.boxes[0].x).abs() < 1e-9));
        assert_eq!(layout.width, 80.0 + 2.0 * MARGIN);
    }

    #[test]
    fn nothing_and_one_box_can_be_drawn() {
        assert_eq!(Layout::new(&[], &[]).map(|layout| layout.boxes.len()), Some(0));
        assert_eq!(Layout::new(&[50.0], &[]).map(|layout| layout.boxes.len()), Some(1));
    }

    #[test]
    fn large_graphs_are_drawn_in_less_than_a_second() {
        let n = 1500;
        let chain: Vec<(usize, usize)> = (1..n).map(|i| (i - 1, i)).collect();
        let wide: Vec<(usize, usize)> = (1..n - 1).flat_map(|i| [(0, i), (i, n - 1)]).collect();
        let mut skips = chain.clone();
        skips.extend((0..n - 40).map(|i| (i, i + 40)));
        let mut to_the_end = chain.clone();
        to_the_end.extend((0..n - 2).map(|i| (i, n - 1)));
        for edges in [chain, wide, skips, to_the_end] {
            let start = Instant::now();
            let layout = Layout::new(&vec![90.0; n], &edges).unwrap();
            assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
            assert_is_tidy(&layout, &edges);
        }
    }
}
