//! Damaged files, absurd parameters, recordings too short for anything: errors, never a panic.

use std::path::Path;

use lehr_pipeline::{
    Audio, AudioFacts, Context, Item, ItemType, NoFiles, Pipeline, Source, Step, StepError, steps,
};
use lehr_tensor::{Bytes, Tensor};

use crate::steps as run;

/// Numbers that repeat for a seed (G. Marsaglia, "Xorshift RNGs", 2003).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }

    fn pick<'a>(&mut self, options: &[&'a str]) -> &'a str {
        options[self.below(options.len())]
    }
}

const SEED: u64 = 0x9E37_79B9;

#[test]
fn any_damage_to_a_file_is_an_error_or_leaves_a_recording() {
    let mut random = Random(SEED);
    println!("seed {SEED:#x}");
    let text = "schema = 1\n[[input]]\nname = \"x\"\nkind = \"audio\"\nsteps = [{ op = \"decode_audio\" }, \
                { op = \"mono\" }, { op = \"resample\", rate = 16000 }, { op = \"frame\", size = 512, context = 64 }]";
    let pipeline = Pipeline::parse(text, &NoFiles).unwrap();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/voice-activity/speech.wav");
    let whole = std::fs::read(path).unwrap();
    let mut decoded = 0;
    for _ in 0..3000 {
        let mut bytes = whole[..44 + random.below(600)].to_vec();
        for _ in 0..random.below(4) {
            let at = random.below(44);
            bytes[at] = [0, 1, 2, 16, 127, 255, 254, random.below(256) as u8][random.below(8)];
        }
        if random.below(8) == 0 {
            bytes.truncate(random.below(60));
        }
        let source = Source::Bytes { name: "a.wav".to_owned(), bytes: Bytes::from(bytes) };
        match pipeline.prepare(&source, false) {
            Ok(prepared) => {
                decoded += 1;
                assert_eq!(prepared.feeds[0].1.shape()[1], 576);
            }
            Err(error) => {
                let text = error.to_string();
                assert!(text.starts_with("'a.wav': input 'x', step "), "{text}");
            }
        }
    }
    assert!(decoded > 300, "{decoded}");
}

/// A name and values.
type Parameter = (&'static str, &'static [&'static str]);

/// Steps and, for each, parameters with values that may be usual or not.
const PARAMETERS: &[(&str, &[Parameter])] = &[
    ("mono", &[]),
    (
        "resample",
        &[
            ("rate", &["16000", "8000", "44100", "1", "0", "300000"]),
            ("lowpass_filter_width", &["6", "1", "0", "1000"]),
            ("rolloff", &["0.99", "1e-9", "nan", "1"]),
            ("window", &["\"kaiser\"", "\"hann\""]),
            ("beta", &["0", "100", "inf"]),
        ],
    ),
    (
        "pad_or_trim",
        &[("samples", &["1", "700", "0", "9223372036854775807"]), ("seconds", &["0.001", "1e-9", "1e300"])],
    ),
    ("preemphasis", &[("coefficient", &["0.97", "-1", "nan"]), ("first", &["\"repeat\"", "\"keep\""])]),
    ("dither", &[("amount", &["0.1", "1e300", "-1"]), ("seed", &["7"])]),
    ("scale_samples", &[("by", &["32767", "1e300", "0", "nan"]), ("round", &["true"])]),
    (
        "frame",
        &[
            ("size", &["512", "1", "0", "9223372036854775807"]),
            ("hop", &["1", "100", "512", "0", "513"]),
            ("context", &["64", "1000", "0", "9223372036854775807"]),
            ("last", &["\"drop\"", "\"pad\""]),
        ],
    ),
    ("samples", &[]),
    (
        "spectrogram",
        &[
            ("n_fft", &["256", "400", "2", "3", "0", "1000000"]),
            ("hop", &["100", "7", "0", "9223372036854775807"]),
            ("win_length", &["200", "1", "2", "0", "500"]),
            ("window", &["\"hamming\"", "\"povey\"", "\"blackman\"", "\"rectangular\"", "\"hann\""]),
            ("periodic", &["false", "true"]),
            ("center", &["false", "true"]),
            ("pad_mode", &["\"constant\"", "\"replicate\"", "\"reflect\""]),
            ("power", &["1", "2", "3"]),
            ("normalized", &["\"window\"", "\"frame_length\""]),
        ],
    ),
    (
        "mel",
        &[
            ("n_mels", &["40", "1", "500", "0", "9223372036854775807"]),
            ("scale", &["\"htk\"", "\"slaney\""]),
            ("norm", &["\"none\"", "\"slaney\""]),
            ("f_min", &["20", "0", "7999.9", "-1", "1e9"]),
            ("f_max", &["4000", "8000", "1e9", "1e-300"]),
        ],
    ),
    (
        "log",
        &[
            ("kind", &["\"db\"", "\"ln\"", "\"log10\"", "\"whisper\""]),
            ("ref", &["\"max\"", "2", "0"]),
            ("top_db", &["80", "0", "-1"]),
            ("offset", &["1e-6", "nan"]),
            ("floor", &["1e-10", "-1"]),
        ],
    ),
    (
        "mfcc",
        &[
            ("n_mfcc", &["13", "1", "0", "100000"]),
            ("norm", &["\"none\"", "\"ortho\""]),
            ("lifter", &["22", "nan"]),
        ],
    ),
    (
        "cmvn",
        &[
            ("time_axis", &["-2", "-1", "0"]),
            ("variance", &["false", "true"]),
            ("over", &["\"data\"", "\"utterance\""]),
            ("mean", &["[0, 1]", "[]"]),
            ("std", &["[1, 0]", "[nan]"]),
        ],
    ),
    (
        "fbank",
        &[
            ("n_mels", &["23", "1", "0", "2000"]),
            ("frame_ms", &["25", "1e-3", "1e6"]),
            ("hop_ms", &["10", "1e-3", "1e6"]),
            ("f_max", &["7000", "1e9"]),
            ("snip_edges", &["false", "true"]),
            ("log", &["false", "true"]),
        ],
    ),
    ("batch", &[]),
    ("axes", &[("order", &["[1, 0]", "[0]", "[2, 0, 1]", "[]", "[0, 0]"])]),
    ("expand", &[("axis", &["0", "-1", "9", "-9223372036854775808"])]),
    ("squeeze", &[("axis", &["0", "-1", "9"])]),
    (
        "slice",
        &[
            ("axis", &["0", "-1", "9"]),
            ("start", &["1", "-1", "-9223372036854775808"]),
            ("end", &["-1", "3", "9223372036854775807"]),
        ],
    ),
    (
        "pad_tensor",
        &[
            ("axis", &["0", "-1", "9"]),
            ("size", &["300", "0", "9223372036854775807"]),
            ("value", &["-1", "nan"]),
        ],
    ),
    ("cast", &[("dtype", &["\"i16\"", "\"f16\"", "\"bool\"", "\"u4\"", "\"string\"", "\"f31\""])]),
    (
        "segments",
        &[
            ("threshold", &["0.5", "0", "nan"]),
            ("max_speech_s", &["1e-9", "0.1", "-1"]),
            ("speech_pad_ms", &["0", "1e300", "30"]),
            ("hop", &["1", "9223372036854775807"]),
        ],
    ),
];

/// A step with parameters drawn at random. The first value of the first parameter is the most likely one.
fn random_step(random: &mut Random) -> (String, Result<Box<dyn Step>, StepError>) {
    let (op, parameters) = PARAMETERS[random.below(PARAMETERS.len())];
    let mut text = String::new();
    for (index, (name, values)) in parameters.iter().enumerate() {
        let needed = index == 0 && random.below(20) > 0;
        if needed || (op == "mel" && index < 3) || (op == "spectrogram" && index < 2) || random.below(3) == 0
        {
            let value = if random.below(2) == 0 { values[0] } else { random.pick(values) };
            text.push_str(&format!("{name} = {value}\n"));
        }
    }
    let built = steps::find(op).unwrap().build(text.parse().unwrap(), &NoFiles);
    (format!("{op}: {}", text.replace('\n', ", ")), built)
}

fn recording(random: &mut Random) -> Item {
    let samples = [1, 2, 5, 511, 900][random.below(5)];
    let channels = [1, 1, 1, 2, 3][random.below(5)];
    let rate = [16000, 8000, 11025, 1000, 4_000_037][random.below(5)];
    let mut channel = || (0..samples).map(|_| random.below(2001) as f32 / 1000.0 - 1.0).collect();
    Item::Audio(Audio::new(rate, (0..channels).map(|_| channel()).collect()).unwrap())
}

/// Whether an item may be of the type that was expected of it.
fn agrees(expected: &ItemType, item: &Item) -> bool {
    match (expected, item.ty()) {
        (ItemType::Audio { rate, channels }, ItemType::Audio { rate: got_rate, channels: got_channels }) => {
            (rate.is_none() || *rate == got_rate) && (channels.is_none() || *channels == got_channels)
        }
        (ItemType::Tensor(expected), ItemType::Tensor(got)) => {
            let fits =
                |(expected, got): (&Option<usize>, &Option<usize>)| expected.is_none() || expected == got;
            let same_shape = match (&expected.shape, &got.shape) {
                (Some(a), Some(b)) => a.len() == b.len() && a.iter().zip(b).all(fits),
                _ => true,
            };
            same_shape && (expected.dtype.is_none() || expected.dtype == got.dtype)
        }
        (expected, got) => *expected == got,
    }
}

#[test]
fn no_steps_in_any_order_panic_and_what_they_give_was_foretold() {
    let mut random = Random(SEED);
    println!("seed {SEED:#x}");
    let mut applied = 0;
    for _ in 0..2500 {
        let mut item = recording(&mut random);
        let mut context = Context::default();
        let mut ty = ItemType::Audio { rate: None, channels: None };
        for _ in 0..4 {
            let (text, built) = random_step(&mut random);
            let Ok(step) = built else { continue };
            let (known, unknown) = (step.infer(&item.ty()), step.infer(&ty));
            match step.apply(item.clone(), &mut context) {
                Ok(next) => {
                    applied += 1;
                    let known = known.unwrap_or_else(|error| panic!("{text} of {}: {error}", item.ty()));
                    let unknown = unknown.unwrap_or_else(|error| panic!("{text} of {ty}: {error}"));
                    assert!(agrees(&known, &next), "{text} of {}: {known} but {}", item.ty(), next.ty());
                    assert!(agrees(&unknown, &next), "{text} of {ty}: {unknown} but {}", next.ty());
                    (item, ty) = (next, unknown);
                }
                Err(error) => assert!(!error.to_string().is_empty()),
            }
        }
    }
    assert!(applied > 1500, "{applied}");
}

#[test]
fn recordings_that_are_too_short_say_so() {
    let problem = |steps: &str, samples: usize| {
        let error = run(steps, 16000, vec![0.5; samples]).unwrap_err().to_string();
        error.split_once("): ").unwrap_or_else(|| panic!("{error}")).1.to_owned()
    };
    assert_eq!(
        problem(r#"{ op = "spectrogram", n_fft = 400, hop = 160 }"#, 200),
        "expected more than 200 samples (n_fft / 2) to be reflected, got 200"
    );
    assert_eq!(
        problem(r#"{ op = "spectrogram", n_fft = 400, hop = 160, center = false }"#, 399),
        "expected at least n_fft = 400 samples, got 399"
    );
    assert_eq!(
        problem(r#"{ op = "frame", size = 512, last = "drop" }"#, 511),
        "expected at least one frame of 512 samples, got 511 samples"
    );
    assert_eq!(problem(r#"{ op = "fbank", n_mels = 23 }"#, 399), "expected at least 400 samples, got 399");
    assert_eq!(
        problem(r#"{ op = "pad_or_trim", samples = 300000000 }"#, 1),
        "samples of the recording: expected at most 268435456, got 300000000"
    );
    assert_eq!(
        problem(r#"{ op = "resample", rate = 4294967295 }"#, 2000),
        "samples of the recording at the new rate: expected at most 268435456, got 536870912"
    );
    assert_eq!(
        problem(r#"{ op = "resample", rate = 4294967295, lowpass_filter_width = 1000 }"#, 1),
        "coefficients for this pair of sample rates: expected at most 16777216, got 542563385"
    );
    assert_eq!(
        problem(r#"{ op = "scale_samples", by = 1e39 }"#, 1),
        "sample 0 of channel 0, counted from 0, is inf; expected finite numbers"
    );
}

#[test]
fn a_frame_that_is_not_full_is_padded_and_one_sample_is_enough() {
    let frames =
        run(r#"{ op = "frame", size = 3, hop = 2, context = 2 }"#, 8000, vec![1.0, 2.0, 3.0, 4.0]).unwrap();
    let expected = vec![0.0f32, 0.0, 1.0, 2.0, 3.0, 1.0, 2.0, 3.0, 4.0, 0.0];
    assert_eq!(frames, Tensor::from_vec(&[2, 5], expected).unwrap());
    let frames = run(r#"{ op = "frame", size = 2 }"#, 8000, vec![1.0]).unwrap();
    assert_eq!(frames, Tensor::from_vec(&[1, 2], vec![1.0f32, 0.0]).unwrap());
}

#[test]
fn stored_means_are_fitted_once_and_used_as_they_are() {
    let cmvn = steps::find("cmvn").unwrap();
    let parameters: toml::Table = "over = \"data\"\ntime_axis = -2".parse().unwrap();
    let unfitted = cmvn.build(parameters.clone(), &NoFiles).unwrap_err().to_string();
    assert_eq!(unfitted, "parameter 'mean' is not fitted; run `lehr pipeline fit`");
    let data = Item::Tensor(Tensor::from_vec(&[2, 2], vec![1.0f32, 5.0, 3.0, 5.0]).unwrap());
    let fitted = cmvn.fit(parameters, &data).unwrap();
    assert_eq!(fitted["mean"], toml::Value::from(vec![2.0, 5.0]));
    let step = cmvn.build(fitted, &NoFiles).unwrap();
    let other = Tensor::from_vec(&[1, 2], vec![4.0f32, 5.0]).unwrap();
    let normal = step.apply(Item::Tensor(other), &mut Context::default()).unwrap();
    assert_eq!(normal, Item::Tensor(Tensor::from_vec(&[1, 2], vec![2.0f32, 0.0]).unwrap()));
    let three = Item::Tensor(Tensor::from_vec(&[1, 3], vec![0.0f32; 3]).unwrap());
    let error = step.apply(three, &mut Context::default()).unwrap_err().to_string();
    assert_eq!(error, "expected 2 features, got 3");
}

#[test]
fn mel_bands_must_lie_below_half_the_sample_rate() {
    let mel = steps::find("mel").unwrap();
    let parameters = "n_mels = 8\nscale = \"htk\"\nnorm = \"none\"\nf_max = 8000";
    let step = mel.build(parameters.parse().unwrap(), &NoFiles).unwrap();
    let spectrogram = || Item::Tensor(Tensor::from_vec(&[5, 1], vec![1.0f32; 5]).unwrap());
    let mut context = Context::default();
    let error = step.apply(spectrogram(), &mut context).unwrap_err().to_string();
    assert_eq!(error, "no step before says what the sample rate of the recording is ('spectrogram')");
    context.audio = Some(AudioFacts { rate: 8000, samples: 8, hop: 8 });
    let error = step.apply(spectrogram(), &mut context).unwrap_err().to_string();
    assert_eq!(error, "parameter 'f_max': expected at most half the sample rate of 8000 Hz, got 8000");
}
