//! The smallest rectangle around points, its mean over a map, and its growth.

use std::f64::consts::PI;

/// A rectangle of any direction.
#[derive(Clone, Copy, Debug)]
pub struct Rectangle {
    /// Upper left, upper right, lower right, lower left.
    corners: [[f64; 2]; 4],
    short_side: f64,
}

impl Rectangle {
    /// The rectangle of least area around points; one of its sides lies on a side of their convex hull (H. Freeman and
    /// R. Shapira, "Determining the minimum-area encasing rectangle for an arbitrary closed curve", 1975).
    ///
    /// `None` when the points lie on a line.
    pub fn around(points: Vec<[f64; 2]>) -> Option<Self> {
        let hull = convex_hull(points);
        if hull.len() < 3 {
            return None;
        }
        let turned = (0..hull.len()).map(|side| {
            let ([x0, y0], [x1, y1]) = (hull[side], hull[(side + 1) % hull.len()]);
            let length = (x1 - x0).hypot(y1 - y0);
            Self::along([(x1 - x0) / length, (y1 - y0) / length], &hull)
        });
        let best = turned.min_by(|a, b| a.0.total_cmp(&b.0));
        best.map(|(_, rectangle)| rectangle)
    }

    /// The smallest rectangle of this direction, and its area.
    fn along([ux, uy]: [f64; 2], points: &[[f64; 2]]) -> (f64, Self) {
        let extent = |ax: f64, ay: f64| {
            let along = points.iter().map(|[x, y]| x * ax + y * ay);
            along.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(x), high.max(x)))
        };
        let ((u0, u1), (v0, v1)) = (extent(ux, uy), extent(-uy, ux));
        let corner = |u: f64, v: f64| [u * ux - v * uy, u * uy + v * ux];
        let corners = [corner(u0, v0), corner(u1, v0), corner(u1, v1), corner(u0, v1)];
        let (width, height) = (u1 - u0, v1 - v0);
        (width * height, Self { corners: clockwise(corners), short_side: width.min(height) })
    }

    /// Clockwise from the upper left one.
    pub fn corners(&self) -> [[f64; 2]; 4] {
        self.corners
    }

    /// Length of the shorter side.
    pub fn short_side(&self) -> f64 {
        self.short_side
    }

    /// Mean of the map over the pixels in the rectangle, its border included; NaN when it lies outside.
    pub fn mean(&self, width: usize, height: usize, map: &[f32]) -> f64 {
        // Positions are cut to whole pixels relative to the map's window around the rectangle.
        let start = |axis: usize| {
            self.corners.iter().map(|corner| corner[axis]).fold(f64::INFINITY, f64::min).floor().max(0.0)
        };
        let (left, top) = (start(0), start(1));
        let corners = self.corners.map(|[x, y]| [left + (x - left).trunc(), top + (y - top).trunc()]);
        let mut extents = vec![(f64::INFINITY, f64::NEG_INFINITY); height];
        for side in 0..4 {
            trace(corners[side], corners[(side + 1) % 4], &mut extents);
        }
        let (mut sum, mut count) = (0.0, 0.0);
        for ((first, last), row) in extents.into_iter().zip(map.chunks_exact(width)) {
            let (first, last) = (first.max(0.0), last.min(width as f64 - 1.0));
            let Some(pixels) = (first <= last).then(|| &row[first as usize..=last as usize]) else {
                continue;
            };
            sum += pixels.iter().copied().map(f64::from).sum::<f64>();
            count += pixels.len() as f64;
        }
        sum / count
    }

    /// Points around the rectangle, its corners cut to whole pixels and moved out by `ratio` · area / perimeter with
    /// round joins (A. Johnson's Clipper is what PP-OCR uses: its arcs stay within a quarter of a pixel).
    pub fn grown(&self, ratio: f64) -> Vec<[f64; 2]> {
        let side = |a: usize, b: usize| {
            let ([ax, ay], [bx, by]) = (self.corners[a], self.corners[b]);
            (ax - bx).hypot(ay - by)
        };
        let (width, height) = (side(0, 1), side(1, 2));
        let distance = width * height * ratio / (2.0 * (width + height));
        let corners = self.corners.map(|corner| corner.map(f64::trunc));
        let steps = PI / (1.0 - 0.25 / distance.max(1.0)).acos();
        let mut points = Vec::new();
        for corner in 0..4 {
            let from = outward(corners[(corner + 3) % 4], corners[corner]);
            let to = outward(corners[corner], corners[(corner + 1) % 4]);
            let (Some(from), Some(to)) = (from, to) else { continue };
            let turn = (to - from).rem_euclid(2.0 * PI);
            let count = (steps * turn / (2.0 * PI)).round().max(1.0);
            for step in 0..=count as usize {
                let angle = from + turn * step as f64 / count;
                let [x, y] = corners[corner];
                points.push([(x + distance * angle.cos()).round(), (y + distance * angle.sin()).round()]);
            }
        }
        points
    }
}

/// The direction away from a clockwise polygon at the side from `a` to `b`; `None` when they are the same.
fn outward([ax, ay]: [f64; 2], [bx, by]: [f64; 2]) -> Option<f64> {
    let (dx, dy) = (bx - ax, by - ay);
    (dx != 0.0 || dy != 0.0).then(|| (-dx).atan2(dy))
}

/// Widens the extent of every row that a line between whole pixels touches.
fn trace([x0, y0]: [f64; 2], [x1, y1]: [f64; 2], extents: &mut [(f64, f64)]) {
    let steps = (x1 - x0).abs().max((y1 - y0).abs());
    for step in 0..=steps as usize {
        let part = if steps > 0.0 { step as f64 / steps } else { 0.0 };
        let (x, y) = ((x0 + part * (x1 - x0)).round(), (y0 + part * (y1 - y0)).round());
        if y < 0.0 {
            continue;
        }
        if let Some((first, last)) = extents.get_mut(y as usize) {
            (*first, *last) = (first.min(x), last.max(x));
        }
    }
}

/// Corners of a rectangle clockwise from the upper left one: of the two leftmost the upper, of the two rightmost the
/// upper and the lower, the other left one.
pub fn clockwise(mut corners: [[f64; 2]; 4]) -> [[f64; 2]; 4] {
    corners.sort_by(|a, b| a[0].total_cmp(&b[0]));
    let [a, b, c, d] = corners;
    let (upper_left, lower_left) = if b[1] > a[1] { (a, b) } else { (b, a) };
    let (upper_right, lower_right) = if d[1] > c[1] { (c, d) } else { (d, c) };
    [upper_left, upper_right, lower_right, lower_left]
}

/// The convex hull without points on its sides (A. Andrew, "Another efficient algorithm for convex hulls in two
/// dimensions", 1979).
fn convex_hull(mut points: Vec<[f64; 2]>) -> Vec<[f64; 2]> {
    points.sort_by(|a, b| a[0].total_cmp(&b[0]).then(a[1].total_cmp(&b[1])));
    points.dedup();
    let mut hull = half_hull(points.iter());
    hull.pop();
    hull.extend(half_hull(points.iter().rev()));
    hull.pop();
    hull
}

fn half_hull<'a>(points: impl Iterator<Item = &'a [f64; 2]>) -> Vec<[f64; 2]> {
    let mut half: Vec<[f64; 2]> = Vec::new();
    for &[x, y] in points {
        while let [.., [ax, ay], [bx, by]] = half[..] {
            if (bx - ax) * (y - ay) - (by - ay) * (x - ax) > 0.0 {
                break;
            }
            half.pop();
        }
        half.push([x, y]);
    }
    half
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_rectangle_may_stand_on_its_corner() {
        let diamond = vec![[5.0, 0.0], [10.0, 5.0], [5.0, 10.0], [0.0, 5.0], [5.0, 5.0]];
        let rectangle = Rectangle::around(diamond).unwrap();
        assert!((rectangle.short_side() - 50f64.sqrt()).abs() < 1e-9);
        assert!(Rectangle::around(vec![[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]]).is_none());
        assert!(Rectangle::around(Vec::new()).is_none());
    }

    #[test]
    fn the_mean_is_taken_over_the_border_too_and_only_inside_the_map() {
        let map: Vec<f32> = (0..25).map(|i| if (1..4).contains(&(i / 5)) { 1.0 } else { 0.0 }).collect();
        let rectangle = |x0: f64, y0: f64, x1: f64, y1: f64| {
            Rectangle::around(vec![[x0, y0], [x1, y0], [x1, y1], [x0, y1]]).unwrap()
        };
        assert_eq!(rectangle(1.0, 1.0, 3.0, 3.0).mean(5, 5, &map), 1.0);
        assert_eq!(rectangle(-9.0, 0.0, 90.0, 4.0).mean(5, 5, &map), 0.6);
        assert!(rectangle(-9.0, 10.0, -2.0, 12.0).mean(5, 5, &map).is_nan());
    }

    #[test]
    fn a_rectangle_grows_on_every_side() {
        let square = vec![[10.0, 10.0], [30.0, 10.0], [30.0, 30.0], [10.0, 30.0]];
        let square = Rectangle::around(square).unwrap();
        // 1.6 · 400 / 80 = 8
        let grown = Rectangle::around(square.grown(1.6)).unwrap();
        assert_eq!(grown.corners(), [[2.0, 2.0], [38.0, 2.0], [38.0, 38.0], [2.0, 38.0]]);
    }
}
