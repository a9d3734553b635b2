//! Connected parts of a bitmap and their outlines.

use std::collections::BTreeMap;

/// A stretch of equal pixels in a row: `first..=last`.
#[derive(Clone, Copy, Debug)]
struct Run {
    row: usize,
    first: usize,
    last: usize,
}

/// For each part of the bitmap (pixels touching at edges or corners), and for each hole in one, points whose convex hull
/// is that of its border. Positions are those of pixels, `[x, y]`.
///
/// The border of a hole is made of the pixels around it, as in S. Suzuki and K. Abe, "Topological Structural Analysis of
/// Digitized Binary Images by Border Following", 1985.
pub fn outlines(bitmap: &[bool], width: usize) -> Vec<Vec<[f64; 2]>> {
    let height = bitmap.len() / width.max(1);
    let at_edge =
        |run: &Run| run.row == 0 || run.row + 1 == height || run.first == 0 || run.last + 1 == width;
    let parts = components(&runs(bitmap, width, true), 1).into_iter().map(|part| {
        part.iter()
            .flat_map(|run| [(run.first, 0, run.row, 0), (run.last, 0, run.row, 0)])
            .map(moved)
            .collect()
    });
    let holes = components(&runs(bitmap, width, false), 0);
    let holes = holes.into_iter().filter(|hole| !hole.iter().any(at_edge)).map(|hole| {
        let around = |run: &Run| {
            let Run { row, first, last } = *run;
            let sides = [(first, -1, row, 0), (last, 1, row, 0)];
            let ends = [(first, 0, row, -1), (last, 0, row, -1), (first, 0, row, 1), (last, 0, row, 1)];
            sides.into_iter().chain(ends)
        };
        hole.iter().flat_map(around).map(moved).collect()
    });
    parts.chain(holes).collect()
}

fn moved((x, right, y, down): (usize, i8, usize, i8)) -> [f64; 2] {
    [x as f64 + f64::from(right), y as f64 + f64::from(down)]
}

/// All stretches of `value`, row by row.
fn runs(bitmap: &[bool], width: usize, value: bool) -> Vec<Run> {
    let mut runs = Vec::new();
    for (row, pixels) in bitmap.chunks_exact(width.max(1)).enumerate() {
        let mut first = 0;
        for stretch in pixels.chunk_by(|a, b| a == b) {
            if stretch.first() == Some(&value) {
                runs.push(Run { row, first, last: first + stretch.len() - 1 });
            }
            first += stretch.len();
        }
    }
    runs
}

/// Runs that belong together: those of neighbouring rows that overlap, or miss each other by less than `reach` pixels.
fn components(runs: &[Run], reach: usize) -> Vec<Vec<Run>> {
    let mut parent: Vec<usize> = (0..runs.len()).collect();
    let mut above = 0;
    for (index, run) in runs.iter().enumerate() {
        // Runs are sorted, so what ends before this one touches none of the later ones of this row either.
        while runs[above].row + 1 < run.row
            || (runs[above].row + 1 == run.row && runs[above].last + reach < run.first)
        {
            above += 1;
        }
        let mut other = above;
        while runs[other].row + 1 == run.row && runs[other].first <= run.last + reach {
            let (a, b) = (root(&mut parent, other), root(&mut parent, index));
            parent[a.max(b)] = a.min(b);
            other += 1;
        }
    }
    let mut parts = BTreeMap::<usize, Vec<Run>>::new();
    for (index, run) in runs.iter().enumerate() {
        parts.entry(root(&mut parent, index)).or_default().push(*run);
    }
    parts.into_values().collect()
}

fn root(parent: &mut [usize], mut index: usize) -> usize {
    while parent[index] != index {
        parent[index] = parent[parent[index]];
        index = parent[index];
    }
    index
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(picture: &str) -> Vec<Vec<[f64; 2]>> {
        let rows: Vec<&str> = picture.split_whitespace().collect();
        let bitmap: Vec<bool> = rows.concat().chars().map(|pixel| pixel == '#').collect();
        outlines(&bitmap, rows[0].len())
    }

    #[test]
    fn parts_touch_at_corners_and_holes_have_outlines_of_their_own() {
        assert_eq!(found("#... .#.. ...# ...#").len(), 2);
        assert_eq!(found("..#.. .#.#. ..#..").len(), 2);
        assert_eq!(found("##### #.#.# #####").len(), 3);
        assert_eq!(found(".#. #.# .#.").pop().unwrap().len(), 6);
        // A hole that is open at the edge is none.
        assert_eq!(found("#.# #.# ###").len(), 1);
        // Two arms meet only at the bottom.
        assert_eq!(found("#.#.# #.#.# #####").len(), 1);
        assert!(outlines(&[], 0).is_empty());
    }

    #[test]
    fn the_border_of_a_hole_is_around_it() {
        let mut hole = found("#### #..# ####").pop().unwrap();
        hole.sort_by(|a, b| a.partial_cmp(b).unwrap());
        assert_eq!(hole, [[0.0, 1.0], [1.0, 0.0], [1.0, 2.0], [2.0, 0.0], [2.0, 2.0], [3.0, 1.0]]);
    }
}
