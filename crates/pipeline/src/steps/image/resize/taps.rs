//! Which pixels of a line make each new pixel, and with which weights.

/// The taps of every new pixel of a line: for each one the first of its pixels and as many weights as it has pixels.
#[derive(Clone, Debug)]
pub struct Taps<W> {
    spans: Vec<Span>,
    weights: Vec<W>,
}

#[derive(Clone, Copy, Debug)]
struct Span {
    first: usize,
    weights: usize,
    count: usize,
}

impl<W> Taps<W> {
    /// Taps of `count` new pixels, of which none has any yet.
    pub fn with_capacity(count: usize, taps: usize) -> Self {
        Self { spans: Vec::with_capacity(count), weights: Vec::with_capacity(count.saturating_mul(taps)) }
    }

    /// The next new pixel is made of pixels from `first` on, with these weights.
    pub fn push(&mut self, first: usize, weights: impl IntoIterator<Item = W>) {
        let start = self.weights.len();
        self.weights.extend(weights);
        self.spans.push(Span { first, weights: start, count: self.weights.len() - start });
    }

    /// For each new pixel the position of its first pixel and its weights.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (usize, &[W])> {
        self.spans.iter().map(|span| (span.first, &self.weights[span.weights..span.weights + span.count]))
    }

    /// The first pixel that is needed, and how many from there on.
    pub fn needed(&self) -> (usize, usize) {
        let first = self.spans.iter().map(|span| span.first).min().unwrap_or(0);
        let end = self.spans.iter().map(|span| span.first + span.count).max().unwrap_or(0);
        (first, end.saturating_sub(first))
    }
}
