//! Buffers that go around between the nodes of a run and from run to run.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use lehr_graph::Datum;
use lehr_ops::cpu::Buffers;

/// Smaller buffers are left to the allocator, which is as fast there.
const SMALLEST: usize = 256;

/// Free `f32` buffers by size class.
///
/// No more come back than were taken: memory that nodes got elsewhere does not pile up here.
#[derive(Debug)]
pub(crate) struct BufferPool {
    classes: RefCell<BTreeMap<usize, Class>>,
    free_bytes: Cell<usize>,
    limit: usize,
}

#[derive(Debug, Default)]
struct Class {
    free: Vec<Vec<f32>>,
    /// Buffers taken and not given back.
    lent: usize,
}

impl BufferPool {
    /// A pool that keeps at most `limit` bytes of free buffers.
    pub(crate) fn new(limit: usize) -> Self {
        Self { classes: RefCell::default(), free_bytes: Cell::new(0), limit }
    }

    /// Bytes of the free buffers.
    pub(crate) fn free_bytes(&self) -> usize {
        self.free_bytes.get()
    }

    /// Takes the memory of a value back if nobody else holds it.
    pub(crate) fn recycle(&self, value: Datum) {
        match value {
            Datum::Tensor(tensor) => {
                if let Ok(buffer) = tensor.try_into_vec::<f32>() {
                    self.give(buffer);
                }
            }
            Datum::Sequence(items) => items.into_iter().for_each(|item| self.recycle(item)),
            Datum::Optional(_) | Datum::Map(_) => {}
        }
    }
}

impl Buffers for BufferPool {
    fn take(&self, len: usize) -> Vec<f32> {
        if len < SMALLEST {
            return vec![0.0; len];
        }
        let size = class_above(len);
        let mut classes = self.classes.borrow_mut();
        let class = classes.entry(size).or_default();
        class.lent += 1;
        let mut buffer = match class.free.pop() {
            Some(buffer) => {
                self.free_bytes.set(self.free_bytes.get().saturating_sub(bytes(&buffer)));
                buffer
            }
            None => Vec::with_capacity(size),
        };
        // Costs nothing when the buffer had this length before.
        buffer.resize(len, 0.0);
        buffer
    }

    fn give(&self, buffer: Vec<f32>) {
        let size = bytes(&buffer);
        let mut classes = self.classes.borrow_mut();
        let Some(class) = classes.get_mut(&class_below(buffer.capacity())).filter(|class| class.lent > 0)
        else {
            return;
        };
        class.lent -= 1;
        if size.saturating_add(self.free_bytes.get()) <= self.limit {
            self.free_bytes.set(self.free_bytes.get() + size);
            class.free.push(buffer);
        }
    }
}

fn bytes(buffer: &Vec<f32>) -> usize {
    buffer.capacity().saturating_mul(size_of::<f32>())
}

/// The smallest class of at least `len`: four classes for each power of two, so that at most a fifth is wasted.
fn class_above(len: usize) -> usize {
    let step = step_of(len);
    len.div_ceil(step).saturating_mul(step)
}

/// The largest class of at most `capacity`.
fn class_below(capacity: usize) -> usize {
    let step = step_of(capacity);
    capacity / step * step
}

fn step_of(len: usize) -> usize {
    1 << len.checked_ilog2().unwrap_or(0).saturating_sub(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_enclose_the_length_and_are_their_own_class() {
        for len in (1..5000).chain([1 << 20, (1 << 20) + 1]) {
            let (above, below) = (class_above(len), class_below(len));
            assert!(below <= len && len <= above && above <= len + len / 4 + 1, "{len}");
            assert_eq!((class_above(above), class_below(above)), (above, above), "{len}");
        }
    }

    #[test]
    fn buffers_come_back_up_to_the_limit() {
        let pool = BufferPool::new(10_000);
        let buffer = pool.take(1000);
        let at = buffer.as_ptr();
        pool.give(buffer);
        let again = pool.take(1001);
        assert_eq!((again.as_ptr(), again.len()), (at, 1001));
        assert_eq!(pool.free_bytes(), 0);
        pool.give(again);
        let kept = pool.free_bytes();
        assert!((4_000..=10_000).contains(&kept));
        pool.give(vec![0.0; 1000]);
        let large = pool.take(100_000);
        pool.give(large);
        assert_eq!(pool.free_bytes(), kept, "strangers and what is over the limit are left to the allocator");
    }

    #[test]
    fn shared_values_are_not_recycled() {
        let pool = BufferPool::new(1 << 20);
        drop(pool.take(1000));
        let tensor = lehr_tensor::Tensor::vector(vec![1.0f32; 1024]);
        pool.recycle(tensor.clone().into());
        assert_eq!(pool.free_bytes(), 0);
        pool.recycle(tensor.into());
        assert_eq!(pool.free_bytes(), 4096);
    }
}
