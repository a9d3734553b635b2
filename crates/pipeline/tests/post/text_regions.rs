//! Lines of text as PP-OCR itself finds them, recorded by `scripts/record_text_regions.py`.

use lehr_pipeline::{Context, Geometry, Item, Object, Region};
use lehr_tensor::Tensor;

use crate::{Golden, step, unpacked};

fn found(map: &Tensor, size: &[i32]) -> Vec<Object> {
    let mut geometry = Geometry::identity(size[0] as usize, size[1] as usize);
    geometry.resized(map.shape()[1], map.shape()[0]);
    let mut context = Context { geometry: Some(geometry), ..Context::default() };
    match step("text_regions", "").apply(Item::Tensor(unpacked(map)), &mut context).unwrap() {
        Item::Objects(objects) => objects,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_same_lines_are_found_within_two_pixels_and_in_the_same_order() {
    let golden = Golden::read("text_regions.npz");
    for page in 0..2 {
        let size = golden.get(&format!("size_{page}")).as_slice::<i32>().unwrap();
        let expected = golden.get(&format!("boxes_{page}"));
        let objects = found(golden.get(&format!("map_{page}")), &size);
        assert_eq!(objects.len(), expected.shape()[0], "page {page}");
        let mut worst = 0.0f32;
        for (object, corners) in objects.iter().zip(expected.as_slice::<i32>().unwrap().chunks_exact(8)) {
            let Region::Polygon(got) = &object.region else { panic!("{object:?}") };
            for (got, expected) in got.as_flattened().iter().zip(corners) {
                worst = worst.max((got - *expected as f32).abs());
            }
        }
        println!("page {page}: {} lines, corners differ by at most {worst}", objects.len());
        assert!(worst <= 2.0, "page {page}: {worst} pixels");
    }
}
