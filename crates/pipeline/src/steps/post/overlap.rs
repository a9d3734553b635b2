//! How much two regions share.

/// Area of what two boxes share over the area of what either covers, 0 where there is no area.
///
/// Boxes are left, upper, right and lower edge.
pub fn intersection_over_union(a: [f32; 4], b: [f32; 4]) -> f32 {
    let shared = area([a[0].max(b[0]), a[1].max(b[1]), a[2].min(b[2]), a[3].min(b[3])]);
    let either = area(a) + area(b) - shared;
    if shared > 0.0 && either > 0.0 { shared / either } else { 0.0 }
}

fn area([x1, y1, x2, y2]: [f32; 4]) -> f32 {
    (x2 - x1).max(0.0) * (y2 - y1).max(0.0)
}
