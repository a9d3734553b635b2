//! Conversions and files against what numpy, ml_dtypes and onnx recorded; `golden/make_golden.py` makes the records.

use std::io::Cursor;

use lehr_tensor::{CastOptions, DataType, RoundMode, Tensor, Wide, bf16, f16, npy, npz};

const RECORD: &str = include_str!("golden/casts.txt");

fn lines(kind: &str) -> impl Iterator<Item = Vec<&'static str>> {
    let rows = RECORD.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    rows.filter(move |words| words[0] == kind).map(|words| words[1..].to_vec())
}

fn hex(text: &str) -> u32 {
    u32::from_str_radix(text, 16).unwrap()
}

/// The codes of a float tensor of at most 16 bits.
fn codes(tensor: &Tensor) -> Vec<u32> {
    match tensor.dtype() {
        DataType::F16 => tensor.as_slice::<f16>().unwrap().iter().map(|x| x.to_bits().into()).collect(),
        DataType::BF16 => tensor.as_slice::<bf16>().unwrap().iter().map(|x| x.to_bits().into()).collect(),
        _ => tensor.codes().unwrap().iter().map(|code| u32::from(*code)).collect(),
    }
}

#[test]
fn every_code_decodes_as_ml_dtypes_does() {
    let mut seen = 0;
    for words in lines("decode") {
        let dtype = DataType::from_name(words[0]).unwrap();
        let count = words.len() - 1;
        let every: Vec<u8> = (0..count).map(|code| code as u8).collect();
        let tensor = Tensor::from_codes(dtype, &[count], &every).unwrap();
        let floats = tensor.cast(DataType::F32, CastOptions::default()).unwrap();
        for (code, (value, want)) in floats.into_vec::<f32>().unwrap().iter().zip(&words[1..]).enumerate() {
            match *want {
                "nan" => assert!(value.is_nan(), "{dtype} {code:x}"),
                bits => assert_eq!(value.to_bits(), hex(bits), "{dtype} {code:x}"),
            }
        }
        seen += 1;
    }
    assert_eq!(seen, 8);
}

#[test]
fn floats_encode_as_onnx_does() {
    let columns = lines("columns").next().unwrap();
    let rows: Vec<Vec<u32>> = lines("encode").map(|words| words.into_iter().map(hex).collect()).collect();
    let inputs: Vec<f32> = rows.iter().map(|row| f32::from_bits(row[0])).collect();
    let source = Tensor::vector(inputs.clone());
    let mut wrong = Vec::new();
    for (at, name) in columns.iter().enumerate() {
        let dtype = DataType::from_name(name).unwrap();
        for (saturate, column) in [(false, 1 + 2 * at), (true, 2 + 2 * at)] {
            let options = CastOptions { saturate, ..CastOptions::default() };
            let direct = codes(&source.cast(dtype, options).unwrap());
            let wide = source.widen();
            let widened = codes(&Tensor::narrow_with(dtype, source.shape(), wide, options).unwrap());
            for (row, (got, input)) in rows.iter().zip(direct.iter().zip(&inputs)) {
                if *got != row[column] {
                    wrong.push(format!(
                        "{input:e} -> {name} saturate {saturate}: {got:x}, want {:x}",
                        row[column]
                    ));
                }
            }
            assert_eq!(direct, widened, "{name}");
        }
    }
    assert!(rows.len() > 200 && wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn scales_round_as_onnx_does() {
    for words in lines("e8m0") {
        let round = match words[0] {
            "up" => RoundMode::Up,
            "down" => RoundMode::Down,
            _ => RoundMode::Nearest,
        };
        let pairs = words[1..].iter().map(|pair| pair.split_once(':').unwrap());
        let (inputs, want): (Vec<f32>, Vec<u32>) =
            pairs.map(|(input, code)| (f32::from_bits(hex(input)), hex(code))).unzip();
        for saturate in [false, true] {
            let options = CastOptions { saturate, round };
            let got = Tensor::vector(inputs.clone()).cast(DataType::F8E8M0, options).unwrap();
            assert_eq!(codes(&got), want, "{round:?}");
        }
    }
}

#[test]
fn floats_print_as_numpy_does() {
    for words in lines("print") {
        let bits = u64::from_str_radix(words[1], 16).unwrap();
        let tensor = match words[0] {
            "f64" => Tensor::scalar(f64::from_bits(bits)),
            "f32" => Tensor::scalar(f32::from_bits(hex(words[1]))),
            _ => Tensor::scalar(f16::from_bits(bits as u16)),
        };
        let text = tensor.cast(DataType::String, CastOptions::default()).unwrap();
        assert_eq!(text.strings().unwrap()[0], words[2], "{} {}", words[0], words[1]);
    }
}

#[test]
fn archives_of_numpy() {
    let stored = npz::read(Cursor::new(include_bytes!("golden/stored.npz"))).unwrap();
    let deflated = npz::read(Cursor::new(include_bytes!("golden/deflated.npz"))).unwrap();
    assert_eq!(stored, deflated);
    let strings = |shape: &[usize], texts: &[&str]| {
        Tensor::from_strings(shape, texts.iter().map(|text| text.to_string()).collect()).unwrap()
    };
    let want = [
        ("f2", Tensor::narrow(DataType::F16, &[2, 2], Wide::F(vec![1.5, -2.0, 0.0, 65504.0])).unwrap()),
        ("f4_be", Tensor::vector(vec![1.5f32, -2.25])),
        ("f8_fortran", Tensor::from_vec(&[2, 3], vec![0.0f64, 1.0, 2.0, 3.0, 4.0, 5.0]).unwrap()),
        ("i8", Tensor::scalar(-(1i64 << 62))),
        ("u2_be", Tensor::vector(vec![1u16, 256, 65535])),
        ("b1", Tensor::vector(vec![true, false, true])),
        ("c8", Tensor::vector(vec![[1.0f32, 2.0]])),
        ("c16_be", Tensor::vector(vec![[1.0f64, -2.0]])),
        ("text", strings(&[2, 2], &["a", "é😀", "", "long"])),
        ("bytes", strings(&[2], &["ab", "c"])),
        ("bf16", Tensor::vector(vec![0x3fc0u16, 0xc000])),
        ("int4", Tensor::vector(vec![8u8, 7, 15])),
        ("empty", Tensor::zeros(DataType::F32, &[0, 3]).unwrap()),
    ];
    assert_eq!(stored.len(), want.len());
    for ((name, tensor), (want_name, want)) in stored.iter().zip(&want) {
        assert_eq!((name.as_str(), tensor), (*want_name, want));
    }
}

#[test]
fn later_versions_of_numpy_headers() {
    for mut file in [&include_bytes!("golden/version2.npy")[..], include_bytes!("golden/version3.npy")] {
        assert_eq!(npy::read(&mut file).unwrap(), Tensor::vector(vec![0i32, 1, 2]));
    }
}

#[test]
fn writing_gives_the_bytes_of_numpy() {
    let mut out = Vec::new();
    npy::write(&mut out, &Tensor::vector(vec![0i32, 1, 2])).unwrap();
    let header = b"\x93NUMPY\x01\x00v\x00{'descr': '<i4', 'fortran_order': False, 'shape': (3,), }";
    assert_eq!((&out[..header.len()], out.len()), (&header[..], 128 + 12));
}
