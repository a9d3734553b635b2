//! Colours that colour-blind people can tell apart too.

/// Red, green, blue.
pub type Rgb = [u8; 3];

/// Dark text and lines.
pub const INK: Rgb = [24, 28, 34];
/// The ground of the strip below a picture.
pub const PAPER: Rgb = [250, 250, 248];
/// What fills a bar that is not full.
pub const TRACK: Rgb = [226, 228, 230];
/// What has no class.
pub const ACCENT: Rgb = [0, 114, 178];
/// Light text and outlines.
pub const WHITE: Rgb = [255, 255, 255];

/// M. Okabe and K. Ito, "Color Universal Design", 2002, without black; neighbours differ most.
const CLASSES: [Rgb; 7] =
    [[230, 159, 0], [86, 180, 233], [0, 158, 115], [240, 228, 66], ACCENT, [213, 94, 0], [204, 121, 167]];

/// The map "viridis" of S. van der Walt and N. Smith, at equal distances.
const VIRIDIS: [Rgb; 11] = [
    [68, 1, 84],
    [72, 36, 117],
    [65, 68, 135],
    [53, 95, 141],
    [42, 120, 142],
    [33, 145, 140],
    [34, 168, 132],
    [68, 191, 112],
    [122, 209, 81],
    [189, 223, 38],
    [253, 231, 37],
];

/// The colour of a class; beyond the seventh they come back darker, then lighter.
pub fn class_color(index: usize) -> Rgb {
    let color = CLASSES[index % CLASSES.len()];
    match index / CLASSES.len() % 3 {
        0 => color,
        1 => mixed(color, [0, 0, 0], 0.35),
        _ => mixed(color, WHITE, 0.45),
    }
}

/// The colour of a number from 0 to 1.
pub fn heat_color(part: f32) -> Rgb {
    let last = VIRIDIS.len() - 1;
    let place = if part.is_nan() { 0.0 } else { part.clamp(0.0, 1.0) * last as f32 };
    let first = (place as usize).min(last - 1);
    mixed(VIRIDIS[first], VIRIDIS[first + 1], place - first as f32)
}

/// `part` of `b` in `a`.
pub fn mixed(a: Rgb, b: Rgb, part: f32) -> Rgb {
    std::array::from_fn(|channel| {
        let (a, b) = (f32::from(a[channel]), f32::from(b[channel]));
        (a + (b - a) * part).round() as u8
    })
}

/// Dark or light ink, whichever can be read better on this ground (contrast as in WCAG 2, section 1.4.3).
pub fn ink_on(ground: Rgb) -> Rgb {
    let contrast = |ink: Rgb| {
        let (a, b) = (luminance(ink) + 0.05, luminance(ground) + 0.05);
        a.max(b) / a.min(b)
    };
    if contrast(INK) >= contrast(WHITE) { INK } else { WHITE }
}

fn luminance(color: Rgb) -> f32 {
    let linear = color.map(|value| {
        let value = f32::from(value) / 255.0;
        if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
    });
    0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_outside_of_the_map_take_its_ends() {
        assert_eq!([-1.0, 0.0, f32::NAN].map(heat_color), [VIRIDIS[0]; 3]);
        assert_eq!([1.0, 2.0].map(heat_color), [VIRIDIS[10]; 2]);
        assert_eq!(heat_color(0.5), VIRIDIS[5]);
    }

    #[test]
    fn ink_contrasts_with_its_ground() {
        assert_eq!(ink_on([240, 228, 66]), INK);
        assert_eq!(ink_on([0, 60, 100]), WHITE);
        assert!((0..21).all(|a| (0..a).all(|b| class_color(a) != class_color(b))));
    }
}
