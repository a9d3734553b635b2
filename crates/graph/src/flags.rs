//! What an operator promises about itself, so that passes need not know its name.

use std::ops::{BitOr, BitOrAssign};

/// A set of promises; see the constants.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Flags(u32);

macro_rules! flags {
    ($($(#[$doc:meta])* $name:ident = $bit:literal;)*) => {
        impl Flags {
            $($(#[$doc])* pub const $name: Flags = Flags(1 << $bit);)*
            const NAMES: &[(Flags, &str)] = &[$((Flags::$name, stringify!($name))),*];
        }
    };
}

flags! {
    /// Each output element depends on the input elements at the same (broadcast) position only.
    ELEMENTWISE = 0;
    /// Non-decreasing in its first input.
    MONOTONE = 1;
    /// f(-x) = -f(x).
    ODD = 2;
    /// f(-x) = f(x).
    EVEN = 3;
    /// Swapping the two inputs changes nothing.
    COMMUTATIVE = 4;
    /// (a op b) op c = a op (b op c), exactly for integers, up to rounding for floats.
    ASSOCIATIVE = 5;
    /// f(f(x)) = f(x).
    IDEMPOTENT = 6;
    /// Two runs with equal inputs may differ (random numbers): never folded, merged or removed by value.
    RANDOM = 7;
    /// Holds subgraphs.
    CONTROL_FLOW = 8;
    /// Reads only the shape or type of its inputs, not their contents.
    SHAPE_ONLY = 9;
    /// Moves or renames elements without computing (Reshape, Transpose, Slice …).
    DATA_MOVEMENT = 10;
    /// Expands stored (compressed) weights: never folded when its inputs are constants.
    EXPANDS_WEIGHTS = 11;
    /// Acts only in training; in inference it is the identity of its first input.
    TRAINING = 12;
    /// Stands for an operator that this build does not know.
    OPAQUE = 13;
    /// Gives the elements of its first input in the same order, under another shape at most.
    SAME_ORDER = 14;
}

impl Flags {
    /// No promise.
    pub const NONE: Flags = Flags(0);

    /// Whether every flag of `other` is in `self`.
    pub const fn contains(self, other: Flags) -> bool {
        self.0 & other.0 == other.0
    }

    /// Union, usable in constants.
    pub const fn with(self, other: Flags) -> Flags {
        Flags(self.0 | other.0)
    }
}

impl BitOr for Flags {
    type Output = Flags;
    fn bitor(self, other: Flags) -> Flags {
        self.with(other)
    }
}

impl BitOrAssign for Flags {
    fn bitor_assign(&mut self, other: Flags) {
        *self = self.with(other);
    }
}

impl std::fmt::Debug for Flags {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<_> =
            Self::NAMES.iter().filter(|(flag, _)| self.contains(*flag)).map(|(_, n)| *n).collect();
        f.write_str(&names.join("|"))
    }
}
