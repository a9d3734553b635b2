//! Canonical forms against the plain operations, on random expressions.

use super::*;

/// Cases per property; each is its own seed.
const CASES: u64 = 4000;
/// Assignments that each case is evaluated under.
const SAMPLES: usize = 24;
const NAMES: [&str; 4] = ["A", "B", "C", "?0"];

/// SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn constant(&mut self) -> i64 {
        match self.below(40) {
            0 => i64::MAX,
            1 => i64::MIN,
            _ => i64::try_from(self.below(25)).unwrap() - 8,
        }
    }

    fn assignment(&mut self) -> Assignment {
        let limit = [3, 10, 1000][usize::try_from(self.below(3)).unwrap()];
        NAMES.iter().map(|name| (*name, self.below(limit))).collect()
    }
}

#[derive(Debug)]
enum Plain {
    Constant(i64),
    Symbol(&'static str),
    Apply(Operation, Box<Plain>, Box<Plain>),
}

#[derive(Clone, Copy, Debug)]
enum Operation {
    Add,
    Sub,
    Mul,
    FloorDiv,
    CeilDiv,
    Mod,
    Min,
    Max,
    Broadcast,
}

const OPERATIONS: [Operation; 9] = [
    Operation::Add,
    Operation::Sub,
    Operation::Mul,
    Operation::FloorDiv,
    Operation::CeilDiv,
    Operation::Mod,
    Operation::Min,
    Operation::Max,
    Operation::Broadcast,
];

impl Plain {
    fn random(random: &mut Random, depth: u32) -> Self {
        if depth == 0 || random.below(5) == 0 {
            return match random.below(3) {
                0 => Plain::Constant(random.constant()),
                _ => Plain::Symbol(NAMES[usize::try_from(random.below(4)).unwrap()]),
            };
        }
        let operation = OPERATIONS[usize::try_from(random.below(9)).unwrap()];
        let left = Plain::random(random, depth - 1);
        // Divisors are numbers more often than not, as in models.
        let right = match random.below(3) {
            0 => Plain::Constant(random.constant()),
            _ => Plain::random(random, depth - 1),
        };
        Plain::Apply(operation, Box::new(left), Box::new(right))
    }

    fn canonical(&self) -> Option<SymExpr> {
        let (operation, left, right) = match self {
            Plain::Constant(value) => return Some(SymExpr::constant(*value)),
            Plain::Symbol(name) => return Some(SymExpr::symbol(&Symbol::from(*name))),
            Plain::Apply(operation, left, right) => (operation, left.canonical()?, right.canonical()?),
        };
        match operation {
            Operation::Add => left.add(&right),
            Operation::Sub => left.sub(&right),
            Operation::Mul => left.mul(&right),
            Operation::FloorDiv => left.floor_div(&right),
            Operation::CeilDiv => left.ceil_div(&right),
            Operation::Mod => left.modulo(&right),
            Operation::Min => left.minimum(&right),
            Operation::Max => left.maximum(&right),
            Operation::Broadcast => left.broadcast(&right),
        }
    }

    fn eval(&self, assignment: &Assignment) -> Option<i64> {
        let (operation, a, b) = match self {
            Plain::Constant(value) => return Some(*value),
            Plain::Symbol(name) => return i64::try_from(assignment.get(name)?).ok(),
            Plain::Apply(operation, left, right) => {
                (operation, i128::from(left.eval(assignment)?), i128::from(right.eval(assignment)?))
            }
        };
        let floor = |a: i128, b: i128| {
            if b == 0 { None } else { Some(a.div_euclid(b) - i128::from(b < 0 && a.rem_euclid(b) != 0)) }
        };
        let value = match operation {
            Operation::Add => a + b,
            Operation::Sub => a - b,
            Operation::Mul => a.checked_mul(b)?,
            Operation::FloorDiv => floor(a, b)?,
            Operation::CeilDiv => -floor(-a, b)?,
            Operation::Mod => a - floor(a, b)? * b,
            Operation::Min => a.min(b),
            Operation::Max => a.max(b),
            Operation::Broadcast if a == b || b == 1 => a,
            Operation::Broadcast if a == 1 => b,
            Operation::Broadcast => return None,
        };
        i64::try_from(value).ok()
    }
}

fn cases(depth: u32) -> impl Iterator<Item = (u64, Random, Plain, SymExpr)> {
    (0..CASES).filter_map(move |seed| {
        let mut random = Random(seed);
        let plain = Plain::random(&mut random, depth);
        let canonical = plain.canonical()?;
        Some((seed, random, plain, canonical))
    })
}

#[test]
fn canonical_form_has_the_value_of_the_plain_operations() {
    let (mut built, mut compared) = (0, 0);
    for (seed, mut random, plain, canonical) in cases(5) {
        built += 1;
        for _ in 0..SAMPLES {
            let assignment = random.assignment();
            let Some(expected) = plain.eval(&assignment) else { continue };
            let got = canonical.eval(&assignment);
            assert_eq!(got, Some(expected), "seed {seed}: {canonical} from {plain:?} under {assignment:?}");
            compared += 1;
        }
    }
    assert!(built > CASES / 2 && compared > built, "only {compared} comparisons of {built} expressions");
}

#[test]
fn text_reads_back_as_the_same_expression() {
    for (seed, _, plain, canonical) in cases(5) {
        let text = canonical.to_string();
        assert_eq!(text.parse().as_ref(), Ok(&canonical), "seed {seed}: {text} from {plain:?}");
    }
}

#[test]
fn substitution_keeps_the_value() {
    for (seed, mut random, plain, canonical) in cases(4) {
        let assignment = random.assignment();
        let Some(expected) = plain.eval(&assignment) else { continue };
        let resolved = canonical.resolve(&assignment);
        assert_eq!(
            resolved,
            Some(SymExpr::constant(expected)),
            "seed {seed}: {canonical} under {assignment:?}"
        );
        let again = canonical.substitute(&mut |_| None);
        assert_eq!(again.as_ref(), Some(&canonical), "seed {seed}");
    }
}

#[test]
fn proofs_hold() {
    let (mut equal, mut different, mut bounded) = (0, 0, 0);
    for (seed, mut random, plain, canonical) in cases(3) {
        let other = Plain::random(&mut random, 2);
        let Some(canonical_other) = other.canonical() else { continue };
        let proven = canonical.equal(&canonical_other);
        let least = random.constant();
        let at_least = canonical.is_at_least(least);
        let clash = canonical.cannot_broadcast(&canonical_other);
        for _ in 0..SAMPLES {
            let assignment = random.assignment();
            let Some(value) = plain.eval(&assignment) else { continue };
            assert!(!at_least || value >= least, "seed {seed}: {canonical} >= {least} under {assignment:?}");
            bounded += u32::from(at_least);
            let Some(other) = other.eval(&assignment) else { continue };
            let same = value == other;
            assert!(
                proven != Some(!same),
                "seed {seed}: {canonical} = {canonical_other} under {assignment:?}"
            );
            assert!(!clash || (!same && value != 1 && other != 1), "seed {seed}");
            equal += u32::from(proven == Some(true));
            different += u32::from(proven == Some(false));
        }
    }
    assert!(equal > 100 && different > 100 && bounded > 100, "{equal} {different} {bounded}");
}

/// Ring laws hold structurally, not only by value.
#[test]
fn sums_and_products_commute_and_distribute() {
    let (mut checked, mut divided) = (0, 0);
    for (seed, mut random, _, a) in cases(3) {
        let mut other = || Plain::random(&mut random, 2).canonical();
        let (Some(b), Some(c)) = (other(), other()) else { continue };
        let left = || a.add(&b)?.mul(&c);
        let right = || c.mul(&b)?.add(&c.mul(&a)?);
        if let (Some(left), Some(right)) = (left(), right()) {
            assert_eq!(left, right, "seed {seed}");
            checked += 1;
        }
        for operation in [SymExpr::minimum, SymExpr::maximum, SymExpr::broadcast] {
            assert_eq!(operation(&a, &b), operation(&b, &a), "seed {seed}: {a} and {b}");
        }
        if let Some(product) = a.mul(&b)
            && let Some(quotient) = product.div_exact(&b)
        {
            assert_eq!(quotient, a, "seed {seed}: {product} / {b}");
            divided += 1;
        }
    }
    assert!(divided > CASES / 4);
    assert!(checked > CASES / 4);
}
