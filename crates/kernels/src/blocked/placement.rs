//! Where the pixels of an output lie.

/// Where the pixels of the output go in maps that may be larger. Distances are in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Placement {
    pub first: usize,
    /// From a pixel to the next one of its row.
    pub step: usize,
    /// From a row to the next one.
    pub row: usize,
    /// Pixels of a channel of the maps.
    pub pixels: usize,
}

impl Placement {
    /// Every pixel of maps of this extent.
    pub(super) fn dense([height, width]: [usize; 2]) -> Self {
        Placement { first: 0, step: 1, row: width, pixels: height * width }
    }

    /// Where the pixel goes that is the given one of rows of `width`.
    #[inline(always)]
    pub(super) fn at(self, pixel: usize, width: usize) -> usize {
        self.first + pixel / width * self.row + pixel % width * self.step
    }
}
