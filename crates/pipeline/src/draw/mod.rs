//! Answers drawn on the picture that they are about.
//!
//! Masks and heat maps are laid over the picture, objects and key points are outlined, and what has no place in the
//! picture (classes, text, numbers, what the colours mean) stands in a strip below it.

mod canvas;
mod maps;
mod objects;
mod palette;
mod pixels;
mod png;
mod strip;
mod typeface;

use self::canvas::Canvas;
use self::palette::PAPER;
pub use self::png::png;
use self::strip::Strip;
use self::typeface::Typeface;
use crate::{Answers, Image, Item, StepError};

/// Small pictures are magnified until their longer side has this many pixels, and no drawing is narrower.
const MIN_SIDE: usize = 320;

/// The largest factor by which pictures are magnified.
const MAX_ZOOM: usize = 16;

/// How answers are drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct Style {
    /// Width of lines in pixels; a measure of the picture without it.
    pub line: Option<f32>,
    /// Height of text in pixels; a measure of the picture without it.
    pub text: Option<f32>,
    /// How much a mask hides of the picture, from 0 to 1.
    pub mask_opacity: f32,
    /// How much a heat map hides of the picture, from 0 to 1.
    pub heat_opacity: f32,
    /// Key points below this are not drawn.
    pub key_point_score: f32,
    /// Pairs of key points that are joined.
    pub skeleton: Vec<[usize; 2]>,
    /// Whether objects are named.
    pub labels: bool,
    /// Whether objects have their score.
    pub scores: bool,
    /// The most objects that are drawn, the surest of them.
    pub max_objects: usize,
    /// The most classes that are listed.
    pub max_classes: usize,
}

impl Default for Style {
    fn default() -> Self {
        Self {
            line: None,
            text: None,
            mask_opacity: 0.5,
            heat_opacity: 0.7,
            key_point_score: 0.3,
            skeleton: Vec::new(),
            labels: true,
            scores: true,
            max_objects: 300,
            max_classes: 10,
        }
    }
}

/// Draws answers on the user's picture.
///
/// # Errors
/// [`StepError::TooLarge`] when the picture is too large to be drawn on.
pub fn draw(picture: &Image, answers: &Answers, style: &Style) -> Result<Image, StepError> {
    let face = Typeface::built_in()?;
    let sizes = Sizes::of(picture, style);
    let width = sizes.picture.0.max(MIN_SIDE);
    let strip = Strip::new(answers, style, &sizes, width, &face);
    let mut canvas = Canvas::new(width, sizes.picture.1.saturating_add(strip.height()), PAPER)?;
    canvas.put(picture, sizes.zoom);
    for layer in [Layer::Maps, Layer::Objects] {
        for (_, item) in &answers.0 {
            draw_item(&mut canvas, item, layer, style, &sizes, &face);
        }
    }
    strip.draw(&mut canvas, sizes.picture.1, &face);
    canvas.into_image()
}

/// What is drawn below, and what above.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layer {
    Maps,
    Objects,
}

fn draw_item(canvas: &mut Canvas, item: &Item, layer: Layer, style: &Style, sizes: &Sizes, face: &Typeface) {
    match (item, layer) {
        (Item::Mask(mask), Layer::Maps) => {
            maps::mask(canvas, mask, sizes.picture, style.mask_opacity, maps::mask_color);
        }
        (Item::HeatMap(map), Layer::Maps) => maps::heat_map(canvas, map, sizes.picture, style.heat_opacity),
        (Item::Objects(found), Layer::Objects) => objects::objects(canvas, found, style, sizes, face),
        (Item::List(items), layer) => {
            items.iter().for_each(|item| draw_item(canvas, item, layer, style, sizes, face));
        }
        _ => {}
    }
}

/// Measures of a drawing, in its pixels.
#[derive(Clone, Copy, Debug)]
struct Sizes {
    /// Pixels of the drawing for one of the picture.
    zoom: usize,
    /// Width and height of the picture in the drawing.
    picture: (usize, usize),
    /// Width of lines.
    line: f32,
    /// Height of text.
    text: f32,
}

impl Sizes {
    fn of(picture: &Image, style: &Style) -> Self {
        let (width, height) = (picture.width(), picture.height());
        let zoom = MIN_SIDE.div_ceil(width.max(height).max(1)).min(MAX_ZOOM);
        let drawn = (width.saturating_mul(zoom), height.saturating_mul(zoom));
        let measure = drawn.0.max(drawn.1) as f32;
        let chosen =
            |value: Option<f32>, usual: f32| value.filter(|value| value.is_finite()).unwrap_or(usual);
        Self {
            zoom,
            picture: drawn,
            line: chosen(style.line, measure / 400.0).clamp(1.5, 64.0),
            text: chosen(style.text, measure / 48.0).clamp(13.0, 256.0),
        }
    }

    /// Points of the picture in the drawing, without those that are no numbers; what is far outside is drawn nearer,
    /// where it can not be seen either.
    fn placed(&self, points: &[[f32; 2]]) -> Vec<[f32; 2]> {
        let (width, height) = (self.picture.0 as f32, self.picture.1 as f32);
        let zoom = self.zoom as f32;
        let numbers = points.iter().filter(|[x, y]| !x.is_nan() && !y.is_nan());
        numbers
            .map(|[x, y]| [(x * zoom).clamp(-width, 2.0 * width), (y * zoom).clamp(-height, 2.0 * height)])
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Class, Color, HeatMap, Mask, Object, Pixels, Region, Transcript};

    const GREY: [u8; 3] = [90; 3];

    fn grey(width: usize, height: usize) -> Image {
        Image::new(width, height, Color::Gray, Pixels::U8(vec![90; width * height])).unwrap()
    }

    fn drawn(picture: &Image, items: Vec<Item>) -> Image {
        let answers = items.into_iter().map(|item| ("answer".to_owned(), item)).collect();
        draw(picture, &Answers(answers), &Style { labels: false, scores: false, ..Style::default() }).unwrap()
    }

    fn pixel(image: &Image, x: usize, y: usize) -> [u8; 3] {
        let start = (y * image.width() + x) * 3;
        match image.pixels() {
            Pixels::U8(bytes) => [bytes[start], bytes[start + 1], bytes[start + 2]],
            Pixels::F32(_) => panic!(),
        }
    }

    #[test]
    fn a_box_is_outlined_where_it_is_and_nothing_else_changes() {
        let class = Class { index: 5, score: 0.9, label: None };
        let region = Region::Box { x1: 100.0, y1: 50.0, x2: 300.0, y2: 200.0 };
        let object = Object { class: Some(class), ..Object::new(region, 0.9) };
        let image = drawn(&grey(400, 300), vec![Item::Objects(vec![object])]);
        assert_eq!((image.width(), image.height()), (400, 300));
        let near = |a: [u8; 3], b: [u8; 3]| a.iter().zip(b).all(|(a, b)| a.abs_diff(b) < 40);
        for (x, y) in [(100, 120), (200, 50), (300, 120), (200, 200)] {
            assert!(near(pixel(&image, x, y), palette::class_color(5)), "{x} {y}: {:?}", pixel(&image, x, y));
        }
        for (x, y) in [(200, 120), (90, 40), (310, 210), (0, 0), (399, 299)] {
            assert_eq!(pixel(&image, x, y), GREY, "{x} {y}");
        }
    }

    #[test]
    fn maps_of_any_size_cover_the_picture() {
        let mask = Mask { width: 2, height: 1, classes: vec![0, 1] };
        let image = drawn(&grey(400, 300), vec![Item::Mask(mask)]);
        assert_eq!(pixel(&image, 100, 150), GREY);
        assert_eq!(pixel(&image, 300, 150), palette::mixed(GREY, palette::class_color(0), 0.5));
        let map = HeatMap { width: 1, height: 2, values: vec![f32::NAN, 1.0] };
        let image = drawn(&grey(400, 300), vec![Item::HeatMap(map)]);
        assert_eq!(pixel(&image, 200, 100), GREY);
        assert_eq!(pixel(&image, 200, 200), palette::mixed(GREY, palette::heat_color(1.0), 0.7));
    }

    #[test]
    fn small_pictures_are_magnified_and_what_has_no_place_stands_below() {
        let classes = (0..3).map(|index| Class { index, score: 0.3, label: None }).collect();
        let alone = drawn(&grey(28, 20), Vec::new());
        assert_eq!((alone.width(), alone.height()), (28 * 12, 20 * 12));
        let one = drawn(&grey(28, 20), vec![Item::Classes(classes)]);
        let text = Transcript { text: "word ".repeat(100), score: 0.5 };
        let two = drawn(&grey(28, 20), vec![Item::Transcript(text)]);
        assert!(alone.height() < one.height() && one.height() < two.height());
        assert_eq!(pixel(&two, 0, two.height() - 1), PAPER);
    }
}
