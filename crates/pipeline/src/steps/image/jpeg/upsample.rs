//! Components of fewer samples, brought to the size of the picture.
//!
//! Halved sides are interpolated with weights 3/4 and 1/4, rounded up and down in turn as libjpeg's "fancy
//! upsampling" does; for other factors samples are repeated.

/// Samples of a component.
#[derive(Debug)]
pub struct Plane {
    samples: Vec<u8>,
    stride: usize,
    width: usize,
    height: usize,
    method: Method,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    Whole,
    HalfAcross,
    HalfDown,
    HalfBoth,
    Repeat { across: usize, down: usize },
}

impl Plane {
    /// Rows of `stride` samples of which `size`, width and height, belong to the component; the picture has `factors`
    /// as many across and down.
    pub fn new(
        samples: Vec<u8>,
        stride: usize,
        (width, height): (usize, usize),
        factors: (usize, usize),
    ) -> Self {
        let method = match factors {
            (1, 1) => Method::Whole,
            // Very narrow components are not interpolated.
            (2, 1) if width > 2 => Method::HalfAcross,
            (1, 2) => Method::HalfDown,
            (2, 2) if width > 2 => Method::HalfBoth,
            (across, down) => Method::Repeat { across, down },
        };
        Self { samples, stride, width, height, method }
    }

    /// Row `y` of the picture, at least as long as the picture is wide.
    pub fn row<'a>(&'a self, y: usize, scratch: &'a mut Scratch) -> &'a [u8] {
        match self.method {
            Method::Whole => return self.line(y),
            Method::HalfAcross => widen(self.line(y), &mut scratch.row),
            Method::HalfDown => {
                let (near, far) = self.neighbours(y);
                // Rounded down above the middle, up below it.
                let half = if y.is_multiple_of(2) { 1 } else { 2 };
                let between =
                    |(near, far): (&u8, &u8)| ((u16::from(*near) * 3 + u16::from(*far) + half) >> 2) as u8;
                scratch.row.clear();
                scratch.row.extend(near.iter().zip(far).map(between));
            }
            Method::HalfBoth => {
                let (near, far) = self.neighbours(y);
                let sum = |(near, far): (&u8, &u8)| u16::from(*near) * 3 + u16::from(*far);
                scratch.sums.clear();
                scratch.sums.extend(near.iter().zip(far).map(sum));
                widen_sums(&scratch.sums, &mut scratch.row);
            }
            Method::Repeat { across, down } => {
                let line = self.line(y / down);
                scratch.row.clear();
                scratch.row.extend(line.iter().flat_map(|sample| std::iter::repeat_n(*sample, across)));
            }
        }
        &scratch.row
    }

    fn line(&self, y: usize) -> &[u8] {
        &self.samples[y * self.stride..y * self.stride + self.width]
    }

    /// The two lines between which row `y` of the picture lies, the nearer one first.
    fn neighbours(&self, y: usize) -> (&[u8], &[u8]) {
        let near = y / 2;
        let far = if y.is_multiple_of(2) { near.saturating_sub(1) } else { (near + 1).min(self.height - 1) };
        (self.line(near), self.line(far))
    }
}

/// Memory for one row.
#[derive(Debug, Default)]
pub struct Scratch {
    row: Vec<u8>,
    sums: Vec<u16>,
}

/// Twice as many samples as in a line of at least two.
fn widen(line: &[u8], row: &mut Vec<u8>) {
    row.clear();
    row.resize(line.len() * 2, 0);
    if let ([first, .., last], [start, .., end]) = (line, row.as_mut_slice()) {
        (*start, *end) = (*first, *last);
    }
    // Behind the first sample come the two that lie between each pair.
    let inner = row.get_mut(1..).unwrap_or_default().as_chunks_mut::<2>().0;
    for (between, pair) in inner.iter_mut().zip(line.windows(2)) {
        let (left, right) = (u16::from(pair[0]), u16::from(pair[1]));
        *between = [((left * 3 + right + 2) >> 2) as u8, ((right * 3 + left + 1) >> 2) as u8];
    }
}

/// As [`widen`], of sums of four samples each.
fn widen_sums(sums: &[u16], row: &mut Vec<u8>) {
    row.clear();
    row.resize(sums.len() * 2, 0);
    if let ([first, .., last], [start, .., end]) = (sums, row.as_mut_slice()) {
        (*start, *end) = (((first * 4 + 8) >> 4) as u8, ((last * 4 + 7) >> 4) as u8);
    }
    let inner = row.get_mut(1..).unwrap_or_default().as_chunks_mut::<2>().0;
    for (between, pair) in inner.iter_mut().zip(sums.windows(2)) {
        let (left, right) = (pair[0], pair[1]);
        *between = [((left * 3 + right + 7) >> 4) as u8, ((right * 3 + left + 8) >> 4) as u8];
    }
}
