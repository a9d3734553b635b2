//! Pictures through whole inputs: decoded, resized, cropped, normalised; and straightened as OpenCV does it
//! (`tests/scripts/record_quadrilaterals.py`).

use std::fs::File;

use lehr_pipeline::steps::image::quadrilateral;
use lehr_pipeline::{Color, Image, Item, NoFiles, Pipeline, PipelineError, Pixels, Source};
use lehr_tensor::{Tensor, npz};

/// What the model gets for a source.
fn prepared(steps: &str, source: impl Into<Source>) -> Result<Tensor, PipelineError> {
    let manifest = format!("schema = 1\n[[input]]\nname = \"x\"\nkind = \"image\"\nsteps = [{steps}]\n");
    let pipeline = Pipeline::parse(&manifest, &NoFiles)?;
    Ok(pipeline.prepare(&source.into(), false)?.feeds.remove(0).1)
}

fn gray(width: usize, height: usize, pixel: impl Fn(usize, usize) -> u8) -> Item {
    let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (x, y))).map(|(x, y)| pixel(x, y));
    Item::Image(Image::new(width, height, Color::Gray, Pixels::U8(pixels.collect())).unwrap())
}

fn bytes(content: &[u8]) -> Source {
    Source::Bytes { name: "picture".to_owned(), bytes: content.to_vec().into() }
}

#[test]
fn a_classifier_gets_its_picture() {
    let steps = r#"{ op = "decode_image" }, { op = "resize", short_side = 8 }, { op = "center_crop", size = [6, 6] },
        { op = "scale", by = 0.00392156862745098 }, { op = "normalize", mean = [0.5, 0.5, 0.5], std = 0.25 },
        { op = "layout", order = "CHW" }, { op = "batch" }"#;
    let tensor = prepared(&steps.replace('\n', " "), gray(20, 16, |_, _| 255)).unwrap();
    assert_eq!(tensor, Tensor::from_vec(&[1, 3, 6, 6], vec![2.0f32; 108]).unwrap());
}

#[test]
fn a_letterbox_keeps_the_ratio() {
    let steps = r#"{ op = "letterbox", size = [4, 6], value = 7, filter = "nearest" }, { op = "layout", order = "HWC" }"#;
    let tensor = prepared(steps, gray(4, 4, |x, _| x as u8)).unwrap();
    let row = [7u8, 0, 1, 2, 3, 7];
    assert_eq!(tensor, Tensor::from_vec(&[4, 6, 1], row.repeat(4)).unwrap());
}

#[test]
fn content_that_is_no_picture_is_named() {
    let steps = r#"{ op = "decode_image" }, { op = "layout", order = "HWC" }"#;
    let message = |content: &[u8]| prepared(steps, bytes(content)).unwrap_err().to_string();
    assert_eq!(
        message(b""),
        "'picture': input 'x', step 1 (decode_image): the picture is empty: expected the content of a file, got 0 bytes"
    );
    assert!(
        message(b"MZ\x90\x00 and so on").contains("got 14 bytes that begin with 4d 5a 90 00 20 61 6e 64")
    );
    assert!(message(b"II*\0\x08\0\0\0").contains("got one of format Tiff"));
}

#[test]
fn a_preset_stands_for_its_steps() {
    let manifest = |preset: &str, steps: &str| {
        let text =
            format!("schema = 1\n[[input]]\nname = \"x\"\nkind = \"image\"\npreset = \"{preset}\"\n{steps}");
        Pipeline::parse(&text, &NoFiles)
    };
    let pipeline = manifest("torchvision/imagenet", "").unwrap();
    let fed = pipeline.prepare(&gray(20, 16, |_, _| 0).into(), false).unwrap().feeds.remove(0).1;
    assert_eq!(fed.shape(), [1, 3, 224, 224]);
    assert_eq!(pipeline.affine_tail("x").unwrap().layout, "NCHW");
    let more = manifest("keras/tf-32", "steps = [{ op = \"clip\", min = 0.0, max = 0.5 }]").unwrap();
    let fed = more.prepare(&gray(20, 16, |_, _| 255).into(), false).unwrap().feeds.remove(0).1;
    assert_eq!(fed, Tensor::from_vec(&[1, 32, 32, 3], vec![0.5f32; 3072]).unwrap());
    assert_eq!(
        manifest("torchvision/resnet50", "").unwrap_err().to_string(),
        "the pipeline can not be read: input 'x': there is no preset 'torchvision/resnet50'; there are torchvision/…, \
         keras/… and timm/…"
    );
}

#[test]
fn quadrilaterals_are_straightened_as_opencv_does_it() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/quadrilaterals.npz");
    let arrays = npz::read(File::open(path).unwrap()).unwrap();
    let array = |name: &str| &arrays.iter().find(|(key, _)| key == name).unwrap().1;
    let pixels = |tensor: &Tensor| Pixels::U8(tensor.as_slice::<u8>().unwrap().to_vec());
    let picture = Image::new(64, 48, Color::Rgb, pixels(array("picture"))).unwrap();
    let corners = array("corners").as_slice::<f32>().unwrap().to_vec();
    for (index, corners) in corners.chunks_exact(8).enumerate() {
        let corners = std::array::from_fn(|corner| [corners[2 * corner], corners[2 * corner + 1]]);
        let got = quadrilateral::cut(&picture, corners).unwrap();
        let expected = array(&format!("cut_{index}"));
        assert_eq!([got.height(), got.width(), 3], expected.shape(), "quadrilateral {index}");
        let Pixels::U8(got) = got.pixels() else { panic!("expected bytes") };
        let expected = expected.as_slice::<u8>().unwrap();
        let worst = got.iter().zip(expected.iter()).map(|(got, expected)| got.abs_diff(*expected)).max();
        assert!(worst <= Some(1), "quadrilateral {index}: {worst:?}");
    }
}
