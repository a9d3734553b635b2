//! The components of a picture while its scans are read: brightness, colors.

use super::JpegError;
use super::baseline::{self, Baseline};
use super::inverse_dct::inverse_dct;
use super::progressive::{self, Progressive};
use super::scan::{self, Unit, Walk};
use super::segments::{Frame, NATURAL, Sampling, ScanHeader, Tables};
use super::upsample::Plane;

/// Everything that was decoded of a frame.
#[derive(Debug)]
pub struct Components {
    /// Its header.
    pub frame: Frame,
    list: Vec<Component>,
}

/// One component: its samples, or while a progressive file is read its coefficients.
#[derive(Debug)]
pub struct Component {
    sampling: Sampling,
    /// Samples that belong to the picture.
    width: usize,
    height: usize,
    /// Whole blocks, those that fill up the last units too.
    pub blocks_across: usize,
    /// Steps of quantisation, in zigzag order, as they were at the component's first scan.
    pub steps: Option<[u16; 64]>,
    /// Of whole blocks, row by row.
    pub samples: Vec<u8>,
    /// Of whole blocks, row by row; each row by row and without the steps.
    pub coefficients: Vec<[i16; 64]>,
}

impl Component {
    fn new(sampling: Sampling, frame: &Frame) -> Self {
        let (h, v) = frame.largest();
        let blocks_across = frame.width.div_ceil(8 * h) * sampling.h;
        let blocks_down = frame.height.div_ceil(8 * v) * sampling.v;
        let blocks = blocks_across * blocks_down;
        Self {
            width: (frame.width * sampling.h).div_ceil(h),
            height: (frame.height * sampling.v).div_ceil(v),
            blocks_across,
            steps: None,
            samples: if frame.progressive { Vec::new() } else { vec![0; blocks * 64] },
            coefficients: if frame.progressive { vec![[0; 64]; blocks] } else { Vec::new() },
            sampling,
        }
    }

    /// Samples of all coefficients.
    fn transform(&mut self) -> Result<(), JpegError> {
        let zigzag = self.steps.ok_or(JpegError::Damaged("a component has no scan"))?;
        let mut steps = [0; 64];
        for (step, place) in zigzag.iter().zip(NATURAL) {
            steps[place] = *step as i16;
        }
        self.samples = vec![0; self.coefficients.len() * 64];
        let stride = self.blocks_across * 8;
        let rows = self.coefficients.chunks_exact(self.blocks_across);
        for (row, samples) in rows.zip(self.samples.chunks_exact_mut(stride * 8)) {
            for (x, block) in row.iter().enumerate() {
                let scaled: [i16; 64] = std::array::from_fn(|k| block[k].wrapping_mul(steps[k]));
                let pixels = inverse_dct(&scaled);
                for (line, pixels) in samples.chunks_exact_mut(stride).zip(pixels) {
                    line[x * 8..x * 8 + 8].copy_from_slice(&pixels);
                }
            }
        }
        self.coefficients = Vec::new();
        Ok(())
    }
}

impl Components {
    /// Of a frame of which nothing was read yet.
    pub fn new(frame: Frame) -> Self {
        let list = frame.components.iter().map(|sampling| Component::new(sampling.clone(), &frame)).collect();
        Self { frame, list }
    }

    /// Reads a scan's entropy-coded data and tells how many bytes it had.
    pub fn decode_scan(
        &mut self,
        header: &ScanHeader,
        tables: &Tables,
        bytes: &[u8],
    ) -> Result<usize, JpegError> {
        let frame = &self.frame;
        let mut list: Vec<Option<&mut Component>> = self.list.iter_mut().map(Some).collect();
        let mut used = Vec::new();
        for part in &header.components {
            let slot = frame.components.iter().position(|component| component.id == part.id);
            let component = slot.and_then(|slot| list.get_mut(slot)).and_then(Option::take);
            let component =
                component.ok_or(JpegError::Damaged("a scan's components are not those of the frame"))?;
            if component.steps.is_none() {
                let table = tables.quantization.get(component.sampling.table).copied().flatten();
                component.steps = Some(table.ok_or(JpegError::Damaged("a quantisation table is missing"))?);
            }
            used.push((component, *part));
        }
        let walk = walk(frame, &used, tables.restart_interval)?;
        if frame.progressive {
            let parts =
                used.into_iter().map(|(component, part)| progressive::Part::new(component, part, tables));
            scan::walk(&walk, bytes, &mut Progressive::new(parts.collect(), header)?)
        } else {
            let parts =
                used.into_iter().map(|(component, part)| baseline::Part::new(component, part, tables));
            scan::walk(&walk, bytes, &mut Baseline::new(parts.collect::<Result<_, _>>()?))
        }
    }

    /// The samples of all components.
    pub fn into_planes(self) -> Result<Vec<Plane>, JpegError> {
        let (h, v) = self.frame.largest();
        let planes = self.list.into_iter().map(|mut component| {
            match self.frame.progressive {
                true => component.transform()?,
                false if component.steps.is_none() => {
                    return Err(JpegError::Damaged("a component has no scan"));
                }
                false => {}
            }
            let Sampling { h: own_h, v: own_v, .. } = component.sampling;
            if !h.is_multiple_of(own_h) || !v.is_multiple_of(own_v) {
                return Err(JpegError::Unsupported("JPEG files with sampling factors of no whole ratio"));
            }
            Ok(Plane::new(
                component.samples,
                component.blocks_across * 8,
                (component.width, component.height),
                (h / own_h, v / own_v),
            ))
        });
        planes.collect()
    }
}

/// The way of a scan through the blocks: all components in turn, or the blocks of one.
fn walk(
    frame: &Frame,
    used: &[(&mut Component, super::segments::ScanComponent)],
    restart_interval: usize,
) -> Result<Walk, JpegError> {
    if let [(component, _)] = used {
        return Ok(Walk {
            units: vec![Unit { across: 1, down: 1 }],
            across: component.width.div_ceil(8),
            down: component.height.div_ceil(8),
            restart_interval,
        });
    }
    let units: Vec<_> = used
        .iter()
        .map(|(component, _)| Unit { across: component.sampling.h, down: component.sampling.v })
        .collect();
    let (h, v) = frame.largest();
    if units.iter().map(|unit| unit.across * unit.down).sum::<usize>() > 10 {
        return Err(JpegError::Damaged("a unit of a scan has more than 10 blocks"));
    }
    Ok(Walk {
        units,
        across: frame.width.div_ceil(8 * h),
        down: frame.height.div_ceil(8 * v),
        restart_interval,
    })
}
