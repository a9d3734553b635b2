//! Pictures, masks and heat maps as PNG inside the page.

use std::io::Cursor;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::imageops::{FilterType, resize};
use image::{ImageFormat, RgbaImage};
use lehr_pipeline::{Color, HeatMap, Image, Mask, Pixels};

/// Colours of classes and objects, as in the style sheet.
const CLASS_COLORS: [[u8; 3]; 8] = [
    [0xe8, 0x75, 0x2b],
    [0x2f, 0x9e, 0x8f],
    [0xf0, 0xb9, 0x3a],
    [0x4f, 0x7f, 0xc4],
    [0xb8, 0x5c, 0x9e],
    [0x8f, 0xae, 0x3b],
    [0xd6, 0x45, 0x50],
    [0x6f, 0xc3, 0xdf],
];

/// The colours of glowing glass, from cold to white-hot.
const GLOW: [[f32; 3]; 6] = [
    [22.0, 12.0, 18.0],
    [92.0, 22.0, 30.0],
    [186.0, 58.0, 22.0],
    [240.0, 138.0, 36.0],
    [252.0, 210.0, 106.0],
    [255.0, 250.0, 232.0],
];

/// A picture as the address of a PNG, at most `longest` pixels wide and high; `None` when it can not be drawn.
pub fn of_image(image: &Image, longest: u32) -> Option<String> {
    let shown = shown_values(image.pixels());
    let rgba = |pixel: &[u8]| match (image.color(), pixel) {
        (Color::Rgb, [r, g, b]) | (Color::Bgr, [b, g, r]) => [*r, *g, *b, 255],
        (_, [gray, ..]) => [*gray, *gray, *gray, 255],
        (_, []) => [0; 4],
    };
    let pixels = shown.chunks(image.color().channels()).flat_map(rgba).collect();
    png(image.width(), image.height(), pixels, longest, FilterType::Triangle)
}

/// The classes of a mask in their colours, the background transparent.
pub fn of_mask(mask: &Mask, longest: u32) -> Option<String> {
    let rgba = |class: &u16| match class_color(usize::from(*class)) {
        _ if *class == 0 => [0; 4],
        [r, g, b] => [r, g, b, 255],
    };
    let pixels = mask.classes.iter().flat_map(rgba).collect();
    png(mask.width, mask.height, pixels, longest, FilterType::Nearest)
}

/// The numbers of a heat map from the lowest, dark, to the highest, bright.
pub fn of_heat_map(map: &HeatMap, longest: u32) -> Option<String> {
    let (low, high) = range(&map.values);
    let rgba = |value: &f32| {
        let [r, g, b] = glow((value - low) / (high - low));
        [r, g, b, 255]
    };
    let pixels = map.values.iter().flat_map(rgba).collect();
    png(map.width, map.height, pixels, longest, FilterType::Triangle)
}

/// The smallest and largest finite number; 0 and 1 where there is none.
pub fn range(values: &[f32]) -> (f32, f32) {
    let finite = || values.iter().copied().filter(|value| value.is_finite());
    let (low, high) = (finite().fold(f32::INFINITY, f32::min), finite().fold(f32::NEG_INFINITY, f32::max));
    if low <= high { (low, high) } else { (0.0, 1.0) }
}

/// The colour of a class.
fn class_color(class: usize) -> [u8; 3] {
    CLASS_COLORS.get(class % CLASS_COLORS.len()).copied().unwrap_or_default()
}

fn glow(share: f32) -> [u8; 3] {
    let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 };
    let steps = GLOW.len() - 1;
    let place = share * steps as f32;
    let index = (place as usize).min(steps - 1);
    let (Some(low), Some(high)) = (GLOW.get(index), GLOW.get(index + 1)) else { return [0; 3] };
    let rest = place - index as f32;
    std::array::from_fn(|channel| {
        let (low, high) = (low.get(channel).unwrap_or(&0.0), high.get(channel).unwrap_or(&0.0));
        byte(low + (high - low) * rest)
    })
}

/// As bytes: numbers from 0 to 1 and from 0 to 255 as they are meant, others stretched over their range.
fn shown_values(pixels: &Pixels) -> Vec<u8> {
    let values = match pixels {
        Pixels::U8(values) => return values.clone(),
        Pixels::F32(values) => values,
    };
    let (low, high) = range(values);
    let (low, high) = match (low, high) {
        (l, h) if l >= 0.0 && h <= 1.0 => (0.0, 1.0),
        (l, h) if l >= 0.0 && h <= 255.0 => (0.0, 255.0),
        other => other,
    };
    values.iter().map(|value| byte(255.0 * (value - low) / (high - low))).collect()
}

/// Rounded into 0 … 255; 0 for what is no number.
fn byte(value: f32) -> u8 {
    value.round().clamp(0.0, 255.0) as u8
}

fn png(width: usize, height: usize, pixels: Vec<u8>, longest: u32, filter: FilterType) -> Option<String> {
    let (width, height) = (u32::try_from(width).ok()?, u32::try_from(height).ok()?);
    let mut picture = RgbaImage::from_raw(width, height, pixels).filter(|_| width > 0 && height > 0)?;
    let scale = f64::from(longest) / f64::from(width.max(height));
    if scale < 1.0 {
        let scaled = |side: u32| ((f64::from(side) * scale).round() as u32).max(1);
        picture = resize(&picture, scaled(width), scaled(height), filter);
    }
    let mut file = Cursor::new(Vec::new());
    if picture.pixels().all(|pixel| pixel.0[3] == 255) {
        image::DynamicImage::ImageRgba8(picture).to_rgb8().write_to(&mut file, ImageFormat::Png).ok()?;
    } else {
        picture.write_to(&mut file, ImageFormat::Png).ok()?;
    }
    Some(format!("data:image/png;base64,{}", STANDARD.encode(file.into_inner())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(uri: &str) -> image::DynamicImage {
        let base64 = uri.strip_prefix("data:image/png;base64,").unwrap();
        image::load_from_memory(&STANDARD.decode(base64).unwrap()).unwrap()
    }

    #[test]
    fn large_pictures_are_scaled_down_and_small_ones_are_not() {
        let image = Image::new(1000, 500, Color::Rgb, Pixels::U8(vec![200; 1_500_000])).unwrap();
        let picture = decoded(&of_image(&image, 640).unwrap());
        assert_eq!((picture.width(), picture.height()), (640, 320));
        assert_eq!(picture.to_rgb8().get_pixel(5, 5).0, [200; 3]);
        let line = Image::new(2, 1, Color::Bgr, Pixels::U8(vec![1, 2, 3, 4, 5, 6])).unwrap();
        assert_eq!(decoded(&of_image(&line, 640).unwrap()).to_rgb8().into_raw(), [3, 2, 1, 6, 5, 4]);
    }

    #[test]
    fn pictures_of_numbers_in_any_range_are_shown() {
        let image = Image::new(3, 1, Color::Gray, Pixels::F32(vec![-1.0, f32::NAN, 1.0])).unwrap();
        let picture = decoded(&of_image(&image, 640).unwrap()).to_rgb8();
        assert_eq!(picture.into_raw(), [0, 0, 0, 0, 0, 0, 255, 255, 255]);
    }

    #[test]
    fn masks_and_maps_of_the_wrong_size_are_not_drawn() {
        assert_eq!(of_mask(&Mask { width: 2, height: 2, classes: vec![1; 3] }, 640), None);
        assert_eq!(of_heat_map(&HeatMap { width: 0, height: 0, values: vec![] }, 640), None);
        let flat = HeatMap { width: 2, height: 1, values: vec![3.0, 3.0] };
        assert!(of_heat_map(&flat, 640).is_some());
        let mask = decoded(&of_mask(&Mask { width: 2, height: 1, classes: vec![0, 1] }, 640).unwrap());
        assert_eq!(mask.to_rgba8().into_raw(), [0, 0, 0, 0, 0x2f, 0x9e, 0x8f, 255]);
    }
}
