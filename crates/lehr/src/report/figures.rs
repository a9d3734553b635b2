//! Numbers as people read them: three digits, a unit, the signs of typography.

use maud::{Markup, html};

/// Narrow space between a number and its unit, where no line may break.
const GAP: char = '\u{202f}';
/// The sign of negative numbers.
const MINUS: char = '\u{2212}';

/// A number in percent or pixels inside an attribute: two decimals at most, without zeros at the end.
pub fn attribute(value: f64) -> String {
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// Bytes with decimal prefixes: `1.20 MB`.
pub fn bytes(bytes: u64) -> String {
    if bytes < 1000 {
        return format!("{bytes}{GAP}B");
    }
    scaled(bytes as f64, &[(1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")])
}

/// How many: `831`, `4.20 k`, `12.3 M`.
pub fn count(count: u64) -> String {
    if count < 10_000 {
        return grouped(count);
    }
    scaled(count as f64, &[(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")])
}

/// A duration in the unit that suits it: `34.0 µs`, `3.40 ms`, `1.20 s`.
pub fn milliseconds(ms: f64) -> String {
    if ms == 0.0 {
        return format!("0{GAP}ms");
    }
    scaled(ms, &[(60_000.0, "min"), (1e3, "s"), (0.1, "ms"), (1e-3, "µs")])
}

/// Seconds in the unit that suits them.
pub fn seconds(seconds: f64) -> String {
    milliseconds(seconds * 1e3)
}

/// Microjoules in the unit that suits them.
pub fn energy(uj: f64) -> String {
    if uj == 0.0 {
        return format!("0{GAP}µJ");
    }
    scaled(uj, &[(1e6, "J"), (1e3, "mJ"), (1.0, "µJ"), (1e-3, "nJ")])
}

/// A share of one: `12.3 %`.
pub fn percent(share: f64) -> String {
    let value = share * 100.0;
    match value {
        v if !v.is_finite() => "–".to_owned(),
        0.0 => format!("0{GAP}%"),
        v if v.abs() < 0.1 => format!("<{GAP}0.1{GAP}%"),
        v if v.abs() >= 99.95 => format!("{v:.0}{GAP}%"),
        v => format!("{v:.1}{GAP}%"),
    }
}

/// The difference of a number to what it was, e.g. `−12 %`; `None` when nothing visible changed.
pub fn change(before: f64, after: f64) -> Option<String> {
    if before <= 0.0 || !before.is_finite() || !after.is_finite() {
        return None;
    }
    let factor = after / before;
    if factor >= 10.0 {
        return Some(format!("×{GAP}{factor:.0}"));
    }
    let percent = (factor - 1.0) * 100.0;
    let size = percent.abs();
    let decimals = usize::from(size < 9.95);
    let text = format!("{size:.decimals$}");
    let sign = if percent < 0.0 { MINUS } else { '+' };
    (size >= 0.05).then(|| format!("{sign}{text}{GAP}%"))
}

/// A score or a value of any size: four significant digits, powers of ten where they are shorter.
pub fn value(value: f64) -> String {
    if !value.is_finite() {
        return if value.is_nan() { "NaN".to_owned() } else { signed(value, "∞") };
    }
    let size = value.abs();
    if size != 0.0 && !(1e-3..1e7).contains(&size) {
        let text = format!("{size:.1e}");
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        return signed(value, &format!("{mantissa}{GAP}×{GAP}10{}", superscript(exponent)));
    }
    let decimals = if size >= 1000.0 { 0 } else { 3 };
    let text = format!("{size:.decimals$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    signed(value, text)
}

/// A name from a file, kept from running into what surrounds it.
pub fn name(name: &str) -> Markup {
    html! { span.name { (name) } }
}

/// At most `most` characters, an ellipsis where more were.
pub fn shortened(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// `1 node`, `2 nodes`.
pub fn plural(n: usize, one: &str, many: &str) -> String {
    format!("{} {}", grouped(n as u64), if n == 1 { one } else { many })
}

/// About how wide a text is in a sans-serif type of that size.
pub fn text_width(text: &str, size: f64) -> f64 {
    let width = |c: char| match c {
        'i' | 'j' | 'l' | 'I' | '.' | ',' | ':' | '|' | '\'' | '!' => 0.3,
        'f' | 't' | 'r' | ' ' | '(' | ')' | '-' => 0.4,
        'm' | 'w' | 'M' | 'W' | '…' => 0.9,
        c if c.is_ascii_uppercase() => 0.7,
        c if c.is_ascii() => 0.58,
        '×' => 0.6,
        _ => 1.0,
    };
    text.chars().map(width).sum::<f64>() * size
}

fn signed(value: f64, size: &str) -> String {
    if value < 0.0 { format!("{MINUS}{size}") } else { size.to_owned() }
}

fn superscript(digits: &str) -> String {
    let raised = |c: char| match c {
        '-' => '⁻',
        '0' => '⁰',
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        '4' => '⁴',
        '5' => '⁵',
        '6' => '⁶',
        '7' => '⁷',
        '8' => '⁸',
        '9' => '⁹',
        other => other,
    };
    digits.chars().map(raised).collect()
}

/// Digits in groups of three.
fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(GAP);
        }
        text.push(digit);
    }
    text
}

/// Three digits of `value` in the largest unit in which it is at least one; the last unit takes what is smaller.
fn scaled(value: f64, units: &[(f64, &str)]) -> String {
    // What rounds up to 1000 of a unit is 1 of the next.
    let fits = |(size, _): &&(f64, &str)| value.abs() / size >= 0.9995;
    let Some((size, unit)) = units.iter().find(fits).or(units.last()) else { return digits(value) };
    let size = if *unit == "ms" { 1.0 } else { *size };
    format!("{}{GAP}{unit}", digits(value / size))
}

fn digits(value: f64) -> String {
    let decimals = match value.abs() {
        size if size >= 99.95 => 0,
        size if size >= 9.995 => 1,
        _ => 2,
    };
    signed(value, &format!("{:.decimals$}", value.abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: String) -> String {
        text.replace(GAP, " ").replace(MINUS, "-")
    }

    #[test]
    fn numbers_have_three_digits_and_a_unit() {
        for (text, expected) in [
            (bytes(999), "999 B"),
            (bytes(1_234_567), "1.23 MB"),
            (bytes(999_960), "1.00 MB"),
            (count(831), "831"),
            (count(9_999), "9 999"),
            (count(12_345_678), "12.3 M"),
            (milliseconds(3.4), "3.40 ms"),
            (milliseconds(0.25), "0.25 ms"),
            (milliseconds(0.034), "34.0 µs"),
            (milliseconds(1200.0), "1.20 s"),
            (milliseconds(0.0), "0 ms"),
            (energy(1234.0), "1.23 mJ"),
            (seconds(0.2), "200 ms"),
        ] {
            assert_eq!(plain(text), expected);
        }
    }

    #[test]
    fn changes_show_their_sign_and_nothing_when_there_is_none() {
        assert_eq!(change(100.0, 88.0).map(plain).as_deref(), Some("-12 %"));
        assert_eq!(change(100.0, 101.5).map(plain).as_deref(), Some("+1.5 %"));
        assert_eq!(change(1.0, 30.0).map(plain).as_deref(), Some("× 30"));
        assert_eq!(change(100.0, 100.01), None);
        assert_eq!(change(0.0, 1.0), None);
        assert_eq!(change(f64::NAN, 1.0), None);
    }

    #[test]
    fn values_of_any_size_are_short() {
        for (number, expected) in [
            (0.0, "0"),
            (1.5, "1.5"),
            (-0.25, "-0.25"),
            (1.2e-7, "1.2 × 10⁻⁷"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-∞"),
        ] {
            assert_eq!(plain(value(number)), expected);
        }
    }

    #[test]
    fn shortening_respects_characters() {
        assert_eq!(shortened("äöü", 2), "äö…");
        assert_eq!(shortened("äöü", 3), "äöü");
    }
}
