use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// A named size that is not known until a model runs, such as `N` or `batch`.
///
/// Two symbols are the same symbol when their names are equal. A symbol stands for a size and is never
/// negative; simplifications rely on that. Zero is allowed. A symbol that a model's author named is at most
/// [`Symbol::MAX`], which simplifications rely on, too.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Symbol(Arc<str>);

impl Symbol {
    /// The largest size that a named symbol stands for. Exporters write this number, or larger ones, for "to the end" of
    /// an axis; inputs that are larger are refused by [`Dim::unify`](super::Dim::unify).
    pub const MAX: u64 = 1_000_000_000;

    /// The symbol of that name. Any text is a name, the empty one included.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }

    /// The invented symbol number `number`, named `?0`, `?1` and so on.
    pub fn fresh(number: u64) -> Self {
        Self(format!("?{number}").into())
    }

    /// The name as it was given, without quotes.
    pub fn name(&self) -> &str {
        &self.0
    }

    /// The number of an invented symbol, `None` for a symbol that a model's author named.
    pub fn fresh_number(&self) -> Option<u64> {
        let digits = self.0.strip_prefix('?')?;
        let canonical = digits == "0" || !digits.starts_with(['0', '+']);
        canonical.then(|| digits.parse().ok()).flatten()
    }

    /// Whether the symbol was invented by inference rather than named by a model's author.
    pub fn is_fresh(&self) -> bool {
        self.fresh_number().is_some()
    }
}

impl Borrow<str> for Symbol {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Symbol {
    fn from(name: &str) -> Self {
        Self::new(name)
    }
}

impl From<String> for Symbol {
    fn from(name: String) -> Self {
        Self::new(name)
    }
}

impl fmt::Debug for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A source of invented symbols that never repeats one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FreshSymbols {
    next: u64,
}

impl FreshSymbols {
    /// A source that begins with `?0`.
    pub fn new() -> Self {
        Self::default()
    }

    /// A symbol that this source has neither given out nor been told to avoid.
    pub fn fresh(&mut self) -> Symbol {
        let symbol = Symbol::fresh(self.next);
        self.next = self.next.saturating_add(1);
        symbol
    }

    /// Makes sure that `taken`, for example a symbol read from a file, is not given out later.
    pub fn avoid(&mut self, taken: &Symbol) {
        if let Some(number) = taken.fresh_number() {
            self.next = self.next.max(number.saturating_add(1));
        }
    }
}
