//! What every pass did to the graph, for people.

use lehr::deploy::PassCount;

use crate::columns::aligned;
use crate::numbers::{bytes, count};

/// One row for each pass that made an edit: what became less has a minus.
pub fn pass_table(passes: &[PassCount]) -> String {
    let titles = ["pass", "exactness", "edits", "nodes", "parameters", "MACs", "moved", "energy*", "ms"];
    let mut rows = vec![titles.map(str::to_owned)];
    for pass in passes.iter().filter(|pass| pass.edits > 0) {
        rows.push([
            pass.pass.clone(),
            pass.exactness.clone(),
            pass.edits.to_string(),
            signed(pass.nodes, |n| n.to_string()),
            signed(pass.parameter_bytes, bytes),
            signed(pass.macs, count),
            signed(pass.bytes_moved, bytes),
            energy(pass.energy_uj),
            format!("{:.2}", pass.milliseconds),
        ]);
    }
    aligned(&rows, &[0, 1])
}

fn signed(change: i64, text: impl Fn(u64) -> String) -> String {
    match change {
        0 => "–".to_owned(),
        1.. => format!("+{}", text(change.unsigned_abs())),
        _ => format!("-{}", text(change.unsigned_abs())),
    }
}

fn energy(uj: f64) -> String {
    if uj == 0.0 { "–".to_owned() } else { format!("{uj:+.2} µJ") }
}
