//! The report of a deployment: one HTML file that needs nothing else.

use crate::deploy::Outcome;

/// The report as a page.
pub fn html(outcome: &Outcome) -> String {
    format!("<!doctype html><title>{}</title>", outcome.name)
}
