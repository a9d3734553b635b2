//! The text of symbols, expressions and sizes; `parse` is the inverse.

use std::fmt::{self, Display, Formatter, Write};

use super::expr::{Atom, Call, Function, Repr, SymExpr, Term};
use super::symbol::Symbol;

/// Names that start a call and are therefore quoted when they name a symbol.
pub(super) const FUNCTION_NAMES: [(&str, Function); 3] =
    [("min", Function::Min), ("max", Function::Max), ("bcast", Function::Broadcast)];

pub(super) fn starts_identifier(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_'
}

pub(super) fn continues_identifier(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

fn is_plain(name: &str) -> bool {
    if let Some(digits) = name.strip_prefix('?') {
        return !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    }
    name.starts_with(starts_identifier)
        && name.chars().all(continues_identifier)
        && FUNCTION_NAMES.iter().all(|(reserved, _)| *reserved != name)
}

/// The bare name where it is an identifier or an invented one, else the name in quotes.
impl Display for Symbol {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if is_plain(self.name()) {
            return f.write_str(self.name());
        }
        f.write_char('"')?;
        for c in self.name().chars() {
            match c {
                '"' | '\\' => write!(f, "\\{c}")?,
                _ if c.is_control() => write!(f, "\\u{{{:x}}}", u32::from(c))?,
                _ => f.write_char(c)?,
            }
        }
        f.write_char('"')
    }
}

/// Text without spaces, such as `2*N+1`, `(N+1)//2`, `N%4`, `min(N,8)` or `bcast(A,B)`. Operators bind and
/// group as in Python.
impl Display for SymExpr {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Repr::Constant(value) => write!(f, "{value}"),
            Repr::Atom(atom) => write_atom(f, atom, false),
            Repr::Sum(sum) => {
                sum.terms.iter().enumerate().try_for_each(|(at, term)| write_term(f, term, at == 0))
            }
        }
    }
}

fn write_term(f: &mut Formatter<'_>, term: &Term, first: bool) -> fmt::Result {
    let sign = match (first, term.coefficient) {
        // The magnitude of the least number is no `i64`, so a reader needs the sign next to it.
        (false, i64::MIN) => "+-",
        (_, ..0) => "-",
        (true, _) => "",
        (false, _) => "+",
    };
    f.write_str(sign)?;
    if let Some(atom) = term.single()
        && (term.coefficient == 1 || (term.coefficient == -1 && !first))
    {
        return write_atom(f, atom, false);
    }
    let magnitude = term.coefficient.unsigned_abs();
    if magnitude != 1 || term.factors.is_empty() {
        write!(f, "{magnitude}")?;
    }
    let mut star = magnitude != 1;
    for factor in &term.factors {
        for _ in 0..factor.power {
            if star {
                f.write_char('*')?;
            }
            write_atom(f, &factor.atom, true)?;
            star = true;
        }
    }
    Ok(())
}

fn write_atom(f: &mut Formatter<'_>, atom: &Atom, in_product: bool) -> fmt::Result {
    match atom {
        Atom::Symbol(symbol) => Display::fmt(symbol, f),
        Atom::Call(call) => match operator(call) {
            Some((operator, left, right)) => {
                let (open, close) = if in_product { ("(", ")") } else { ("", "") };
                f.write_str(open)?;
                write_operand(f, left)?;
                f.write_str(operator)?;
                write_operand(f, right)?;
                f.write_str(close)
            }
            None => write_call(f, call),
        },
    }
}

fn operator(call: &Call) -> Option<(&'static str, &SymExpr, &SymExpr)> {
    let operator = match call.function {
        Function::FloorDiv => "//",
        Function::Mod => "%",
        Function::Min | Function::Max | Function::Broadcast => return None,
    };
    match call.arguments.as_slice() {
        [left, right] => Some((operator, left, right)),
        _ => None,
    }
}

fn write_operand(f: &mut Formatter<'_>, operand: &SymExpr) -> fmt::Result {
    let simple = match &operand.0 {
        Repr::Constant(value) => *value >= 0,
        Repr::Atom(Atom::Symbol(_)) => true,
        Repr::Atom(Atom::Call(call)) => operator(call).is_none(),
        Repr::Sum(_) => false,
    };
    if simple { Display::fmt(operand, f) } else { write!(f, "({operand})") }
}

fn write_call(f: &mut Formatter<'_>, call: &Call) -> fmt::Result {
    let name = FUNCTION_NAMES.iter().find(|(_, function)| *function == call.function);
    f.write_str(name.map_or("", |(name, _)| name))?;
    f.write_char('(')?;
    for (at, argument) in call.arguments.iter().enumerate() {
        if at > 0 {
            f.write_char(',')?;
        }
        Display::fmt(argument, f)?;
    }
    f.write_char(')')
}
