//! Prints ONNX models as text graphs, the seeds of the text form's fuzz target: `text_seeds OUT_FOLDER MODEL.onnx…`.

use std::path::PathBuf;

fn main() {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let Some(out) = arguments.next() else { return eprintln!("usage: text_seeds OUT_FOLDER MODEL.onnx…") };
    for path in arguments {
        let Ok(model) = lehr_formats::onnx::read_file(&path).into_model() else { continue };
        let text = lehr_graph::text::print_full(&model.graph);
        let target = out.join(path.file_stem().unwrap_or_default()).with_extension("txt");
        if let Err(error) = std::fs::write(&target, text) {
            eprintln!("{}: {error}", target.display());
        }
    }
}
