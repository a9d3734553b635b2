//! Interpolation between a fixed number of neighbours, separately along both axes.

/// For every new pixel of a line the positions of its `K` neighbours, which may repeat at the ends, and their
/// weights.
///
/// The neighbours of one pixel lie in a stretch of `K` pixels.
#[derive(Clone, Debug)]
pub struct Lines<const K: usize, W> {
    taps: Vec<([usize; K], [W; K])>,
}

impl<const K: usize, W: Copy> Lines<K, W> {
    /// Of a line of `from` pixels that becomes one of `to`. `place` gives for each new pixel where its neighbours
    /// begin, and their weights; neighbours beyond an end are the last pixel there.
    pub fn new(from: usize, to: usize, mut place: impl FnMut(usize) -> (i64, [W; K])) -> Self {
        let last = from as i64 - 1;
        let taps = (0..to).map(|index| {
            let (first, weights) = place(index);
            (std::array::from_fn(|k| (first + k as i64).clamp(0, last) as usize), weights)
        });
        Self { taps: taps.collect() }
    }

    /// The same places with other weights.
    pub fn map<V>(&self, weight: impl Fn(W) -> V) -> Lines<K, V> {
        Lines { taps: self.taps.iter().map(|(places, weights)| (*places, weights.map(&weight))).collect() }
    }
}

/// A picture of rows of `width` pixels of `channels` values, in another size: `across` makes a value of `K`
/// neighbours in a row, `down` one of `K` such values in a column.
pub fn interpolated<const K: usize, T: Copy, W: Copy, M: Copy + Default, O>(
    values: &[T],
    (width, channels): (usize, usize),
    columns: &Lines<K, W>,
    rows: &Lines<K, W>,
    across: impl Fn([T; K], [W; K]) -> M,
    down: impl Fn([M; K], [W; K]) -> O,
) -> Vec<O> {
    let length = columns.taps.len() * channels;
    let mut made = Vec::with_capacity(rows.taps.len() * length);
    // Rows that were interpolated already; `K` rows next to each other have places of their own.
    let mut kept: [(Option<usize>, Vec<M>); K] = std::array::from_fn(|_| (None, vec![M::default(); length]));
    for (places, weights) in &rows.taps {
        for place in *places {
            let (held, row) = &mut kept[place % K];
            if *held != Some(place) {
                let source = &values[place * width * channels..(place + 1) * width * channels];
                match channels {
                    1 => across_row::<K, 1, _, _, _>(
                        source.as_chunks().0,
                        columns,
                        &across,
                        row.as_chunks_mut().0,
                    ),
                    _ => across_row::<K, 3, _, _, _>(
                        source.as_chunks().0,
                        columns,
                        &across,
                        row.as_chunks_mut().0,
                    ),
                }
                *held = Some(place);
            }
        }
        let sources: [&[M]; K] = places.map(|place| &kept[place % K].1[..length]);
        made.extend((0..length).map(|x| down(sources.map(|source| source[x]), *weights)));
    }
    made
}

fn across_row<const K: usize, const N: usize, T: Copy, W: Copy, M>(
    source: &[[T; N]],
    columns: &Lines<K, W>,
    across: impl Fn([T; K], [W; K]) -> M,
    row: &mut [[M; N]],
) {
    for (pixel, (places, weights)) in row.iter_mut().zip(&columns.taps) {
        let neighbours = places.map(|place| source[place]);
        for (channel, value) in pixel.iter_mut().enumerate() {
            *value = across(neighbours.map(|neighbour| neighbour[channel]), *weights);
        }
    }
}

/// One pixel for each new one.
pub fn picked<T: Copy>(
    values: &[T],
    (width, channels): (usize, usize),
    columns: &[usize],
    rows: &[usize],
) -> Vec<T> {
    let mut picked = Vec::with_capacity(columns.len() * rows.len() * channels);
    for row in rows {
        let row = &values[row * width * channels..(row + 1) * width * channels];
        for column in columns {
            picked.extend_from_slice(&row[column * channels..(column + 1) * channels]);
        }
    }
    picked
}
