//! Objects that others keep, recorded by `scripts/record_nms.py`.

use lehr_pipeline::{Class, Context, Item, Object, Region};

use crate::{Golden, step};

fn objects(golden: &Golden, with_classes: bool) -> Vec<Object> {
    let classes = golden.get("classes").as_slice::<i32>().unwrap();
    let scores = golden.get("scores").as_slice::<f32>().unwrap();
    let boxes = golden.get("boxes").as_slice::<f32>().unwrap();
    let objects = boxes.chunks_exact(4).zip(classes.iter().zip(scores.iter()));
    objects
        .map(|(edges, (class, score))| {
            let region = Region::Box { x1: edges[0], y1: edges[1], x2: edges[2], y2: edges[3] };
            let class = Class { index: *class as usize, score: *score, label: None };
            Object { class: with_classes.then_some(class), ..Object::new(region, *score) }
        })
        .collect()
}

fn kept(parameters: &str, objects: Vec<Object>) -> Vec<Object> {
    match step("nms", parameters).apply(Item::Objects(objects), &mut Context::default()).unwrap() {
        Item::Objects(objects) => objects,
        other => panic!("{other:?}"),
    }
}

#[test]
fn hard_suppression_keeps_what_onnx_runtime_keeps() {
    let golden = Golden::read("nms.npz");
    let all = objects(&golden, true);
    let expected = golden.get("kept").as_slice::<i32>().unwrap();
    let mut expected: Vec<_> = expected.chunks_exact(2).map(|pair| all[pair[1] as usize].clone()).collect();
    expected.sort_by(|a, b| b.score.total_cmp(&a.score));
    assert_eq!(kept("iou = 0.4\nscore = 0.2", all), expected);
}

#[test]
fn soft_suppression_leaves_the_scores_that_opencv_leaves() {
    let golden = Golden::read("nms.npz");
    let all = objects(&golden, false);
    for decay in ["linear", "gaussian"] {
        let got = kept(&format!("iou = 0.3\nscore = 0.2\nsigma = 0.5\nsoft = '{decay}'"), all.clone());
        let indices = golden.get(decay).as_slice::<i32>().unwrap();
        let scores = golden.get(&format!("{decay}_scores"));
        let scores = scores.as_slice::<f32>().unwrap();
        let mut expected: Vec<_> = indices.iter().zip(scores.iter()).collect();
        expected.sort_by(|a, b| b.1.total_cmp(a.1));
        assert_eq!(got.len(), expected.len(), "{decay}");
        for (got, (index, score)) in got.iter().zip(expected) {
            assert_eq!(got.region, all[*index as usize].region, "{decay}");
            assert!((got.score - score).abs() < 1e-5, "{decay}: {} {score}", got.score);
        }
    }
}
