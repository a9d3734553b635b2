//! Tensors of every element type in and out of bundles, and directories that lie.

use lehr_bundle::tensors::{Layout, read};
use lehr_bundle::{Bundle, BundleError, Kind, Part, to_bytes};
use lehr_tensor::{Bytes, DataType, Tensor};

fn examples() -> Vec<Tensor> {
    let mut tensors = vec![
        Tensor::from_strings(&[2, 2], ["", "a", "äöü", "long text"].map(str::to_owned).to_vec()).unwrap(),
        Tensor::from_strings(&[0], Vec::new()).unwrap(),
        Tensor::vector(vec![true, false, true]),
        Tensor::from_vec(&[50, 50], vec![true; 2500]).unwrap(),
        Tensor::scalar(1.5f32),
        Tensor::from_vec(&[3, 0, 2], Vec::<f32>::new()).unwrap(),
    ];
    for dtype in DataType::ALL.into_iter().filter(|&dtype| dtype != DataType::String) {
        for count in [1usize, 3, 5, 4099] {
            let length = dtype.byte_len(count).unwrap();
            let bytes: Vec<u8> = (0..length).map(|i| (i % 2) as u8).collect();
            tensors.push(Tensor::from_bytes(dtype, &[count], bytes.into()).unwrap());
        }
    }
    tensors
}

fn segments(tensors: &[Tensor]) -> (Bytes, Bytes) {
    let layout = Layout::new(tensors);
    let mut weights = Vec::new();
    layout.write_weights(&mut weights).unwrap();
    (layout.directory().unwrap().into(), weights.into())
}

#[test]
fn all_types_round_trip() {
    let tensors = examples();
    let (directory, weights) = segments(&tensors);
    assert!(read(&directory, Some(&weights)).unwrap() == tensors);
    assert!(Layout::new(&tensors).has_weights());
    assert!(matches!(read(&directory, None), Err(BundleError::Missing { kind: Kind::WEIGHTS })));
    let (directory, weights) = segments(&[]);
    assert!(read(&directory, None).unwrap().is_empty() && weights.is_empty());
}

#[test]
fn large_tensors_are_aligned_slices_of_the_bundle() {
    let tensors = examples();
    let layout = Layout::new(&tensors);
    let directory = layout.directory().unwrap();
    let parts = vec![
        Part::bytes(Kind::TENSORS, "", &directory),
        Part::streamed(Kind::WEIGHTS, "", |out| layout.write_weights(out)),
    ];
    let bytes = Bytes::from(to_bytes(parts).unwrap());
    let bundle = Bundle::from_bytes(bytes.clone()).unwrap();
    let weights = bundle.require(Kind::WEIGHTS).unwrap();
    let back = read(&bundle.require(Kind::TENSORS).unwrap(), Some(&weights)).unwrap();
    let mut apart = 0;
    for tensor in back.iter().filter(|t| !matches!(t.dtype(), DataType::String | DataType::Bool)) {
        if tensor.byte_len() >= 1024 {
            let at = tensor.bytes().as_ptr();
            assert!(weights.as_ptr_range().contains(&at), "{tensor:?}");
            assert_eq!((at as usize - bytes.as_ptr() as usize) % 64, 0);
            apart += 1;
        }
    }
    assert!(apart > 20, "{apart}");
}

#[test]
fn directories_that_lie_are_refused() {
    let floats = Tensor::vector(vec![1.0f32; 300]);
    let texts = Tensor::from_strings(&[2], vec!["ab".into(), "c".into()]).unwrap();
    let (directory, weights) = segments(&[floats, texts]);
    // Two entries of one size each: dtype, flags, offset, length, rank, size.
    let (first, second) = (8usize, 48usize);
    let cases: [(usize, u64, &str); 14] = [
        (0, 100, "ends too early"),
        (0, 1, "segment tensors: expected"),
        (0, 1 << 32 | 2, "zeros in reserved bytes"),
        (first, 99, "tensor 0: expected an element type, got 99"),
        (first, 8, "tensor 0: expected 300 texts"),
        (first, 1 | 2 << 32, "tensor 0: expected flags 0 or 1, got 2"),
        (first, 1 | 1 << 32, "tensor 0: expected offset 128, got 0"),
        (first + 8, 64, "tensor 0: expected offset 0, got 64"),
        (first + 16, 1204, "tensor 0: expected at most 1200 bytes, got 1204"),
        (first + 16, 1196, "needs 1200 bytes, got 1196"),
        (first + 24, u64::MAX, "ends too early"),
        (first + 32, u64::MAX, "more elements than memory can address"),
        (second + 8, 0, "tensor 1: expected offset 128, got 0"),
        (second + 32, 3, "tensor 1: expected 3 texts in UTF-8"),
    ];
    for (at, number, message) in cases {
        let mut bytes = directory.to_vec();
        bytes[at..at + 8].copy_from_slice(&number.to_le_bytes());
        let result = read(&bytes.into(), Some(&weights));
        let error = result.expect_err(message).to_string();
        assert!(error.contains(message), "{at}: {error}");
    }
    let longer = Bytes::from([&weights[..], &[0]].concat());
    let error = read(&directory, Some(&longer)).unwrap_err().to_string();
    assert_eq!(error, "segment weights: expected 1200 bytes, got 1201");
    let longer = Bytes::from([&directory[..], &[0]].concat());
    assert!(read(&longer, Some(&weights)).unwrap_err().to_string().contains("segment tensors"));
}

/// Every byte of a directory replaced: tensors or an error, never a panic or a large allocation.
#[test]
fn damaged_directories_never_panic() {
    let (directory, weights) = segments(&examples()[..8]);
    for at in 0..directory.len() {
        for byte in [0, 1, 8, 9, 0x7f, 0xff, directory[at] ^ 0x80] {
            let mut bytes = directory.to_vec();
            bytes[at] = byte;
            let _ = read(&bytes.into(), Some(&weights));
        }
        assert!(read(&directory.slice(..at), Some(&weights)).is_err());
    }
}
