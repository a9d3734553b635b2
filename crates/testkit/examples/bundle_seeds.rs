//! Writes models as bundles, the seeds of the bundle's fuzz target: `bundle_seeds OUT_FOLDER MODEL…`.

use std::path::PathBuf;

use lehr::Model;
use lehr::bundle::{Contents, Provenance};

/// Larger files only slow fuzzing down.
const MOST_BYTES: u64 = 16 << 10;

fn main() {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let Some(out) = arguments.next() else { return eprintln!("usage: bundle_seeds OUT_FOLDER MODEL…") };
    for path in arguments {
        let Ok(model) = Model::load(&path) else { continue };
        let contents = Contents {
            pipeline: Some("schema = 1\n".into()),
            files: [("labels.txt".into(), "a\nb\n".into())].into(),
            provenance: Provenance::of_file(&path).unwrap_or_default(),
        };
        let target = out.join(path.file_stem().unwrap_or_default()).with_extension("lehr");
        match model.write_bundle(&target, &contents) {
            Ok(written) if written.bytes > MOST_BYTES => drop(std::fs::remove_file(&target)),
            Ok(_) => {}
            Err(error) => eprintln!("{}: {error}", target.display()),
        }
    }
}
