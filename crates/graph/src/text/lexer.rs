//! A cursor over the text: words, labels, numbers, strings and punctuation, and where they stand.

/// Why a text is not a graph, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct ParseError {
    /// Line, counted from 1.
    pub line: usize,
    /// Column in characters, counted from 1.
    pub column: usize,
    /// What was expected and what was there.
    pub message: String,
}

/// A problem at a byte offset; becomes a [`ParseError`] at the end.
pub(super) struct Problem {
    pub(super) at: usize,
    pub(super) message: String,
}

pub(super) type Parsed<T> = Result<T, Problem>;

/// A position in the text.
pub(super) struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// Offset of the next token.
    pub(super) fn position(&mut self) -> usize {
        self.skip();
        self.at
    }

    pub(super) fn locate(&self, problem: Problem) -> ParseError {
        let before = self.text.get(..problem.at).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        ParseError {
            line: before.bytes().filter(|&b| b == b'\n').count() + 1,
            column: before.get(line_start..).unwrap_or_default().chars().count() + 1,
            message: problem.message,
        }
    }

    #[cold]
    pub(super) fn fail<T>(&self, message: impl Into<String>) -> Parsed<T> {
        Err(Problem { at: self.at, message: message.into() })
    }

    /// The error that `what` was expected here.
    #[cold]
    pub(super) fn expected<T>(&mut self, what: &str) -> Parsed<T> {
        self.skip();
        let got: String = self.rest().chars().take_while(|c| !c.is_whitespace()).take(20).collect();
        let got = if got.is_empty() { "the end of the text".to_owned() } else { format!("'{got}'") };
        self.fail(format!("expected {what}, got {got}"))
    }

    pub(super) fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// Steps over `bytes`, which must end between characters.
    pub(super) fn advance(&mut self, bytes: usize) {
        self.at = self.at.saturating_add(bytes).min(self.text.len());
    }

    /// Steps over white space and comments.
    pub(super) fn skip(&mut self) {
        loop {
            let rest = self.rest();
            let trimmed = rest.trim_start();
            self.at += rest.len() - trimmed.len();
            if !trimmed.starts_with("//") {
                return;
            }
            self.at += trimmed.find('\n').unwrap_or(trimmed.len());
        }
    }

    pub(super) fn at_end(&mut self) -> bool {
        self.skip();
        self.rest().is_empty()
    }

    pub(super) fn peek(&mut self) -> Option<char> {
        self.skip();
        self.rest().chars().next()
    }

    /// Steps over punctuation if it comes next.
    pub(super) fn accept(&mut self, token: &str) -> bool {
        self.skip();
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    pub(super) fn expect(&mut self, token: &str) -> Parsed<()> {
        if self.accept(token) { Ok(()) } else { self.expected(&format!("'{token}'")) }
    }

    /// The word that comes next, without stepping over it; empty when none does.
    pub(super) fn peek_word(&mut self) -> &'a str {
        self.skip();
        let rest = self.rest();
        if !rest.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
            return "";
        }
        let end = rest.find(|c: char| !is_word_char(c)).unwrap_or(rest.len());
        rest.get(..end).unwrap_or_default()
    }

    /// Steps over `word` if it comes next.
    pub(super) fn keyword(&mut self, word: &str) -> bool {
        let found = self.peek_word() == word;
        if found {
            self.at += word.len();
        }
        found
    }

    /// A word, if one comes next.
    pub(super) fn word(&mut self) -> Option<&'a str> {
        let word = self.peek_word();
        self.at += word.len();
        (!word.is_empty()).then_some(word)
    }

    /// A word or a string.
    pub(super) fn name(&mut self, what: &str) -> Parsed<String> {
        match self.peek() {
            Some('"') => self.string(),
            _ => match self.word() {
                Some(word) => Ok(word.to_owned()),
                None => self.expected(what),
            },
        }
    }

    /// The label after `%`: digits, a plain name, or a name in quotes.
    pub(super) fn label(&mut self) -> Parsed<Label> {
        self.expect("%")?;
        let rest = self.rest();
        if rest.starts_with('"') {
            return Ok(Label::Named(self.string()?));
        }
        let end = rest.find(|c: char| !is_label_char(c)).unwrap_or(rest.len());
        let text = rest.get(..end).unwrap_or_default();
        if text.is_empty() {
            return self.fail("expected a name or number after '%'");
        }
        self.at += end;
        if text.bytes().all(|b| b.is_ascii_digit()) {
            return Ok(Label::Numbered(text.to_owned()));
        }
        Ok(Label::Named(text.to_owned()))
    }

    /// The text of a number: digits with sign, point and exponent, `inf`, `nan`, or `nan(0x…)`.
    pub(super) fn number(&mut self) -> Parsed<&'a str> {
        self.skip();
        let rest = self.rest();
        let unsigned = rest.strip_prefix('-').unwrap_or(rest);
        let sign = rest.len() - unsigned.len();
        let length = if unsigned.starts_with("inf") {
            3
        } else if unsigned.starts_with("nan(") {
            unsigned.find(')').map_or(0, |at| at + 1)
        } else if unsigned.starts_with("nan") {
            3
        } else {
            digits_length(unsigned)
        };
        if length == 0 {
            return self.expected("a number");
        }
        self.at += sign + length;
        Ok(rest.get(..sign + length).unwrap_or_default())
    }

    /// A text in quotes.
    pub(super) fn string(&mut self) -> Parsed<String> {
        self.expect("\"")?;
        let mut out = String::new();
        loop {
            let rest = self.rest();
            let Some(stop) = rest.find(['"', '\\']) else {
                return self.fail("expected '\"' at the end of the string");
            };
            out.push_str(rest.get(..stop).unwrap_or_default());
            self.at += stop + 1;
            if rest.as_bytes().get(stop) == Some(&b'"') {
                return Ok(out);
            }
            out.push(self.escape()?);
        }
    }

    fn escape(&mut self) -> Parsed<char> {
        let rest = self.rest();
        let Some(c) = rest.chars().next() else { return self.fail("expected an escaped character") };
        self.at += c.len_utf8();
        match c {
            '"' | '\\' => Ok(c),
            'n' => Ok('\n'),
            't' => Ok('\t'),
            'r' => Ok('\r'),
            'u' => {
                let Some((code, _)) = rest.strip_prefix("u{").and_then(|s| s.split_once('}')) else {
                    return self.fail("expected a code point as \\u{…}");
                };
                let parsed = u32::from_str_radix(code, 16).ok().and_then(char::from_u32);
                let Some(parsed) = parsed else { return self.fail("expected a code point as \\u{…}") };
                self.at += code.len() + 2;
                Ok(parsed)
            }
            other => self.fail(format!("expected one of \" \\ n t r u after '\\', got '{other}'")),
        }
    }
}

/// A reference to a value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Label {
    /// `%x`: the value's own name.
    Named(String),
    /// `%7`: a value without a name.
    Numbered(String),
}

pub(super) fn is_word_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '.'
}

pub(super) fn is_label_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '/' | '-')
}

fn digits_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    if !bytes.first().is_some_and(u8::is_ascii_digit) {
        return 0;
    }
    let mut length = 0;
    while let Some(&byte) = bytes.get(length) {
        let signed_exponent =
            matches!(byte, b'+' | b'-') && matches!(bytes.get(length - 1), Some(b'e' | b'E'));
        if !(byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E') || signed_exponent) {
            break;
        }
        length += 1;
    }
    length
}

/// Appends `text` in quotes.
pub(super) fn quote(text: &str, out: &mut String) {
    use std::fmt::Write;
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            // Writing to a string cannot fail.
            c if c.is_control() => drop(write!(out, "\\u{{{:x}}}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}
