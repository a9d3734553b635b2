//! Text in DejaVu Sans, of which the Latin, Greek and Cyrillic characters are in `fonts`.

use ab_glyph::{Font, FontRef, Glyph, PxScale, ScaleFont, point};

use super::canvas::Canvas;
use super::palette::Rgb;
use crate::StepError;

const DEJAVU: &[u8] = include_bytes!("../../fonts/DejaVuSans-latin.ttf");

/// A typeface that draws in any size. Characters that it lacks are drawn as boxes.
#[derive(Debug)]
pub struct Typeface {
    font: FontRef<'static>,
}

impl Typeface {
    /// The one that is built in.
    ///
    /// # Errors
    /// [`StepError::Malformed`] if the built-in file is damaged.
    pub fn built_in() -> Result<Self, StepError> {
        let font = FontRef::try_from_slice(DEJAVU).map_err(|error| {
            StepError::malformed(format!("the built-in typeface can not be read: {error}"))
        })?;
        Ok(Self { font })
    }

    /// Width of a text in pixels, for lines of height `size`.
    pub fn width(&self, text: &str, size: f32) -> f32 {
        self.glyphs(text, size).1
    }

    /// The text, cut with an ellipsis where it is wider than `room` pixels.
    pub fn fitted(&self, text: &str, size: f32, room: f32) -> String {
        if self.width(text, size) <= room {
            return text.to_owned();
        }
        let mut kept = String::new();
        for character in text.chars() {
            let longer = format!("{kept}{character}");
            if self.width(&format!("{longer}…"), size) > room {
                break;
            }
            kept = longer;
        }
        format!("{}…", kept.trim_end())
    }

    /// The text in lines of at most `room` pixels, broken at spaces, or anywhere in words that are longer than a line.
    pub fn wrapped(&self, text: &str, size: f32, room: f32) -> Vec<String> {
        let mut lines = vec![String::new()];
        for word in text.split_inclusive(' ') {
            let fits = |line: &String| self.width(&format!("{line}{}", word.trim_end()), size) <= room;
            match lines.last_mut() {
                Some(line) if fits(line) => line.push_str(word),
                _ => lines.push(word.to_owned()),
            }
        }
        let mut short = Vec::new();
        for mut line in lines.into_iter().filter(|line| !line.trim().is_empty()) {
            while self.width(line.trim_end(), size) > room && line.chars().count() > 1 {
                let fits = |end: &usize| self.width(&line[..*end], size) <= room;
                let ends = line.char_indices().map(|(start, character)| start + character.len_utf8());
                let end = ends.take_while(fits).last().or_else(|| line.chars().next().map(char::len_utf8));
                let rest = line.split_off(end.unwrap_or(line.len()));
                short.push(std::mem::replace(&mut line, rest));
            }
            short.push(line.trim_end().to_owned());
        }
        short
    }

    /// Draws a text; `left` and `top` are the corner of its line of height `size`.
    pub fn draw(&self, canvas: &mut Canvas, text: &str, [left, top]: [f32; 2], size: f32, color: Rgb) {
        let baseline = top + self.font.as_scaled(PxScale::from(size)).ascent();
        for mut glyph in self.glyphs(text, size).0 {
            glyph.position.x += left;
            glyph.position.y += baseline;
            let Some(outline) = self.font.outline_glyph(glyph) else { continue };
            let bounds = outline.px_bounds();
            outline.draw(|x, y, coverage| {
                let (x, y) = (bounds.min.x + x as f32, bounds.min.y + y as f32);
                if x >= 0.0 && y >= 0.0 {
                    canvas.blend(x as usize, y as usize, color, coverage);
                }
            });
        }
    }

    /// The glyphs on a line from 0, and where the next one would be.
    fn glyphs(&self, text: &str, size: f32) -> (Vec<Glyph>, f32) {
        let font = self.font.as_scaled(PxScale::from(size));
        let (mut glyphs, mut x) = (Vec::new(), 0.0);
        for character in text.chars().filter(|character| !character.is_control()) {
            let id = font.glyph_id(character);
            if let Some(last) = glyphs.last() {
                let last: &Glyph = last;
                x += font.kern(last.id, id);
            }
            glyphs.push(id.with_scale_and_position(PxScale::from(size), point(x, 0.0)));
            x += font.h_advance(id);
        }
        (glyphs, x)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_and_wrapped_to_its_room() {
        let face = Typeface::built_in().unwrap();
        let width = face.width("wide enough", 20.0);
        assert_eq!(face.fitted("wide enough", 20.0, width), "wide enough");
        let cut = face.fitted("wide enough", 20.0, width / 2.0);
        assert!(cut.ends_with('…') && face.width(&cut, 20.0) <= width / 2.0, "{cut}");
        assert_eq!(face.wrapped("wide enough for two", 20.0, width), ["wide enough", "for two"]);
        let lines = face.wrapped("mmmmmmmmmmmmmmmmmmmm", 20.0, width);
        assert!(lines.len() > 1 && lines.concat() == "mmmmmmmmmmmmmmmmmmmm", "{lines:?}");
        assert_eq!(face.wrapped("abc", 20.0, 0.0), ["a", "b", "c"]);
        assert!(face.wrapped("", 20.0, 10.0).is_empty());
    }

    #[test]
    fn characters_that_are_missing_are_boxes() {
        let face = Typeface::built_in().unwrap();
        assert!(face.width("漢", 20.0) > 0.0);
        assert!("äöüßéñçøåčşžĐαβγЖя€™…–“”≤≥×°±²".chars().all(|c| face.font.glyph_id(c).0 != 0));
    }
}
