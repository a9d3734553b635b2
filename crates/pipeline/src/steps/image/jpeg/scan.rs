//! The way through the blocks of a scan, with its restarts (T.81, A.2 and E.2.4).

use super::JpegError;
use super::bits::Bits;

/// The blocks of a scan.
#[derive(Debug)]
pub struct Walk {
    /// What a unit has of each component.
    pub units: Vec<Unit>,
    /// Units in a row.
    pub across: usize,
    /// Rows of units.
    pub down: usize,
    /// Units between restarts; 0 when there are none.
    pub restart_interval: usize,
}

/// Blocks of one component in a unit.
#[derive(Clone, Copy, Debug)]
pub struct Unit {
    /// Next to each other.
    pub across: usize,
    /// Above each other.
    pub down: usize,
}

/// Reads blocks.
pub trait BlockDecoder {
    /// The block at column `x` and row `y` of the scan's component `part`.
    fn block(&mut self, bits: &mut Bits<'_>, part: usize, x: usize, y: usize) -> Result<(), JpegError>;

    /// Forgets what was read.
    fn restart(&mut self);
}

/// Reads all blocks of a scan and tells how many bytes they had.
pub fn walk(walk: &Walk, bytes: &[u8], decoder: &mut impl BlockDecoder) -> Result<usize, JpegError> {
    let mut bits = Bits::new(bytes);
    let mut left = walk.restart_interval;
    for y in 0..walk.down {
        for x in 0..walk.across {
            if walk.restart_interval > 0 {
                if left == 0 {
                    restart(&mut bits)?;
                    decoder.restart();
                    left = walk.restart_interval;
                }
                left -= 1;
            }
            for (part, unit) in walk.units.iter().enumerate() {
                for row in 0..unit.down {
                    for column in 0..unit.across {
                        decoder.block(&mut bits, part, x * unit.across + column, y * unit.down + row)?;
                    }
                }
            }
        }
        demand_data(&bits)?;
    }
    Ok(bits.used())
}

fn restart(bits: &mut Bits<'_>) -> Result<(), JpegError> {
    demand_data(bits)?;
    bits.restart().ok_or(JpegError::Damaged("a restart marker is missing"))
}

fn demand_data(bits: &Bits<'_>) -> Result<(), JpegError> {
    match bits.overran() {
        true => Err(JpegError::Damaged("a scan has too little data")),
        false => Ok(()),
    }
}
