//! What every page promises.

use std::time::{Duration, Instant};

use lehr_graph::text::parse;
use lehr_ops::registry::Operators;

use super::html;
use super::testing::outcome;

/// Elements that have no end tag.
const VOID: [&str; 3] = ["meta", "br", "img"];
/// Elements whose content is not markup.
const RAW: [&str; 2] = ["style", "script"];

/// Checks that all tags are closed in their order, that attributes are quoted and unique, and that `&` and `<` occur
/// only as markup; gives the names of all elements.
fn elements(page: &str) -> Result<Vec<String>, String> {
    let mut rest = page.strip_prefix("<!DOCTYPE html>").ok_or("no doctype")?;
    let (mut open, mut names): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    while let Some((text, after)) = rest.split_once('<') {
        references(text)?;
        let (tag, behind) = after.split_once('>').ok_or("a tag without end")?;
        rest = behind;
        if let Some(name) = tag.strip_prefix('/') {
            let last = open.pop();
            if last.as_deref() != Some(name) {
                return Err(format!("</{name}> closes {last:?}"));
            }
            continue;
        }
        let (name, attributes) = tag.split_once(' ').unwrap_or((tag, ""));
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric()) {
            return Err(format!("a tag '{name}'"));
        }
        self::attributes(attributes)?;
        names.push(name.to_owned());
        if RAW.contains(&name) {
            let end = format!("</{name}>");
            rest = rest.split_once(end.as_str()).ok_or(format!("no {end}"))?.1;
        } else if !VOID.contains(&name) {
            open.push(name.to_owned());
        }
    }
    references(rest)?;
    if open.is_empty() { Ok(names) } else { Err(format!("{open:?} are not closed")) }
}

fn attributes(mut text: &str) -> Result<(), String> {
    let mut seen = Vec::new();
    while !text.trim_start().is_empty() {
        let (name, rest) = text.trim_start().split_once("=\"").ok_or(format!("an attribute '{text}'"))?;
        let (value, rest) = rest.split_once('"').ok_or(format!("'{name}' is not closed"))?;
        let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        if !is_name || seen.contains(&name) {
            return Err(format!("an attribute '{name}'"));
        }
        references(value)?;
        seen.push(name);
        text = rest;
    }
    Ok(())
}

fn references(text: &str) -> Result<(), String> {
    let known = ["amp;", "lt;", "gt;", "quot;"];
    match text.split('&').skip(1).find(|rest| !known.iter().any(|name| rest.starts_with(name))) {
        None => Ok(()),
        Some(rest) => Err(format!("an unknown reference '&{rest}'")),
    }
}

#[test]
fn the_checker_finds_what_is_not_well_formed() {
    for bad in
        ["<p>", "</p>", "<p><b></p></b>", "<p a=b></p>", "<p a=\"1\" a=\"2\"></p>", "a & b", "<script>"]
    {
        assert!(elements(&format!("<!DOCTYPE html>{bad}")).is_err(), "{bad}");
    }
    assert_eq!(elements("<!DOCTYPE html><p a=\"&lt;\">x<br>y</p>").unwrap(), ["p", "br"]);
}

#[test]
fn pages_are_well_formed_and_need_nothing_else() {
    let page = html(&outcome("plain"));
    let names = elements(&page).unwrap();
    for element in ["header", "main", "table", "svg", "article"] {
        assert!(names.iter().any(|name| name == element), "no {element}");
    }
    assert!(!page.contains("src=\"http") && !page.contains("url(") && !page.contains("@import"));
}

#[test]
fn texts_of_models_and_files_are_escaped() {
    let hostile = r#"</style><script>alert("1")</script><img src=x onerror='alert(2)'>&amp;"#;
    let plain = elements(&html(&outcome("plain"))).unwrap();
    let page = html(&outcome(hostile));
    let names = elements(&page).unwrap();
    assert_eq!(names.iter().filter(|name| *name == "script").count(), 1, "our own");
    assert_eq!(names.len(), plain.len(), "the same elements whatever the texts are");
    assert!(page.contains("&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;"));
}

#[test]
fn the_same_outcome_gives_the_same_page() {
    assert_eq!(html(&outcome("a")), html(&outcome("a")));
}

#[test]
fn an_outcome_without_measurements_and_examples_has_a_page() {
    let mut outcome = outcome("bare");
    outcome.stages.clear();
    outcome.passes.clear();
    outcome.segments.clear();
    outcome.examples.clear();
    outcome.profile = Default::default();
    elements(&html(&outcome)).unwrap();
}

#[test]
fn large_graphs_have_a_page_in_less_than_a_second() {
    let mut text = "graph \"chain\" {\n input %x: f32[1,8]\n %v0 = Relu(%x)\n".to_owned();
    for index in 1..1400 {
        text += &format!(" %v{index} = Relu(%v{})\n", index - 1);
    }
    text += " output %v1399 as \"y\"\n}";
    let mut outcome = outcome("chain");
    outcome.before.graph = parse(&text, &Operators).unwrap();
    outcome.after.graph = outcome.before.graph.clone();
    let start = Instant::now();
    let page = html(&outcome);
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    assert!(page.len() < 3_000_000, "{} bytes", page.len());
    elements(&page).unwrap();
}
