//! The equations of Einsum, as `bij, bjk -> bik`.

use std::collections::BTreeMap;

use lehr_graph::OpError;

/// Name of an axis: a letter, or an axis of an ellipsis counted from its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Label {
    /// Axis of an ellipsis; the outermost has the highest number and comes first in the order.
    Ellipsis(std::cmp::Reverse<usize>),
    /// A letter.
    Letter(char),
}

/// An equation fitted to operands of given ranks: a label for each axis of each operand and of the result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Equation {
    /// Labels of each operand.
    pub operands: Vec<Vec<Label>>,
    /// Labels of the result.
    pub output: Vec<Label>,
}

/// One side of a comma: letters around at most one ellipsis.
struct Term {
    before: Vec<char>,
    after: Option<Vec<char>>,
}

impl Term {
    fn parse(text: &str) -> Result<Self, OpError> {
        let letters = |part: &str| {
            part.chars()
                .map(|c| if c.is_ascii_alphabetic() { Ok(c) } else { Err(malformed(text)) })
                .collect::<Result<Vec<char>, OpError>>()
        };
        match text.split_once("...") {
            None => Ok(Self { before: letters(text)?, after: None }),
            Some((before, after)) => Ok(Self { before: letters(before)?, after: Some(letters(after)?) }),
        }
    }

    fn n_letters(&self) -> usize {
        self.before.len() + self.after.as_ref().map_or(0, Vec::len)
    }

    /// Its labels, with an ellipsis of `hidden` axes.
    fn labels(&self, hidden: usize) -> Vec<Label> {
        let letters = |part: &[char]| part.iter().map(|&c| Label::Letter(c)).collect::<Vec<_>>();
        let mut labels = letters(&self.before);
        if let Some(after) = &self.after {
            labels.extend((0..hidden).rev().map(|n| Label::Ellipsis(std::cmp::Reverse(n))));
            labels.extend(letters(after));
        }
        labels
    }
}

fn malformed(term: &str) -> OpError {
    OpError::attribute("equation", format!("expected letters and at most one '...' in a term, got {term:?}"))
}

impl Equation {
    /// The equation for operands of the given ranks.
    ///
    /// # Errors
    /// When it is malformed or does not fit.
    pub(crate) fn fit(text: &str, ranks: &[usize]) -> Result<Self, OpError> {
        let text: String = text.chars().filter(|c| *c != ' ').collect();
        let (left, right) = match text.split_once("->") {
            Some((left, right)) => (left, Some(right)),
            None => (text.as_str(), None),
        };
        let terms = left.split(',').map(Term::parse).collect::<Result<Vec<_>, _>>()?;
        if terms.len() != ranks.len() {
            return Err(OpError::attribute(
                "equation",
                format!("names {} operands, but there are {}", terms.len(), ranks.len()),
            ));
        }
        let mut hidden_most = 0;
        let mut operands = Vec::with_capacity(terms.len());
        for (index, (term, &rank)) in terms.iter().zip(ranks).enumerate() {
            let hidden = rank.checked_sub(term.n_letters()).filter(|&h| h == 0 || term.after.is_some());
            let hidden = hidden.ok_or_else(|| {
                OpError::shape(format!(
                    "input {index}: its term names {} axes, but it has rank {rank}",
                    term.n_letters()
                ))
            })?;
            hidden_most = hidden_most.max(hidden);
            operands.push(term.labels(hidden));
        }
        let output = match right {
            Some(right) => Term::parse(right)?.labels(hidden_most),
            None => implicit_output(&operands, hidden_most),
        };
        Self { operands, output }.checked()
    }

    fn checked(self) -> Result<Self, OpError> {
        for (at, label) in self.output.iter().enumerate() {
            let known = self.operands.iter().any(|labels| labels.contains(label));
            if !known || self.output[..at].contains(label) {
                return Err(OpError::attribute(
                    "equation",
                    "names an axis in the result twice, or one that no operand has",
                ));
            }
        }
        Ok(self)
    }

    /// Labels that are summed over: all that the result does not have, sorted.
    pub(crate) fn summed(&self) -> Vec<Label> {
        let mut labels: Vec<Label> =
            self.operands.iter().flatten().filter(|l| !self.output.contains(l)).copied().collect();
        labels.sort();
        labels.dedup();
        labels
    }

    /// The size of each label, merged by `merge` over all axes that have it; `None` from `merge` is an error.
    pub(crate) fn sizes<T: Clone>(
        &self,
        shapes: &[&[T]],
        merge: impl Fn(&T, &T) -> Option<T>,
    ) -> Result<BTreeMap<Label, T>, OpError> {
        let mut sizes: BTreeMap<Label, T> = BTreeMap::new();
        for (index, (labels, shape)) in self.operands.iter().zip(shapes).enumerate() {
            for (axis, (label, size)) in labels.iter().zip(*shape).enumerate() {
                let merged = match sizes.get(label) {
                    Some(known) => merge(known, size).ok_or_else(|| {
                        OpError::shape(format!(
                            "input {index}, axis {axis}: its size differs from that of the same letter"
                        ))
                    })?,
                    None => size.clone(),
                };
                sizes.insert(*label, merged);
            }
        }
        Ok(sizes)
    }
}

/// The ellipsis, then every letter that occurs once, sorted.
fn implicit_output(operands: &[Vec<Label>], hidden: usize) -> Vec<Label> {
    let mut counts: BTreeMap<Label, usize> = BTreeMap::new();
    for label in operands.iter().flatten().filter(|l| matches!(l, Label::Letter(_))) {
        *counts.entry(*label).or_default() += 1;
    }
    let ellipsis = (0..hidden).rev().map(|n| Label::Ellipsis(std::cmp::Reverse(n)));
    ellipsis.chain(counts.into_iter().filter(|(_, n)| *n == 1).map(|(label, _)| label)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(labels: &[Label]) -> String {
        labels
            .iter()
            .map(|l| match l {
                Label::Letter(c) => *c,
                Label::Ellipsis(n) => char::from(b'0' + n.0 as u8),
            })
            .collect()
    }

    #[test]
    fn forms() {
        for (equation, ranks, operands, output) in [
            ("ij, jk", &[2, 2][..], "ij jk", "ik"),
            ("ij->ji", &[2], "ij", "ji"),
            ("...ii -> ...i", &[4], "10ii", "10i"),
            ("bB", &[2], "bB", "Bb"),
            ("...j,j", &[3, 1], "10j j", "10"),
            ("i...,...->...", &[3, 1], "i10 0", "10"),
            (",->", &[0, 0], " ", ""),
        ] {
            let got = Equation::fit(equation, ranks).unwrap();
            let joined: Vec<_> = got.operands.iter().map(|l| text(l)).collect();
            assert_eq!(
                (joined.join(" ").as_str(), text(&got.output).as_str()),
                (operands, output),
                "{equation}"
            );
        }
        for (equation, ranks) in
            [("i,j", &[1][..]), ("ij", &[3]), ("i1", &[2]), ("i->j", &[1]), ("i->ii", &[1]), ("......", &[1])]
        {
            assert!(Equation::fit(equation, ranks).is_err(), "{equation}");
        }
    }
}
