//! The order in which lines of text are read.

type Line = ([[f32; 2]; 4], f32);

/// Lines whose upper left corners differ by less than this many pixels in height stand side by side.
const SAME_ROW: f32 = 10.0;

/// From top to bottom, and from left to right where lines stand side by side, as PP-OCR sorts them.
pub fn reading_order(mut lines: Vec<Line>) -> Vec<Line> {
    let corner = |line: &Line| line.0[0];
    lines.sort_by(|a, b| {
        let ([ax, ay], [bx, by]) = (corner(a), corner(b));
        ay.total_cmp(&by).then(ax.total_cmp(&bx))
    });
    for end in 1..lines.len() {
        for place in (1..=end).rev() {
            let ([ax, ay], [bx, by]) = (corner(&lines[place - 1]), corner(&lines[place]));
            if (by - ay).abs() >= SAME_ROW || bx >= ax {
                break;
            }
            lines.swap(place - 1, place);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_one_row_go_from_left_to_right() {
        let lines = [[300.0, 10.0], [0.0, 50.0], [150.0, 14.0], [0.0, 18.0], [200.0, 45.0]];
        let lines = lines.map(|corner| ([corner; 4], 1.0)).to_vec();
        let order: Vec<_> = reading_order(lines).into_iter().map(|line| line.0[0]).collect();
        assert_eq!(order, [[0.0, 18.0], [150.0, 14.0], [300.0, 10.0], [0.0, 50.0], [200.0, 45.0]]);
    }
}
