//! What is drawn on: lines, areas and pixels over an opaque ground.

use tiny_skia::{
    Color as SkiaColor, FillRule, LineCap, LineJoin, Paint, Path, PathBuilder, Pixmap, Rect, Stroke,
    Transform,
};

use super::palette::Rgb;
use super::pixels::rgb;
use crate::{Color, Image, Pixels, StepError};

/// The most pixels of a drawing.
const MAX_PIXELS: u64 = 1 << 27;

/// An opaque picture that is drawn on. Whatever lies outside is not drawn.
#[derive(Debug)]
pub struct Canvas {
    pixmap: Pixmap,
}

impl Canvas {
    /// A canvas of one colour.
    ///
    /// # Errors
    /// [`StepError::TooLarge`].
    pub fn new(width: usize, height: usize, ground: Rgb) -> Result<Self, StepError> {
        let pixels = (width as u64).saturating_mul(height as u64);
        let sizes = u32::try_from(width).ok().zip(u32::try_from(height).ok());
        let pixmap =
            sizes.filter(|_| pixels <= MAX_PIXELS).and_then(|(width, height)| Pixmap::new(width, height));
        let Some(mut pixmap) = pixmap else {
            return Err(StepError::TooLarge { what: "pixels of a drawing", limit: MAX_PIXELS, got: pixels });
        };
        let [r, g, b] = ground;
        pixmap.fill(SkiaColor::from_rgba8(r, g, b, 255));
        Ok(Self { pixmap })
    }

    /// In pixels.
    pub fn width(&self) -> usize {
        self.pixmap.width() as usize
    }

    /// In pixels.
    pub fn height(&self) -> usize {
        self.pixmap.height() as usize
    }

    /// Puts a picture into the upper left corner, each of its pixels as a square of `zoom` pixels.
    pub fn put(&mut self, image: &Image, zoom: usize) {
        let bytes = rgb(image);
        let (width, height) = (self.width(), self.height());
        let rows = self.pixmap.data_mut().chunks_exact_mut(width * 4).take(height.min(image.height() * zoom));
        for (y, row) in rows.enumerate() {
            let start = y / zoom * image.width() * 3;
            let source = &bytes[start..start + image.width() * 3];
            let pixels = source.chunks_exact(3).flat_map(|pixel| std::iter::repeat_n(pixel, zoom));
            for (target, pixel) in row.chunks_exact_mut(4).zip(pixels) {
                target[..3].copy_from_slice(pixel);
            }
        }
    }

    /// Lays a colour over one pixel; 1 covers it.
    pub fn blend(&mut self, x: usize, y: usize, color: Rgb, opacity: f32) {
        let (width, height) = (self.width(), self.height());
        if x >= width || y >= height {
            return;
        }
        let start = (y * width + x) * 4;
        let opacity = opacity.clamp(0.0, 1.0);
        for (ground, color) in self.pixmap.data_mut()[start..start + 3].iter_mut().zip(color) {
            let (below, above) = (f32::from(*ground), f32::from(color));
            *ground = (below + (above - below) * opacity).round() as u8;
        }
    }

    /// Fills a rectangle with round corners.
    pub fn fill_rectangle(&mut self, [x1, y1, x2, y2]: [f32; 4], radius: f32, color: Rgb, opacity: f32) {
        let Some(rectangle) = Rect::from_ltrb(x1, y1, x2, y2) else { return };
        let radius = radius.min(rectangle.width() / 2.0).min(rectangle.height() / 2.0);
        let mut path = PathBuilder::new();
        path.move_to(x1 + radius, y1);
        path.line_to(x2 - radius, y1);
        path.quad_to(x2, y1, x2, y1 + radius);
        path.line_to(x2, y2 - radius);
        path.quad_to(x2, y2, x2 - radius, y2);
        path.line_to(x1 + radius, y2);
        path.quad_to(x1, y2, x1, y2 - radius);
        path.line_to(x1, y1 + radius);
        path.quad_to(x1, y1, x1 + radius, y1);
        path.close();
        self.fill(path.finish(), color, opacity);
    }

    /// Fills a disc.
    pub fn disc(&mut self, [x, y]: [f32; 2], radius: f32, color: Rgb) {
        self.fill(PathBuilder::from_circle(x, y, radius), color, 1.0);
    }

    /// Fills a polygon.
    pub fn fill_polygon(&mut self, points: &[[f32; 2]], color: Rgb, opacity: f32) {
        self.fill(polygon(points, true), color, opacity);
    }

    /// Draws a line through points, closed or not.
    pub fn line(&mut self, points: &[[f32; 2]], closed: bool, width: f32, color: Rgb, opacity: f32) {
        let Some(path) = polygon(points, closed) else { return };
        let stroke =
            Stroke { width, line_cap: LineCap::Round, line_join: LineJoin::Round, ..Stroke::default() };
        self.pixmap.stroke_path(&path, &paint(color, opacity), &stroke, Transform::identity(), None);
    }

    /// The drawing.
    ///
    /// # Errors
    /// [`StepError::Malformed`] never, as a canvas is not empty.
    pub fn into_image(self) -> Result<Image, StepError> {
        let (width, height) = (self.width(), self.height());
        let bytes = self.pixmap.data().chunks_exact(4).flat_map(|pixel| pixel[..3].iter().copied()).collect();
        Image::new(width, height, Color::Rgb, Pixels::U8(bytes))
    }

    fn fill(&mut self, path: Option<Path>, color: Rgb, opacity: f32) {
        let Some(path) = path else { return };
        self.pixmap.fill_path(&path, &paint(color, opacity), FillRule::Winding, Transform::identity(), None);
    }
}

fn paint([r, g, b]: Rgb, opacity: f32) -> Paint<'static> {
    let mut paint = Paint { anti_alias: true, ..Paint::default() };
    paint.set_color_rgba8(r, g, b, (opacity.clamp(0.0, 1.0) * 255.0).round() as u8);
    paint
}

fn polygon(points: &[[f32; 2]], closed: bool) -> Option<Path> {
    let mut path = PathBuilder::new();
    let [x, y] = points.first()?;
    path.move_to(*x, *y);
    points[1..].iter().for_each(|[x, y]| path.line_to(*x, *y));
    if closed {
        path.close();
    }
    path.finish()
}
