//! The bytes as a `pipeline.toml` and what it is used on: built, checked, fitted, and run once within bounds.

use bytes::Bytes;
use lehr_pipeline::{
    Context, Files, InMemory, InputSpec, Item, ItemType, Kind, Manifest, Pipeline, Port, Signature, Source,
    TensorType, Text, draw, steps,
};
use lehr_tensor::{CastOptions, DataType, Tensor, checked_len, npy};
use toml::{Table, Value};

/// The largest whole number that a run gets as a parameter, beside the next two.
const MOST: i64 = 64;

/// The highest sample rate that a run gets as a parameter.
const HIGHEST_RATE: i64 = 48_000;

/// The largest picture that a run takes or makes, in pixels.
const MOST_PIXELS: i64 = 1 << 14;

/// The most numbers that a step of a run makes.
const MOST_NUMBERS: usize = 1 << 16;

/// The largest picture that answers are drawn on, in pixels.
const MOST_DRAWN: usize = 1 << 10;

/// The most numbers of what the model is said to have given.
const MOST_GIVEN: usize = 1 << 10;

/// Up to the first byte 0 the manifest, behind it the item that the pipeline is given, what the model gave, and in the last
/// byte the length of that in fours. Steps may name the files below and the item.
pub fn pipeline(bytes: &[u8]) {
    let mut parts = bytes.splitn(2, |byte| *byte == 0);
    let (text, rest) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let (item, given) = item_and_given(rest);
    let Ok(text) = std::str::from_utf8(text) else { return };
    let Some(manifest) = said(Manifest::parse(text)) else { return };
    if let Ok(printed) = manifest.to_text() {
        let again = Manifest::parse(&printed).expect("what was printed parses");
        assert_eq!(again.to_text().ok(), Some(printed), "printing and parsing changed the pipeline");
    }
    let files = files(item);
    if let Some(pipeline) = built(&manifest, &files) {
        let _ = pipeline.check(&Signature::default());
        let ports = pipeline.wanted().map(|name| Port { name: name.to_owned(), ty: TensorType::default() });
        let _ = pipeline.check(&Signature { inputs: Vec::new(), outputs: ports.collect() });
        pipeline.kinds().for_each(|(name, _)| drop(pipeline.affine_tail(name)));
    }
    if let Some(manifest) = bounded(manifest) {
        run(manifest, item, given, &files);
    }
}

/// The pipeline, unless it takes more memory than there is while fuzzing, though no more than it may.
fn built(manifest: &Manifest, files: &dyn Files) -> Option<Pipeline> {
    let numbers = manifest.states.iter().map(|state| checked_len(&state.shape).unwrap_or(usize::MAX));
    let is_costly = (1 << 20..=1 << 28).contains(&numbers.fold(0, usize::saturating_add));
    if is_costly { None } else { said(Pipeline::build(manifest.clone(), files)) }
}

fn item_and_given(bytes: &[u8]) -> (&[u8], &[u8]) {
    let Some((fours, bytes)) = bytes.split_last() else { return (bytes, bytes) };
    bytes.split_at(bytes.len().saturating_sub(4 * usize::from(*fours)))
}

/// The value; an error must say something.
fn said<T, E: std::error::Error>(result: Result<T, E>) -> Option<T> {
    result.inspect_err(|error| assert!(!error.to_string().is_empty())).ok()
}

fn files(item: &[u8]) -> InMemory {
    let files: [(&str, &[u8]); 4] = [
        ("labels.txt", b"cat\ndog\nowl\n"),
        ("alphabet.txt", b"a\nb\nc\n"),
        ("tokenizer.json", TOKENIZER.as_bytes()),
        ("item", item),
    ];
    InMemory(files.map(|(name, content)| (name.to_owned(), Bytes::copy_from_slice(content))).into())
}

/// A small tokenizer of whole words.
const TOKENIZER: &str = r#"{"version": "1.0", "truncation": null, "padding": null, "normalizer": {"type": "Lowercase"},
    "pre_tokenizer": {"type": "Whitespace"}, "post_processor": null, "decoder": null,
    "added_tokens": [{"id": 0, "content": "[PAD]", "single_word": false, "lstrip": false, "rstrip": false,
                      "normalized": false, "special": true}],
    "model": {"type": "WordLevel", "unk_token": "[UNK]", "vocab": {"[PAD]": 0, "[UNK]": 1, "a": 2, "cat": 3}}}"#;

/// The manifest with presets spelt out and with parameters that ask for little work.
fn bounded(mut manifest: Manifest) -> Option<Manifest> {
    for input in &mut manifest.inputs {
        input.steps = said(input.all_steps())?;
        input.preset = None;
        input.steps.iter_mut().for_each(bound_step);
    }
    manifest.outputs.iter_mut().flat_map(|output| &mut output.steps).for_each(bound_step);
    let constants = manifest.constants.iter().map(|constant| &constant.shape);
    let shapes = constants.chain(manifest.states.iter().map(|state| &state.shape));
    let is_small = |shape: &Vec<usize>| checked_len(shape).is_ok_and(|numbers| numbers <= MOST_NUMBERS);
    shapes.into_iter().all(is_small).then_some(manifest)
}

fn bound_step(parameters: &mut Table) {
    if parameters.get("op").and_then(Value::as_str) == Some("decode_image") {
        parameters.entry("max_pixels").or_insert(Value::Integer(MOST_PIXELS));
    }
    parameters.iter_mut().for_each(|(name, value)| bound(name, value));
}

fn bound(name: &str, value: &mut Value) {
    match value {
        Value::Integer(number) => {
            let most = match name {
                "rate" => HIGHEST_RATE,
                "max_pixels" => MOST_PIXELS,
                "degrees" => 360,
                _ => MOST,
            };
            *number = (*number).clamp(-most, most);
        }
        Value::Array(values) => values.iter_mut().for_each(|value| bound(name, value)),
        Value::Table(fields) => fields.iter_mut().for_each(|(name, value)| bound(name, value)),
        _ => {}
    }
}

/// The steps one by one as long as little is asked for, and if that is all of them, the pipeline as a whole.
fn run(manifest: Manifest, item: &[u8], given: &[u8], files: &dyn Files) {
    let Some(manifest) = fitted(manifest, item, files) else { return };
    let Some(pipeline) = said(Pipeline::build(manifest.clone(), files)) else { return };
    let mut context = Context { keep_picture: true, ..Context::default() };
    for input in &manifest.inputs {
        let Some(item) = loaded(input, item) else { return };
        if !is_quick(&input.steps, item.clone(), &mut context, files) {
            return;
        }
    }
    let source = Source::Bytes { name: "item".to_owned(), bytes: Bytes::copy_from_slice(item) };
    let Some(prepared) = said(pipeline.prepare(&source, true)) else { return };
    let mut numbers = Numbers(given);
    let given: Vec<_> = pipeline.wanted().map(|name| (name.to_owned(), numbers.tensor())).collect();
    let mut context = prepared.context.clone();
    for output in &manifest.outputs {
        let tensor = |name: &str| given.iter().find(|(given, _)| given == name).map(|(_, t)| t.clone());
        let item = match output.tensors.is_empty() {
            true => tensor(&output.name).map(Item::Tensor),
            false => {
                let tensors = output.tensors.iter();
                tensors
                    .map(|(called, name)| Some((called.clone(), tensor(name)?)))
                    .collect::<Option<_>>()
                    .map(Item::Tensors)
            }
        };
        if !is_quick(&output.steps, item.expect("every output is given"), &mut context, files) {
            return;
        }
    }
    let picture = prepared.context.picture.clone();
    let Some(answers) = said(pipeline.finish(prepared.context, &given)) else { return };
    assert!(!answers.to_json().to_string().is_empty());
    if let Some(picture) = picture.filter(|picture| picture.width() * picture.height() <= MOST_DRAWN) {
        said(draw::draw(&picture, &answers, &draw::Style::default()));
    }
}

/// The manifest with the steps of tables fitted to the item.
fn fitted(mut manifest: Manifest, item: &[u8], files: &dyn Files) -> Option<Manifest> {
    let tables = manifest.inputs.iter().filter(|input| input.kind == Kind::Table);
    for name in tables.map(|input| input.name.clone()).collect::<Vec<_>>() {
        let item = Item::Bytes(Bytes::copy_from_slice(item));
        manifest = said(lehr_pipeline::fit(manifest, Some(&name), item, files))?;
    }
    Some(manifest)
}

/// What the first step gets.
fn loaded(input: &InputSpec, item: &[u8]) -> Option<Item> {
    let bytes = Bytes::copy_from_slice(item);
    match input.kind {
        Kind::Text => {
            let first = std::str::from_utf8(item).ok()?.to_owned();
            Some(Item::Text(Text { first, second: None }))
        }
        Kind::Tensor => npy::read_bytes(bytes).ok().map(Item::Tensor),
        _ => Some(Item::Bytes(bytes)),
    }
}

/// Applies steps up to the first that fails; false when one would make too much for a quick run. Each must make what it
/// says beforehand.
fn is_quick(specs: &[Table], mut item: Item, context: &mut Context, files: &dyn Files) -> bool {
    for spec in specs {
        let mut parameters = spec.clone();
        let declared = parameters.remove("op").and_then(|op| steps::find(op.as_str()?));
        let declared = declared.expect("the pipeline was built of it");
        if samples(&item, spec) > MOST_NUMBERS as f64 {
            return false;
        }
        let step = declared.build(parameters, files).expect("the pipeline was built of it");
        let inferred = said(step.infer(&item.ty()));
        if inferred.as_ref().is_some_and(is_large) {
            return false;
        }
        let given = item.ty();
        let Some(made) = said(step.apply(item, context)) else { return true };
        let ty = made.ty();
        // An empty list does not say what it is of.
        let is_foreseen = match &inferred {
            Some(inferred) => suits(inferred, &ty),
            None => given == ItemType::List(Box::new(ItemType::Json)),
        };
        assert!(is_foreseen, "step {} made {ty:?} of {given:?}, not {inferred:?}", declared.op);
        item = made;
        if is_large(&item.ty()) {
            return false;
        }
    }
    true
}

/// The length that a step with these parameters gives a recording.
fn samples(item: &Item, parameters: &Table) -> f64 {
    let Item::Audio(audio) = item else { return 0.0 };
    let (rate, channels) = (f64::from(audio.rate()), audio.channels().len() as f64);
    let seconds =
        parameters.get("seconds").and_then(Value::as_float).unwrap_or(audio.samples() as f64 / rate);
    let rate = parameters.get("rate").and_then(Value::as_integer).map_or(rate, |rate| rate as f64);
    seconds * rate * channels
}

fn is_large(ty: &ItemType) -> bool {
    let product = |sizes: &[Option<usize>]| {
        sizes.iter().map(|size| size.unwrap_or(1)).try_fold(1usize, usize::checked_mul).unwrap_or(usize::MAX)
    };
    let numbers = |tensor: &TensorType| tensor.shape.as_deref().map_or(0, product);
    let got = match ty {
        ItemType::Image(image) => product(&[image.width, image.height]),
        ItemType::Tensor(tensor) => numbers(tensor),
        ItemType::Tensors(tensors) => {
            tensors.iter().map(|(_, tensor)| numbers(tensor)).fold(0, usize::saturating_add)
        }
        _ => 0,
    };
    got > MOST_NUMBERS
}

/// Whether something is of the kind that was expected of it. Where rows are many or none, there is a list of answers.
fn suits(expected: &ItemType, got: &ItemType) -> bool {
    let size_suits = |expected: &Option<usize>, got: &Option<usize>| expected.is_none() || expected == got;
    let tensor_suits = |expected: &TensorType, got: &TensorType| {
        let shapes = expected.shape.as_ref().zip(got.shape.as_ref());
        (expected.dtype.is_none() || expected.dtype == got.dtype)
            && shapes
                .is_none_or(|(a, b)| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| size_suits(a, b)))
    };
    match (expected, got) {
        (ItemType::List(expected), ItemType::List(got)) => **got == ItemType::Json || suits(expected, got),
        (ItemType::List(expected), got) => suits(expected, got),
        (expected, ItemType::List(got)) => **got == ItemType::Json || suits(expected, got),
        (ItemType::Tensor(expected), ItemType::Tensor(got)) => tensor_suits(expected, got),
        (ItemType::Tensors(expected), ItemType::Tensors(got)) => {
            let pairs = || expected.iter().zip(got);
            expected.len() == got.len() && pairs().all(|(a, b)| a.0 == b.0 && tensor_suits(&a.1, &b.1))
        }
        (ItemType::Image(expected), ItemType::Image(got)) => {
            size_suits(&expected.width, &got.width)
                && size_suits(&expected.height, &got.height)
                && (expected.color.is_none() || expected.color == got.color)
                && (expected.dtype.is_none() || expected.dtype == got.dtype)
        }
        (ItemType::Audio { rate, channels }, ItemType::Audio { rate: got_rate, channels: got_channels }) => {
            (rate.is_none() || rate == got_rate) && size_suits(channels, got_channels)
        }
        _ => std::mem::discriminant(expected) == std::mem::discriminant(got),
    }
}

/// Tensors of bytes: element type, number of axes, sizes, a byte for each number.
struct Numbers<'a>(&'a [u8]);

impl Numbers<'_> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn tensor(&mut self) -> Tensor {
        let dtype = match self.byte() % 8 {
            1 => DataType::I64,
            2 => DataType::U8,
            3 => DataType::F64,
            4 => DataType::F16,
            5 => DataType::Bool,
            6 => DataType::I4,
            7 => DataType::String,
            _ => DataType::F32,
        };
        let shape: Vec<usize> = (0..self.byte() % 5).map(|_| usize::from(self.byte() % 16)).collect();
        let shape =
            if checked_len(&shape).is_ok_and(|numbers| numbers <= MOST_GIVEN) { shape } else { vec![3] };
        let numbers: Vec<f32> = (0..shape.iter().product()).map(|_| number(self.byte())).collect();
        let tensor = match dtype {
            DataType::String => Tensor::from_strings(&shape, numbers.iter().map(f32::to_string).collect()),
            _ => Tensor::from_vec(&shape, numbers).and_then(|t| t.cast(dtype, CastOptions::default())),
        };
        tensor.expect("numbers suit the sizes, and every element type holds small ones")
    }
}

fn number(byte: u8) -> f32 {
    match byte {
        0xfd => f32::NEG_INFINITY,
        0xfe => f32::INFINITY,
        0xff => f32::NAN,
        0xf0..=0xfc => f32::from(byte) * 1e36,
        _ => (f32::from(byte) - 64.0) / 32.0,
    }
}
