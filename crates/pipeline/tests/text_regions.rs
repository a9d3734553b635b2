//! Lines of text as PP-OCR itself finds them, recorded by `scripts/record_text_regions.py`.

use std::fs::File;
use std::path::Path;

use lehr_pipeline::{Context, Geometry, Item, Object, Region, steps};
use lehr_tensor::{Tensor, npz};

fn golden() -> Vec<(String, Tensor)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/text_regions.npz");
    npz::read(File::open(path).unwrap()).unwrap()
}

fn found(map: &Tensor, size: &[i32]) -> Vec<Object> {
    let step = steps::find("text_regions").unwrap();
    let step = step.build(toml::Table::new(), &lehr_pipeline::NoFiles).unwrap();
    let mut geometry = Geometry::identity(size[0] as usize, size[1] as usize);
    geometry.resized(map.shape()[1], map.shape()[0]);
    let values = map.as_slice::<u8>().unwrap().iter().map(|value| f32::from(*value) / 255.0).collect();
    let item = Item::Tensor(Tensor::from_vec::<f32>(map.shape(), values).unwrap());
    let mut context = Context { geometry: Some(geometry), ..Context::default() };
    match step.apply(item, &mut context).unwrap() {
        Item::Objects(objects) => objects,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_same_lines_are_found_within_two_pixels_and_in_the_same_order() {
    let golden = golden();
    let get = |name: String| &golden.iter().find(|(key, _)| *key == name).unwrap().1;
    for page in 0..2 {
        let size = get(format!("size_{page}")).as_slice::<i32>().unwrap();
        let expected = get(format!("boxes_{page}"));
        let objects = found(get(format!("map_{page}")), &size);
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
