//! Components become brightness or red, green and blue, with libjpeg's integers and Pillow's way from inks to light.

use super::JpegError;
use super::segments::{Application, Frame};
use super::upsample::{Plane, Scratch};

/// What the components mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Space {
    /// Brightness.
    Gray,
    /// Red, green, blue.
    Rgb,
    /// Brightness and two differences of color.
    Ycc,
    /// Cyan, magenta, yellow and black, as light: 255 is no ink.
    Cmyk,
    /// [`Ycc`](Self::Ycc) of the inks, and black.
    Ycck,
}

impl Space {
    /// Found as libjpeg finds it: by application data, else by the names of the components.
    pub fn of(frame: &Frame, application: &Application<'_>) -> Result<Self, JpegError> {
        let ids: Vec<u8> = frame.components.iter().map(|component| component.id).collect();
        match (frame.components.len(), application.adobe) {
            (1, _) => Ok(Self::Gray),
            (3, _) if application.jfif => Ok(Self::Ycc),
            (3, Some(0)) => Ok(Self::Rgb),
            (3, None) if ids == *b"RGB" => Ok(Self::Rgb),
            (3, _) => Ok(Self::Ycc),
            (4, Some(0) | None) => Ok(Self::Cmyk),
            (4, _) => Ok(Self::Ycck),
            _ => Err(JpegError::Unsupported("JPEG files of other than 1, 3 or 4 components")),
        }
    }

    /// Of a pixel.
    pub fn channels(self) -> usize {
        if self == Self::Gray { 1 } else { 3 }
    }
}

/// All pixels, row by row.
pub fn pixels(planes: &[Plane], space: Space, width: usize, height: usize) -> Result<Vec<u8>, JpegError> {
    const COMPONENTS: JpegError = JpegError::Damaged("a component is missing");
    let mut samples = Vec::with_capacity(width * height * space.channels());
    let mut scratch: [Scratch; 4] = std::array::from_fn(|_| Scratch::default());
    let [a, b, c, d] = &mut scratch;
    let mut colors = Colors::new(width);
    for y in 0..height {
        match (space, planes) {
            (Space::Gray, [gray]) => samples.extend_from_slice(&gray.row(y, a)[..width]),
            (Space::Rgb, [red, green, blue]) => {
                interleave([red.row(y, a), green.row(y, b), blue.row(y, c)], width, &mut samples);
            }
            (Space::Ycc, [luma, cb, cr]) => {
                colors.set(luma.row(y, a), cb.row(y, b), cr.row(y, c));
                interleave(colors.rows(), width, &mut samples);
            }
            (Space::Cmyk, [cyan, magenta, yellow, black]) => {
                let inks = [cyan.row(y, a), magenta.row(y, b), yellow.row(y, c)];
                colors.darken(inks, black.row(y, d), |ink| 255 - ink);
                interleave(colors.rows(), width, &mut samples);
            }
            (Space::Ycck, [luma, cb, cr, black]) => {
                colors.set(luma.row(y, a), cb.row(y, b), cr.row(y, c));
                let [red, green, blue] = colors.rows().map(<[u8]>::to_vec);
                colors.darken([&red, &green, &blue], black.row(y, d), |ink| ink);
                interleave(colors.rows(), width, &mut samples);
            }
            _ => return Err(COMPONENTS),
        }
    }
    Ok(samples)
}

fn interleave(rows: [&[u8]; 3], width: usize, samples: &mut Vec<u8>) {
    let [red, green, blue] = rows.map(|row| &row[..width]);
    samples.extend(red.iter().zip(green).zip(blue).flat_map(|((red, green), blue)| [*red, *green, *blue]));
}

/// A row of red, green and blue.
struct Colors {
    red: Vec<u8>,
    green: Vec<u8>,
    blue: Vec<u8>,
}

impl Colors {
    fn new(width: usize) -> Self {
        Self { red: vec![0; width], green: vec![0; width], blue: vec![0; width] }
    }

    fn rows(&self) -> [&[u8]; 3] {
        [&self.red, &self.green, &self.blue]
    }

    /// ITU-R BT.601 with 16 bits behind the point: 1.402, 0.34414, 0.71414 and 1.772. Whole parts of the factors are
    /// taken apart so that products are of 16 bits.
    fn set(&mut self, luma: &[u8], cb: &[u8], cr: &[u8]) {
        let width = self.red.len();
        let (luma, cb, cr) = (&luma[..width], &cb[..width], &cr[..width]);
        let (red, green, blue) = (&mut self.red[..width], &mut self.green[..width], &mut self.blue[..width]);
        const HALF: i32 = 1 << 15;
        for x in 0..width {
            let (y, b, r) = (i32::from(luma[x]), i32::from(cb[x]) - 128, i32::from(cr[x]) - 128);
            red[x] = (y + r + ((r * 26345 + HALF) >> 16)).clamp(0, 255) as u8;
            green[x] = (y - r + ((r * 18734 - b * 22554 + HALF) >> 16)).clamp(0, 255) as u8;
            blue[x] = (y + 2 * b + ((b * -14942 + HALF) >> 16)).clamp(0, 255) as u8;
        }
    }

    /// What is left of black's light when inks are on it.
    fn darken(&mut self, inks: [&[u8]; 3], black: &[u8], ink: impl Fn(u8) -> u8) {
        for (row, inks) in [&mut self.red, &mut self.green, &mut self.blue].into_iter().zip(inks) {
            for ((light, value), black) in row.iter_mut().zip(inks).zip(black) {
                let product = u32::from(ink(*value)) * u32::from(*black) + 128;
                *light = black.saturating_sub((((product >> 8) + product) >> 8) as u8);
            }
        }
    }
}
