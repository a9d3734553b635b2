//! A laid-out graph as SVG.

use std::fmt::Write;

use maud::{Markup, html};

use super::layout::{BOX_HEIGHT, Layout, Link, Rect};
use super::network::{Network, Role, Vertex};
use crate::report::figures::attribute;

/// Length of the stubs of edges that are not drawn.
const STUB: f64 = 9.0;

/// The drawing.
pub fn svg(network: &Network, layout: &Layout, anchor: &str) -> Markup {
    html! {
        svg width=(attribute(layout.width)) height=(attribute(layout.height))
            viewBox={ "0 0 " (attribute(layout.width)) " " (attribute(layout.height)) } {
            g.edges {
                @for links in layout.links.chunk_by(|a, b| a.source == b.source) {
                    path d=(path(links)) {}
                }
                @if !layout.cut.is_empty() { path.cut d=(stubs(layout)) {} }
            }
            @for (vertex, rect) in network.vertices.iter().zip(&layout.boxes) {
                (vertex_box(vertex, *rect, anchor))
            }
        }
    }
}

fn vertex_box(vertex: &Vertex, rect: Rect, anchor: &str) -> Markup {
    let middle = attribute(rect.x + rect.width / 2.0);
    let (x, y, width) = (attribute(rect.x), attribute(rect.y), attribute(rect.width));
    let height = attribute(BOX_HEIGHT);
    let (class, id, heat) = match &vertex.role {
        Role::Input => ("port input".to_owned(), None, None),
        Role::Output => ("port output".to_owned(), None, None),
        Role::Node { id, kind, heat, .. } => {
            (format!("node {}", kind.class()), Some(format!("{anchor}{}", id.index())), *heat)
        }
    };
    let round = if id.is_none() { BOX_HEIGHT / 2.0 } else { 7.0 };
    html! {
        g class=(class) id=[id] {
            title { (vertex.tip) }
            @if holds_graphs(vertex) {
                rect.behind x=(attribute(rect.x + 4.0)) y=(attribute(rect.y + 4.0)) width=(width) height=(height) rx=(round) {}
            }
            rect x=(x) y=(y) width=(width) height=(height) rx=(round) {}
            @if let Some(heat) = heat.filter(|heat| *heat >= 0.02) {
                rect.heat x=(attribute(rect.x + 8.0)) y=(attribute(rect.y + BOX_HEIGHT - 4.5))
                    width=(attribute((rect.width - 16.0) * heat.min(1.0))) height="2.5" rx="1.25" {}
            }
            text x=(middle) y=(attribute(rect.y + 16.0)) { (vertex.label) }
            text.detail x=(middle) y=(attribute(rect.y + 29.5)) { (vertex.detail) }
        }
    }
}

fn holds_graphs(vertex: &Vertex) -> bool {
    matches!(vertex.role, Role::Node { holds_graphs: true, .. })
}

/// Curves from row to row, straight through the rows that they pass.
fn path(links: &[Link]) -> String {
    let mut path = String::new();
    let mut end = None;
    for link in links {
        let ([x1, y1], [x2, y2]) = (link.from, link.to);
        let middle = attribute((y1 + y2) / 2.0);
        let (x1, y1, x2, y2) = (attribute(x1), attribute(y1), attribute(x2), attribute(y2));
        if end.as_ref() != Some(&(x1.clone(), y1.clone())) {
            let _ = write!(path, "M{x1} {y1}");
        }
        let _ = match x1 == x2 {
            true => write!(path, "V{y2}"),
            false => write!(path, "C{x1} {middle} {x2} {middle} {x2} {y2}"),
        };
        end = link.passes_to.map(|bottom| (x2, attribute(bottom)));
        if let Some((_, bottom)) = &end {
            let _ = write!(path, "V{bottom}");
        }
    }
    path
}

/// Short ends below the sources and above the targets of edges that are not drawn.
fn stubs(layout: &Layout) -> String {
    let mut path = String::new();
    let middle = |vertex: usize| layout.boxes.get(vertex).map(|rect| (rect.x + rect.width / 2.0, rect.y));
    for &(from, to) in &layout.cut {
        if let (Some((x, y)), Some((to_x, to_y))) = (middle(from), middle(to)) {
            let _ = write!(path, "M{} {}v{STUB}", attribute(x + 6.0), attribute(y + BOX_HEIGHT));
            let _ = write!(path, "M{} {}v{STUB}", attribute(to_x + 6.0), attribute(to_y - STUB));
        }
    }
    path
}
