//! The report of a deployment: one HTML file that needs nothing else.
//!
//! Everything can be read without the script, which only makes the tips of charts come at once. Texts that come from
//! models and files are escaped by the templates; the same outcome always gives the same page.

mod answers;
mod chart;
mod examples;
mod figures;
mod graph_drawing;
mod graphs;
mod headline;
mod kind;
mod latency;
mod memory;
mod method;
mod node_names;
mod overlay;
mod page;
mod picture;
mod quantity;
mod sizes;
mod stages;
mod timing;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use crate::deploy::Outcome;

/// The report as a page.
pub fn html(outcome: &Outcome) -> String {
    page::page(outcome).into_string()
}
