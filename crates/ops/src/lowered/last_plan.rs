//! The plan of a kernel for the sizes that came last: most sessions see one size only.

use std::sync::{Arc, PoisonError, RwLock};

use lehr_graph::OpError;

/// A plan and the sizes it was made for.
#[derive(Debug)]
pub(super) struct LastPlan<T>(RwLock<Option<(Vec<usize>, Arc<T>)>>);

impl<T> Default for LastPlan<T> {
    fn default() -> Self {
        Self(RwLock::new(None))
    }
}

impl<T> LastPlan<T> {
    /// The plan for `sizes`, made if they are others than the last ones.
    ///
    /// # Errors
    /// Those of `make`.
    pub(super) fn get(
        &self,
        sizes: &[usize],
        make: impl FnOnce() -> Result<T, OpError>,
    ) -> Result<Arc<T>, OpError> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, plan)) = known.as_ref().filter(|(own, _)| own == sizes) {
            return Ok(Arc::clone(plan));
        }
        drop(known);
        let plan = Arc::new(make()?);
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some((sizes.to_vec(), Arc::clone(&plan)));
        Ok(plan)
    }
}
