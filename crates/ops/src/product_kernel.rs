//! The fast way of MatMul, FusedMatMul and Gemm: packed B and the `f32` matrix product.

use std::sync::Arc;

use lehr_graph::{Op, OpError, Signature};
use lehr_kernels::gemm::{Epilogue, MatRef, PackedB, PackedBRef, gemm, gemm_scratch_len};
use lehr_kernels::{AlignedVec, Isa, ShapeError, Team};
use lehr_tensor::Tensor;

use crate::cpu::{Kernel, Packed, Recipe, RunCx, Shares, are_f32, refused, sizes_of, with_sizes};
use crate::matrix_product::ProductShape;
use crate::operand::check_shape;

/// Where the elements of the matrices of an operand lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Strides {
    /// From one matrix to the next.
    pub(crate) matrix: usize,
    /// From one row to the next.
    pub(crate) row: usize,
    /// From one column to the next.
    pub(crate) column: usize,
}

impl Strides {
    /// Dense matrices of `rows x columns`.
    pub(crate) fn dense(rows: usize, columns: usize) -> Self {
        Self { matrix: rows * columns, row: columns, column: 1 }
    }

    /// Dense matrices of `columns x rows`, read transposed.
    pub(crate) fn transposed(rows: usize, columns: usize) -> Self {
        Self { matrix: rows * columns, row: 1, column: rows }
    }

    fn matrix<'a>(&self, data: &'a [f32], index: usize) -> MatRef<'a> {
        let data = data.get(index * self.matrix..).unwrap_or_default();
        MatRef { data, row_stride: self.row, col_stride: self.column }
    }
}

/// A product with its layouts.
pub(crate) struct ProductPlan {
    pub(crate) shape: ProductShape,
    pub(crate) a: Strides,
    pub(crate) b: Strides,
}

/// An operator that is a batched product.
pub(crate) trait FastProduct: Op + Clone {
    /// Sizes and layouts for operands of the given shapes.
    fn plan(&self, a: &[usize], b: &[usize]) -> Result<ProductPlan, OpError>;

    /// Factor of the product.
    fn alpha(&self) -> f32;
}

/// `b` holds the sizes of a constant B.
pub(crate) fn choose_product(io: &Signature<'_>) -> Option<Recipe> {
    if !are_f32(io, &[0, 1]) {
        return None;
    }
    let recipe = Recipe::new("gemm");
    match io.constants.get(1).copied().flatten().filter(|b| !b.is_empty()) {
        Some(b) => Some(with_sizes(recipe, "b", b.shape())),
        None => Some(recipe),
    }
}

/// Packs every matrix of a constant B.
pub(crate) fn pack_product(
    op: &impl FastProduct,
    recipe: &Recipe,
    constants: &[Option<&Tensor>],
) -> Result<Packed, OpError> {
    let sizes = sizes_of(recipe, "b");
    if sizes.is_empty() {
        return Ok(Packed::default());
    }
    let b = constants.get(1).copied().flatten().ok_or(OpError::MissingInput { index: 1 })?;
    check_shape(1, b, &sizes)?;
    let (k, n, strides, count) = layout_of_b(op, &sizes)?;
    let data = b.as_slice::<f32>()?;
    let blocks = (0..count).map(|i| packed_b(k, n, strides.matrix(&data, i))).collect::<Result<_, _>>()?;
    Ok(Packed { blocks })
}

/// A matrix B in packed form.
pub(crate) fn packed_b(k: usize, n: usize, b: MatRef<'_>) -> Result<AlignedVec, OpError> {
    let mut block = AlignedVec::zeroed(packed_len(k, n)?);
    PackedB::pack_into(k, n, b, block.as_mut_slice());
    Ok(block)
}

fn packed_len(k: usize, n: usize) -> Result<usize, OpError> {
    PackedB::len_of(k, n).ok_or_else(|| refused(ShapeError::TooLarge { what: "packed matrix" }))
}

/// Inner size, columns, layout and number of the matrices of a B of this shape: those of its product with a fitting row.
fn layout_of_b(op: &impl FastProduct, b: &[usize]) -> Result<(usize, usize, Strides, usize), OpError> {
    // Whether the operator transposes it or not, one of the last two sizes (or the first) is the inner one.
    let candidates = b.iter().copied();
    for inner in candidates {
        // A square stands for a row, since A may be transposed as well.
        if let Ok(plan) = op.plan(&[inner, inner], b) {
            let len: usize = b.iter().product();
            let count = len.checked_div(plan.shape.k * plan.shape.n).unwrap_or(0);
            return Ok((plan.shape.k, plan.shape.n, plan.b, count));
        }
    }
    Err(OpError::shape(format!("input 1: {b:?} is no matrix")))
}

/// The kernel of a recipe.
pub(crate) fn bind_product(
    op: &impl FastProduct,
    recipe: &Recipe,
    packed: Arc<Packed>,
) -> Result<Box<dyn Kernel>, OpError> {
    let b = sizes_of(recipe, "b");
    if b.is_empty() != packed.blocks.is_empty() {
        return Err(OpError::value("the packed matrices do not belong to this recipe"));
    }
    Ok(Box::new(ProductKernel { op: op.clone(), b, packed }))
}

/// The inputs that the packed matrices replace.
pub(crate) fn product_packed_inputs(recipe: &Recipe) -> Vec<usize> {
    if recipe.get("b") > 0 { vec![1] } else { Vec::new() }
}

struct ProductKernel<T> {
    op: T,
    /// Sizes of the packed B; empty when B comes at run time.
    b: Vec<usize>,
    packed: Arc<Packed>,
}

impl<T: FastProduct> Kernel for ProductKernel<T> {
    fn run(&self, cx: &mut RunCx<'_>) -> Result<(), OpError> {
        let a = cx.tensor(0)?;
        let b = if self.b.is_empty() { Some(cx.tensor(1)?) } else { None };
        let plan = self.op.plan(a.shape(), b.map_or(&self.b, |b| b.shape()))?;
        let a = a.as_slice::<f32>()?;
        let b = b.map(|b| b.as_slice::<f32>()).transpose()?;
        let mut c = cx.buffers.take(lehr_tensor::checked_len(&plan.shape.output)?);
        let epilogue = Epilogue { alpha: self.op.alpha(), ..Epilogue::default() };
        let job = Job { plan: &plan, a: &a, b: b.as_deref(), packed: &self.packed, epilogue, isa: cx.isa };
        job.run(cx, &mut c)?;
        let y = Tensor::from_vec(&plan.shape.output, c)?;
        cx.set(0, y);
        Ok(())
    }
}

struct Job<'a> {
    plan: &'a ProductPlan,
    a: &'a [f32],
    b: Option<&'a [f32]>,
    packed: &'a Packed,
    epilogue: Epilogue<'a>,
    isa: Isa,
}

impl Job<'_> {
    fn run(&self, cx: &RunCx<'_>, c: &mut [f32]) -> Result<(), OpError> {
        let ProductShape { m, k, n, .. } = self.plan.shape;
        if c.is_empty() {
            return Ok(());
        }
        let dense_a = self.plan.a == Strides::dense(m, k);
        let matrices = self.plan.shape.matrices();
        // Rows of all matrices that meet the same B make one tall matrix.
        let tall = dense_a && self.plan.shape.shares_b();
        let (rows, count) = if tall { (m * matrices, 1) } else { (m, matrices) };
        let b_len = if self.b.is_some() { packed_len(k, n)? } else { 0 };
        let a_len = gemm_scratch_len(cx.team, k, self.plan.a.column);
        let pairs: Vec<(usize, usize)> = self.plan.shape.pairs().take(count).collect();
        let spread = count > 1 && cx.team.threads() > 1;
        if !spread {
            let mut scratch = cx.buffers.take(a_len + b_len);
            let (for_a, for_b) = scratch.split_at_mut(a_len);
            let mut last = None;
            for (&(pa, pb), c) in pairs.iter().zip(c.chunks_exact_mut(rows * n)) {
                let fresh = last != Some(pb);
                last = Some(pb);
                self.one(cx.team, rows, (pa, pb), c, for_a, for_b, fresh)?;
            }
            cx.buffers.give(scratch);
            return Ok(());
        }
        // Matrices are spread over the threads; a nested product finds the team busy and runs alone.
        let each = a_len + b_len;
        let mut scratch = cx.buffers.take(each * cx.team.threads());
        let workers = Shares::new(&mut scratch, each);
        let parts = Shares::new(c, rows * n);
        let failed = std::sync::Mutex::new(None);
        cx.team.parallel_for_worker(pairs.len(), |worker, task| {
            let result = workers.with(worker, |scratch| {
                let (for_a, for_b) = scratch.split_at_mut(a_len.min(scratch.len()));
                parts.with(task, |c| self.one(cx.team, rows, pairs[task], c, for_a, for_b, true))
            });
            if let Err(error) = result {
                *failed.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(error);
            }
        });
        drop(workers);
        cx.buffers.give(scratch);
        failed.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner).map_or(Ok(()), Err)
    }

    /// One product; `fresh` says that the matrix of B in `for_b` is another one.
    #[allow(clippy::too_many_arguments, reason = "one matrix of each operand and the scratch for both")]
    fn one(
        &self,
        team: &Team,
        rows: usize,
        (pa, pb): (usize, usize),
        c: &mut [f32],
        for_a: &mut [f32],
        for_b: &mut [f32],
        fresh: bool,
    ) -> Result<(), OpError> {
        let ProductShape { k, n, .. } = self.plan.shape;
        let b = match (self.b, self.packed.blocks.get(pb)) {
            (Some(b), _) if fresh => PackedB::pack_into(k, n, self.plan.b.matrix(b, pb), for_b),
            (Some(_), _) => PackedBRef::new(for_b, k, n).map_err(refused)?,
            (None, Some(block)) => PackedBRef::new(block.as_slice(), k, n).map_err(refused)?,
            (None, None) => return Err(OpError::value(format!("there is no packed matrix {pb}"))),
        };
        let a = self.plan.a.matrix(self.a, pa);
        gemm(team, self.isa, rows, n, k, a, b, c, n, &self.epilogue, for_a);
        Ok(())
    }
}

/// The fast way of an operator that implements [`FastProduct`].
macro_rules! product_cpu_op {
    ($op:ty) => {
        impl $crate::cpu::CpuOp for $op {
            fn choose(
                &self,
                io: &lehr_graph::Signature<'_>,
                _isa: lehr_kernels::Isa,
            ) -> Option<$crate::cpu::Recipe> {
                $crate::product_kernel::choose_product(io)
            }

            fn pack(
                &self,
                recipe: &$crate::cpu::Recipe,
                constants: &[Option<&lehr_tensor::Tensor>],
            ) -> Result<$crate::cpu::Packed, lehr_graph::OpError> {
                $crate::product_kernel::pack_product(self, recipe, constants)
            }

            fn packed_inputs(&self, recipe: &$crate::cpu::Recipe) -> Vec<usize> {
                $crate::product_kernel::product_packed_inputs(recipe)
            }

            fn bind(
                &self,
                recipe: &$crate::cpu::Recipe,
                packed: std::sync::Arc<$crate::cpu::Packed>,
            ) -> Result<Box<dyn $crate::cpu::Kernel>, lehr_graph::OpError> {
                $crate::product_kernel::bind_product(self, recipe, packed)
            }
        }
    };
}
pub(crate) use product_cpu_op;
