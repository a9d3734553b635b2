//! Shapes and values of blocked maps.

use lehr_graph::{Dim, OpError, Shape};
use lehr_kernels::blocked::BLOCK;

/// `[N, C, H, W]` as blocked maps.
pub(super) fn blocked_shape(plain: &Shape) -> Result<Shape, OpError> {
    let [batch, channels, spatial @ ..] = plain.dims() else { return Err(expected_rank(4, plain)) };
    if spatial.len() != 2 {
        return Err(expected_rank(4, plain));
    }
    let blocks = channels.ceil_div(&Dim::from(BLOCK));
    Ok([batch.clone(), blocks].into_iter().chain(spatial.iter().cloned()).chain([Dim::from(BLOCK)]).collect())
}

/// Blocked maps of `channels` channels as `[N, C, H, W]`.
pub(super) fn plain_shape(blocked: &Shape, channels: Dim) -> Result<Shape, OpError> {
    let [batch, blocks, height, width, lanes] = blocked.dims() else { return Err(expected_rank(5, blocked)) };
    let fits = channels.ceil_div(&Dim::from(BLOCK)).equal(blocks) != Some(false);
    if lanes.equal(&Dim::from(BLOCK)) == Some(false) || !fits {
        return Err(OpError::shape(format!(
            "expected {channels} channels in blocks of {BLOCK}, got {blocked}"
        )));
    }
    Ok([batch.clone(), channels, height.clone(), width.clone()].into_iter().collect())
}

fn expected_rank(rank: usize, got: &Shape) -> OpError {
    OpError::shape(format!("expected rank {rank}, got {got}"))
}

/// Sizes of plain maps from those of blocked ones.
pub(super) fn plain_sizes(blocked: &[usize], channels: usize) -> Result<[usize; 4], OpError> {
    match *blocked {
        [batch, blocks, height, width, BLOCK] if blocks == channels.div_ceil(BLOCK) => {
            Ok([batch, channels, height, width])
        }
        _ => {
            Err(OpError::shape(format!("expected {channels} channels in blocks of {BLOCK}, got {blocked:?}")))
        }
    }
}

/// As [`blocked_of`], of sizes of any number.
pub(super) fn blocked_sizes(plain: &[usize]) -> Result<[usize; 5], OpError> {
    match *plain {
        [batch, channels, height, width] => Ok(blocked_of([batch, channels, height, width])),
        _ => Err(OpError::shape(format!("expected rank 4, got {plain:?}"))),
    }
}

/// Sizes of blocked maps from those of plain ones.
pub(super) fn blocked_of([batch, channels, height, width]: [usize; 4]) -> [usize; 5] {
    [batch, channels.div_ceil(BLOCK), height, width, BLOCK]
}

/// Plain values in blocks, zeros in the spare lanes.
pub(super) fn to_blocks(plain: &[f64], [batch, channels, height, width]: [usize; 4]) -> Vec<f64> {
    let (pixels, blocks) = (height * width, channels.div_ceil(BLOCK));
    let mut out = vec![0.0; batch * blocks * pixels * BLOCK];
    for (index, value) in plain.iter().enumerate() {
        let (plane, pixel) = (index / pixels, index % pixels);
        let (image, channel) = (plane / channels, plane % channels);
        out[((image * blocks + channel / BLOCK) * pixels + pixel) * BLOCK + channel % BLOCK] = *value;
    }
    out
}

/// The opposite of [`to_blocks`].
pub(super) fn from_blocks(blocked: &[f64], [batch, channels, height, width]: [usize; 4]) -> Vec<f64> {
    let (pixels, blocks) = (height * width, channels.div_ceil(BLOCK));
    let value = |index: usize| {
        let (plane, pixel) = (index / pixels, index % pixels);
        let (image, channel) = (plane / channels, plane % channels);
        blocked[((image * blocks + channel / BLOCK) * pixels + pixel) * BLOCK + channel % BLOCK]
    };
    (0..batch * channels * pixels).map(value).collect()
}
