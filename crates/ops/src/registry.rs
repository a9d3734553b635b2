//! The list of operators and how they are found by name.

use std::collections::HashMap;
use std::sync::OnceLock;

use lehr_graph::{Op, OpSchema, Registry};

use crate::cpu::CpuOp;

/// One registered operator.
pub struct Registration {
    /// Its facts.
    pub schema: &'static OpSchema,
    /// Whether the operator has a fast way.
    pub has_cpu: bool,
    /// Its fast way, if the operator has one.
    pub cpu: fn(&dyn Op) -> Option<&dyn CpuOp>,
}

/// Declares a module per operator and the list of them: `module::Type;` rows, with `cpu` behind the type where the
/// operator has a fast way.
macro_rules! operators {
    ($($module:ident :: $ty:ident $($cpu:ident)?;)*) => {
        $(pub mod $module;)*

        /// The operators of this module.
        pub const OPERATORS: &[$crate::registry::Registration] =
            &[$($crate::registry::operators!(@row $module $ty $($cpu)?)),*];
    };
    (@row $module:ident $ty:ident) => {
        $crate::registry::Registration { schema: &$module::$ty::SCHEMA, has_cpu: false, cpu: |_| None }
    };
    (@row $module:ident $ty:ident cpu) => {
        $crate::registry::Registration {
            schema: &$module::$ty::SCHEMA,
            has_cpu: true,
            cpu: |op| op.downcast_ref::<$module::$ty>().map(|op| op as &dyn $crate::cpu::CpuOp),
        }
    };
}
pub(crate) use operators;

/// All registered operators.
pub fn all() -> impl Iterator<Item = &'static Registration> {
    let lists = [
        crate::OPERATORS,
        crate::com_microsoft::OPERATORS,
        crate::lowered::OPERATORS,
        crate::ml::OPERATORS,
        crate::preview::OPERATORS,
    ];
    lists.into_iter().flatten()
}

/// The registration of an operator, by domain (empty for the default one) and name.
pub fn find(domain: &str, name: &str) -> Option<&'static Registration> {
    static BY_NAME: OnceLock<HashMap<(&'static str, &'static str), &'static Registration>> = OnceLock::new();
    let by_name = BY_NAME.get_or_init(|| all().map(|r| ((r.schema.domain, r.schema.name), r)).collect());
    by_name.get(&(domain, name)).copied()
}

/// The fast way of an operator, if it has one.
pub fn cpu_op(op: &dyn Op) -> Option<&dyn CpuOp> {
    let schema = op.schema();
    (find(schema.domain, schema.name)?.cpu)(op)
}

/// The list as a [`Registry`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Operators;

impl Registry for Operators {
    fn schema(&self, domain: &str, name: &str) -> Option<&'static OpSchema> {
        let opaque = lehr_graph::opaque::Opaque::SCHEMA;
        if (domain, name) == (opaque.domain, opaque.name) {
            return Some(opaque);
        }
        find(domain, name).map(|r| r.schema)
    }
}
