//! A recursive descent reader of sizes and shapes, bounded in nesting, length and work.

use std::str::FromStr;

use thiserror::Error;

use super::Dim;
use super::expr::{Function, SymExpr};
use super::print::{FUNCTION_NAMES, continues_identifier, starts_identifier};
use super::shape::Shape;
use super::symbol::Symbol;
use super::values::SymInt;

/// Deepest nesting of parentheses; canonical expressions need less.
const MAX_NESTING: u32 = 64;
/// Longest text in bytes.
const MAX_LENGTH: usize = 1 << 20;
/// Most dimensions of a shape in text form.
const MAX_RANK: usize = 64;
/// Work that one text may cause: sizes of operands that are combined.
const MAX_WORK: u64 = 1 << 20;

/// Why a text is not a size or shape, and where.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{problem} at byte {at}")]
pub struct ParseDimError {
    /// Offset in bytes from the start of the text.
    pub at: usize,
    /// What is wrong there.
    pub problem: ParseDimProblem,
}

/// What can be wrong with the text of a size or shape.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ParseDimProblem {
    /// Something else than the grammar allows.
    #[error("expected {0}")]
    Expected(&'static str),
    /// A number that does not fit 64 bits.
    #[error("number does not fit 64 bits")]
    NumberTooLarge,
    /// Too many nested parentheses, too long a text, or too high a rank.
    #[error("text is longer or more deeply nested than allowed")]
    TooLong,
    /// The canonical form does not exist, overflows or exceeds the complexity cap.
    #[error("expression has no value, overflows or is too complex")]
    NotRepresentable,
    /// A size that is a negative number.
    #[error("size is the negative number {0}, expected at least 0")]
    Negative(i64),
}

type Parsed<T> = Result<T, ParseDimError>;

struct Parser<'a> {
    text: &'a str,
    at: usize,
    nesting: u32,
    work: u64,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str) -> Parsed<Self> {
        let parser = Self { text, at: 0, nesting: 0, work: 0 };
        if text.len() > MAX_LENGTH { Err(parser.fail(ParseDimProblem::TooLong)) } else { Ok(parser) }
    }

    fn fail(&self, problem: ParseDimProblem) -> ParseDimError {
        ParseDimError { at: self.at, problem }
    }

    fn expected<T>(&self, what: &'static str) -> Parsed<T> {
        Err(self.fail(ParseDimProblem::Expected(what)))
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn skip_spaces(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    /// Steps over `token` if it comes next, spaces before it included.
    fn accept(&mut self, token: &str) -> bool {
        self.skip_spaces();
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    fn take_while(&mut self, allowed: fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c| !allowed(c)).unwrap_or(rest.len());
        self.at += end;
        rest.get(..end).unwrap_or_default()
    }

    fn end(mut self) -> Parsed<()> {
        self.skip_spaces();
        if self.rest().is_empty() { Ok(()) } else { self.expected("the end of the text") }
    }

    fn combine(
        &mut self,
        left: &SymExpr,
        right: &SymExpr,
        operation: impl Fn(&SymExpr, &SymExpr) -> Option<SymExpr>,
    ) -> Parsed<SymExpr> {
        let (a, b) = (u64::from(left.weight().size), u64::from(right.weight().size));
        self.work = self.work.saturating_add(a.saturating_mul(b));
        if self.work > MAX_WORK {
            return Err(self.fail(ParseDimProblem::TooLong));
        }
        operation(left, right).ok_or_else(|| self.fail(ParseDimProblem::NotRepresentable))
    }

    fn shape(&mut self) -> Parsed<Shape> {
        if !self.accept("[") {
            return self.expected("`[`");
        }
        let mut shape = Shape::new();
        if self.accept("]") {
            return Ok(shape);
        }
        loop {
            if shape.rank() == MAX_RANK {
                return Err(self.fail(ParseDimProblem::TooLong));
            }
            shape.push(self.dim()?);
            if self.accept("]") {
                return Ok(shape);
            }
            if !self.accept(",") {
                return self.expected("`,` or `]`");
            }
        }
    }

    fn dim(&mut self) -> Parsed<Dim> {
        if self.accept_unknown() {
            return Ok(Dim::Unknown);
        }
        if let Some(size) = self.lone_number() {
            return Ok(Dim::Fixed(size));
        }
        let start = self.at;
        let expression = self.expression()?;
        Dim::try_from(expression)
            .map_err(|error| ParseDimError { at: start, problem: ParseDimProblem::Negative(error.0) })
    }

    fn accept_unknown(&mut self) -> bool {
        self.skip_spaces();
        let unknown =
            self.rest().strip_prefix('?').is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()));
        if unknown {
            self.at += 1;
        }
        unknown
    }

    /// A number that no operator follows: it may be larger than what expressions hold.
    fn lone_number(&mut self) -> Option<u64> {
        let start = self.at;
        let number = self.take_while(|c| c.is_ascii_digit()).parse().ok();
        let end = self.at;
        self.skip_spaces();
        if number.is_some() && !self.rest().starts_with(['+', '-', '*', '/', '%']) {
            self.at = end;
            return number;
        }
        self.at = start;
        None
    }

    fn expression(&mut self) -> Parsed<SymExpr> {
        self.nesting += 1;
        if self.nesting > MAX_NESTING {
            return Err(self.fail(ParseDimProblem::TooLong));
        }
        let mut total = self.product()?;
        loop {
            if self.accept("+") {
                let term = self.product()?;
                total = self.combine(&total, &term, SymExpr::add)?;
            } else if self.accept("-") {
                let term = self.product()?;
                total = self.combine(&total, &term, SymExpr::sub)?;
            } else {
                self.nesting -= 1;
                return Ok(total);
            }
        }
    }

    fn product(&mut self) -> Parsed<SymExpr> {
        let mut product = self.signed()?;
        loop {
            let operation = if self.accept("*") {
                SymExpr::mul
            } else if self.accept("//") {
                SymExpr::floor_div
            } else if self.accept("%") {
                SymExpr::modulo
            } else {
                return Ok(product);
            };
            let factor = self.signed()?;
            product = self.combine(&product, &factor, operation)?;
        }
    }

    fn signed(&mut self) -> Parsed<SymExpr> {
        let mut negative = false;
        while self.accept("-") {
            negative = !negative;
        }
        self.skip_spaces();
        if self.rest().starts_with(|c: char| c.is_ascii_digit()) {
            return self.number(negative).map(SymExpr::constant);
        }
        let value = self.primary()?;
        if negative { self.combine(&value, &SymExpr::constant(-1), SymExpr::mul) } else { Ok(value) }
    }

    fn number(&mut self, negative: bool) -> Parsed<i64> {
        let start = self.at;
        let digits = self.take_while(|c| c.is_ascii_digit());
        let magnitude = i128::from_str(digits).ok();
        let value = magnitude.map(|magnitude| if negative { -magnitude } else { magnitude });
        let too_large = ParseDimError { at: start, problem: ParseDimProblem::NumberTooLarge };
        value.and_then(|value| i64::try_from(value).ok()).ok_or(too_large)
    }

    fn primary(&mut self) -> Parsed<SymExpr> {
        if self.accept("(") {
            let inner = self.expression()?;
            return if self.accept(")") { Ok(inner) } else { self.expected("`)`") };
        }
        if self.rest().starts_with('"') {
            return Ok(SymExpr::symbol(&self.quoted()?));
        }
        if self.rest().starts_with('?') {
            return self.fresh();
        }
        if !self.rest().starts_with(starts_identifier) {
            return self.expected("a number, a symbol or `(`");
        }
        let name = self.take_while(continues_identifier);
        match FUNCTION_NAMES.iter().find(|(reserved, _)| *reserved == name) {
            Some((_, function)) => self.arguments(*function),
            None => Ok(SymExpr::symbol(&Symbol::new(name))),
        }
    }

    fn fresh(&mut self) -> Parsed<SymExpr> {
        let start = self.at;
        self.at += 1;
        if self.take_while(|c| c.is_ascii_digit()).is_empty() {
            return self.expected("digits after `?`");
        }
        Ok(SymExpr::symbol(&Symbol::new(self.text.get(start..self.at).unwrap_or_default())))
    }

    fn arguments(&mut self, function: Function) -> Parsed<SymExpr> {
        if !self.accept("(") {
            return self.expected("`(`");
        }
        let mut result = self.expression()?;
        while self.accept(",") {
            let argument = self.expression()?;
            result = self.combine(&result, &argument, |left, right| function.apply(left, right))?;
        }
        if self.accept(")") { Ok(result) } else { self.expected("`,` or `)`") }
    }

    fn quoted(&mut self) -> Parsed<Symbol> {
        self.at += 1;
        let mut name = String::new();
        loop {
            let Some(c) = self.rest().chars().next() else {
                return self.expected("a closing quote");
            };
            self.at += c.len_utf8();
            match c {
                '"' => return Ok(Symbol::new(name)),
                '\\' => name.push(self.escaped()?),
                _ => name.push(c),
            }
        }
    }

    fn escaped(&mut self) -> Parsed<char> {
        for plain in ['"', '\\'] {
            if self.rest().starts_with(plain) {
                self.at += 1;
                return Ok(plain);
            }
        }
        if !self.rest().starts_with("u{") {
            return self.expected("`\"`, `\\` or `u{` after `\\`");
        }
        self.at += 2;
        let code = u32::from_str_radix(self.take_while(|c| c.is_ascii_hexdigit()), 16).ok();
        match code.and_then(char::from_u32) {
            Some(c) if self.rest().starts_with('}') => {
                self.at += 1;
                Ok(c)
            }
            _ => self.expected("the hexadecimal code of a character and `}`"),
        }
    }
}

fn whole<'a, T>(text: &'a str, read: impl FnOnce(&mut Parser<'a>) -> Parsed<T>) -> Parsed<T> {
    let mut parser = Parser::new(text)?;
    let value = read(&mut parser)?;
    parser.end()?;
    Ok(value)
}

fn prefix<'a, T>(text: &'a str, read: impl FnOnce(&mut Parser<'a>) -> Parsed<T>) -> Parsed<(T, usize)> {
    // A longer text is not at fault here: only its beginning is read.
    let mut end = text.len().min(MAX_LENGTH);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let mut parser = Parser::new(text.get(..end).unwrap_or_default())?;
    let value = read(&mut parser)?;
    Ok((value, parser.at))
}

impl Dim {
    /// Reads the size at the beginning of `text`; also gives the number of bytes that it takes.
    pub fn parse_prefix(text: &str) -> Result<(Dim, usize), ParseDimError> {
        prefix(text, Parser::dim)
    }
}

impl Shape {
    /// Reads the shape at the beginning of `text`; also gives the number of bytes that it takes.
    pub fn parse_prefix(text: &str) -> Result<(Shape, usize), ParseDimError> {
        prefix(text, Parser::shape)
    }
}

impl FromStr for SymExpr {
    type Err = ParseDimError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        whole(text, Parser::expression)
    }
}

impl FromStr for SymInt {
    type Err = ParseDimError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        whole(text, |parser| {
            if parser.accept_unknown() { Ok(SymInt::Unknown) } else { parser.expression().map(SymInt::Known) }
        })
    }
}

impl FromStr for Dim {
    type Err = ParseDimError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        whole(text, Parser::dim)
    }
}

impl FromStr for Shape {
    type Err = ParseDimError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        whole(text, Parser::shape)
    }
}
