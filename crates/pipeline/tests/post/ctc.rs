//! Text as PP-OCR itself reads it, recorded by `scripts/record_ctc.py`.

use lehr_pipeline::{Context, Item, Transcript};

use crate::{Golden, path, step, unpacked};

fn read(op: &str) -> Vec<Transcript> {
    let symbols: String = ('!'..='~').collect();
    let parameters = toml::Table::from_iter([
        ("characters".to_owned(), toml::Value::from(symbols)),
        ("space".to_owned(), toml::Value::from(true)),
    ]);
    let probabilities = unpacked(Golden::read("ctc.npz").get("probabilities"));
    let step = step(op, &toml::to_string(&parameters).unwrap());
    let Item::List(lines) = step.apply(Item::Tensor(probabilities), &mut Context::default()).unwrap() else {
        panic!()
    };
    let line = |item| match item {
        Item::Transcript(transcript) => transcript,
        other => panic!("{other:?}"),
    };
    lines.into_iter().map(line).collect()
}

fn expected() -> Vec<(String, f32)> {
    let text = std::fs::read_to_string(path("ctc.tsv")).unwrap();
    let fields = text.lines().map(|line| line.split_once('\t').unwrap());
    fields.map(|(text, score)| (text.to_owned(), score.parse().unwrap())).collect()
}

#[test]
fn greedy_decoding_reads_what_pp_ocr_reads_with_its_score() {
    for (got, (text, score)) in read("ctc_greedy").into_iter().zip(expected()) {
        assert_eq!(got.text, text);
        assert!((got.score - score).abs() < 2e-6, "{text}: {} {score}", got.score);
    }
}

#[test]
fn a_beam_reads_the_same_where_the_recogniser_is_sure() {
    let texts: Vec<_> = expected().into_iter().map(|(text, _)| text).collect();
    assert_eq!(read("ctc_beam").into_iter().map(|line| line.text).collect::<Vec<_>>(), texts);
}
