//! The operator trait: everything the system knows about an operator comes through it.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use crate::attribute::Attributes;
use crate::axes::AxisMap;
use crate::builder::Builder;
use crate::cost::Cost;
use crate::error::OpError;
use crate::eval::EvalCx;
use crate::flags::Flags;
use crate::graph::Graph;
use crate::infer::InferCx;
use crate::permutation::Permutation;
use crate::permuted::Permuted;
use crate::signature::Signature;
use crate::transfer::{ReadCx, ReadValues, WriteCx};

/// A shared operator instance.
pub type OpRef = Arc<dyn Op>;

/// The fixed facts of an operator; one constant per operator.
pub struct OpSchema {
    /// Name, as in the ONNX specification.
    pub name: &'static str,
    /// Domain; empty for the default ONNX domain.
    pub domain: &'static str,
    /// The opset whose semantics this operator has (the newest that changed it).
    pub since: i64,
    /// Fewest and most inputs (without captured values).
    pub inputs: (usize, usize),
    /// Fewest and most outputs.
    pub outputs: (usize, usize),
    /// Promises.
    pub flags: Flags,
    /// Builds the operator from a file node of any version, upgrading as needed.
    pub read: fn(&mut ReadCx<'_>) -> Result<ReadValues, OpError>,
    /// Builds the operator from attributes in the form of [`OpMeta::attributes`].
    pub from_attributes: fn(&Attributes) -> Result<OpRef, OpError>,
}

/// The part of an operator that `declare_op!` generates.
pub trait OpMeta: fmt::Debug + Send + Sync + Any {
    /// The fixed facts.
    fn schema(&self) -> &'static OpSchema;

    /// All attributes that differ from absence, in declaration order.
    fn attributes(&self) -> Attributes;

    /// For downcasts.
    fn as_any(&self) -> &dyn Any;
}

/// An operator with its attributes.
///
/// Implementations live in one file each and are registered in one list.
pub trait Op: OpMeta {
    /// Computes the types of the outputs from the types (and constant contents) of the inputs.
    /// Unknown inputs give unknown outputs; an error means that no input of these types is valid.
    ///
    /// # Errors
    /// [`OpError`] when the inputs can not be valid.
    fn infer(&self, cx: &mut InferCx<'_>) -> Result<(), OpError>;

    /// Computes the outputs slowly and obviously: the oracle for every faster way.
    /// Without an own implementation the [decomposition](Op::decompose) is evaluated.
    ///
    /// # Errors
    /// [`OpError`] when the inputs are not valid.
    fn eval(&self, cx: &mut EvalCx<'_>) -> Result<(), OpError> {
        cx.eval_decomposition(self)
    }

    /// Expresses the operator by simpler ones; returns `false` when it has no such form for these inputs.
    ///
    /// # Errors
    /// [`OpError`] when the inputs are not valid.
    fn decompose(&self, builder: &mut Builder) -> Result<bool, OpError> {
        let _ = builder;
        Ok(false)
    }

    /// Work and traffic for inputs and outputs of the given types.
    fn cost(&self, io: &Signature<'_>) -> Cost {
        Cost::of_traffic(io)
    }

    /// How output axes come from input axes.
    fn axes(&self, io: &Signature<'_>) -> AxisMap {
        if self.flags().contains(Flags::ELEMENTWISE) { AxisMap::elementwise(io) } else { AxisMap::opaque(io) }
    }

    /// The node that gives the same values, bit for bit, when they come with their axes in another order. `order` is that
    /// of the side with more axes, of input 0 and output 0. Nothing where the operator is bound to its order of axes.
    fn permuted(&self, io: &Signature<'_>, order: &Permutation) -> Option<Permuted> {
        let moves_freely = self.flags().contains(Flags::ELEMENTWISE) && !self.flags().contains(Flags::RANDOM);
        if moves_freely { Permuted::elementwise(io, order) } else { None }
    }

    /// Promises that hold for this instance.
    fn flags(&self) -> Flags {
        self.schema().flags
    }

    /// Subgraphs by attribute name.
    fn subgraphs(&self) -> Vec<(&'static str, &Arc<Graph>)> {
        Vec::new()
    }

    /// The same operator with other subgraphs, given in the order of [`Op::subgraphs`].
    fn with_subgraphs(&self, graphs: Vec<Arc<Graph>>) -> Option<OpRef> {
        let _ = graphs;
        None
    }

    /// Turns the node into the form that the asked opset has; the default suits operators whose form never changed.
    ///
    /// # Errors
    /// [`OpError`] when that opset can not express it.
    fn write(&self, cx: &mut WriteCx<'_>) -> Result<(), OpError> {
        let _ = cx;
        Ok(())
    }
}

impl dyn Op {
    /// The operator as `T`, if it is one.
    pub fn downcast_ref<T: Op>(&self) -> Option<&T> {
        self.as_any().downcast_ref()
    }

    /// Whether this is a `T`.
    pub fn is<T: Op>(&self) -> bool {
        self.as_any().is::<T>()
    }

    /// Name with its domain, as `com.microsoft::FusedConv` or `Conv`.
    pub fn full_name(&self) -> String {
        full_name(self.schema().domain, self.schema().name)
    }

    /// Whether two operators compute the same function.
    pub fn same(&self, other: &dyn Op) -> bool {
        let (a, b) = (self.schema(), other.schema());
        a.name == b.name && a.domain == b.domain && self.attributes() == other.attributes()
    }
}

/// `domain::name`, or the bare name in the default domain.
pub fn full_name(domain: &str, name: &str) -> String {
    if domain.is_empty() { name.to_owned() } else { format!("{domain}::{name}") }
}

/// Finds operators by name; implemented by the list in `lehr-ops`.
pub trait Registry: Sync {
    /// The facts of an operator.
    fn schema(&self, domain: &str, name: &str) -> Option<&'static OpSchema>;
}

/// Declares an operator's struct with its attributes and the generated half of its implementation.
///
/// ```ignore
/// declare_op! {
///     /// `max(x, alpha·x)`. <https://onnx.ai/onnx/operators/onnx__LeakyRelu.html>
///     pub struct LeakyRelu ("", "LeakyRelu", 16) inputs(1, 1) outputs(1, 1) flags(ELEMENTWISE) {
///         /// Slope for negative inputs.
///         alpha: f32 = 0.01,
///     }
/// }
/// ```
/// An attribute without a default is required unless its type is an `Option`, which then needs `= None`.
/// `read(Self::read)` after the flags names an own reading function for operators whose form changed between opsets.
#[macro_export]
macro_rules! declare_op {
    (
        $(#[$doc:meta])*
        pub struct $name:ident ($domain:literal, $op:literal, $since:literal)
        inputs($imin:expr, $imax:expr) outputs($omin:expr, $omax:expr)
        flags($($flag:ident),* $(,)?)
        $(read($read:path))?
        { $($(#[$adoc:meta])* $attr:ident : $ty:ty $(= $default:expr)?),* $(,)? }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name { $($(#[$adoc])* pub $attr: $ty),* }

        impl $name {
            /// The fixed facts of this operator.
            pub const SCHEMA: $crate::op::OpSchema = $crate::op::OpSchema {
                name: $op,
                domain: $domain,
                since: $since,
                inputs: ($imin, $imax),
                outputs: ($omin, $omax),
                flags: $crate::flags::Flags::NONE$(.with($crate::flags::Flags::$flag))*,
                read: $crate::__read_fn!($name $(, $read)?),
                from_attributes: |attributes| Ok(std::sync::Arc::new(Self::from_attributes(attributes)?)),
            };

            /// Reads the typed attributes.
            ///
            /// # Errors
            /// `OpError::Attribute` for a missing or wrongly typed one.
            pub fn from_attributes(attributes: &$crate::attribute::Attributes) -> Result<Self, $crate::error::OpError> {
                let _ = attributes;
                Ok(Self { $($attr: $crate::__read_attribute!(attributes, $crate::__attribute_name!($attr) $(, $default)?)),* })
            }
        }

        impl $crate::op::OpMeta for $name {
            fn schema(&self) -> &'static $crate::op::OpSchema {
                static SCHEMA: $crate::op::OpSchema = $name::SCHEMA;
                &SCHEMA
            }

            fn attributes(&self) -> $crate::attribute::Attributes {
                $crate::attribute::Attributes::of_present([$((
                    $crate::__attribute_name!($attr),
                    $crate::attribute::AttributeValue::to_attribute(&self.$attr),
                )),*])
            }

            fn as_any(&self) -> &dyn std::any::Any {
                self
            }
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __attribute_name {
    ($attr:ident) => {
        // A raw identifier (`r#else`) names the attribute without its prefix.
        stringify!($attr).trim_start_matches("r#")
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __read_attribute {
    ($attributes:expr, $name:expr) => {
        $attributes.require($name)?
    };
    ($attributes:expr, $name:expr, $default:expr) => {
        $attributes.read($name)?.unwrap_or_else(|| $default)
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __read_fn {
    ($name:ident) => {
        |cx| {
            let op = $name::from_attributes(cx.attributes())?;
            cx.emit_same(op)
        }
    };
    ($name:ident, $read:path) => {
        $read
    };
}
