//! All steps: one file each, and one line in the list below.

pub mod audio;
pub mod bytes;
pub mod image;
pub mod limit;
pub mod post;
pub mod table;
pub mod tensor;
pub mod text;

use crate::Declared;

/// Every step, sorted by family.
pub static ALL: &[Declared] = &[
    Declared::of::<image::decode_image::DecodeImage>(),
    Declared::of::<image::color::ToColor>(),
    Declared::of::<image::resize::Resize>(),
    Declared::of::<image::letterbox::Letterbox>(),
    Declared::of::<image::center_crop::CenterCrop>(),
    Declared::of::<image::crop::Crop>(),
    Declared::of::<image::pad::Pad>(),
    Declared::of::<image::flip::Flip>(),
    Declared::of::<image::rotate::Rotate>(),
    Declared::of::<image::scale::Scale>(),
    Declared::of::<image::normalize::Normalize>(),
    Declared::of::<image::clip::Clip>(),
    Declared::of::<image::layout::Layout>(),
    Declared::of::<text::normalize_text::NormalizeText>(),
    Declared::of::<text::split_pair::SplitPair>(),
    #[cfg(feature = "text")]
    Declared::of::<text::tokenize::Tokenize>(),
    Declared::of::<table::read_csv::ReadCsv>(),
    Declared::of::<table::read_jsonl::ReadJsonl>(),
    Declared::of::<table::select::Select>(),
    Declared::of::<table::drop_rows::DropRows>(),
    Declared::of::<table::impute::Impute>(),
    Declared::of::<table::outlier::Outlier>(),
    Declared::of::<table::min_max::MinMax>(),
    Declared::of::<table::z_score::ZScore>(),
    Declared::of::<table::robust::Robust>(),
    Declared::of::<table::log1p::Log1p>(),
    Declared::of::<table::one_hot::OneHot>(),
    Declared::of::<table::ordinal::Ordinal>(),
    Declared::of::<table::binary::Binary>(),
    Declared::of::<table::hash::Hash>(),
    Declared::of::<table::bucketize::Bucketize>(),
    Declared::of::<table::quantile::Quantile>(),
    Declared::of::<table::to_tensor::ToTensor>(),
    Declared::of::<bytes::byte_windows::ByteWindows>(),
    Declared::of::<audio::decode_audio::DecodeAudio>(),
    Declared::of::<audio::mono::Mono>(),
    Declared::of::<audio::resample::Resample>(),
    Declared::of::<audio::pad_or_trim::PadOrTrim>(),
    Declared::of::<audio::preemphasis::Preemphasis>(),
    Declared::of::<audio::dither::Dither>(),
    Declared::of::<audio::scale_samples::ScaleSamples>(),
    Declared::of::<audio::frame::Frame>(),
    Declared::of::<audio::samples::Samples>(),
    Declared::of::<audio::spectrogram::Spectrogram>(),
    Declared::of::<audio::mel::Mel>(),
    Declared::of::<audio::log::Log>(),
    Declared::of::<audio::mfcc::Mfcc>(),
    Declared::of::<audio::cmvn::Cmvn>(),
    Declared::of::<audio::fbank::Fbank>(),
    Declared::of::<tensor::batch::Batch>(),
    Declared::of::<tensor::quantize::Quantize>(),
    Declared::of::<tensor::axes::Axes>(),
    Declared::of::<tensor::expand::Expand>(),
    Declared::of::<tensor::squeeze::Squeeze>(),
    Declared::of::<tensor::slice::Slice>(),
    Declared::of::<tensor::pad_tensor::PadTensor>(),
    Declared::of::<tensor::cast::Cast>(),
    Declared::of::<post::softmax::Softmax>(),
    Declared::of::<post::sigmoid::Sigmoid>(),
    Declared::of::<post::argmax::Argmax>(),
    Declared::of::<post::threshold::Threshold>(),
    Declared::of::<post::top_k::TopK>(),
    Declared::of::<post::labels::Labels>(),
    Declared::of::<post::series::ToSeries>(),
    Declared::of::<post::generic_label::GenericLabel>(),
    Declared::of::<post::inverse_scale::InverseScale>(),
    Declared::of::<post::stretch::Stretch>(),
    Declared::of::<post::calibrate::Calibrate>(),
    Declared::of::<post::discretize::Discretize>(),
    Declared::of::<post::ctc_greedy::CtcGreedy>(),
    Declared::of::<post::ctc_beam::CtcBeam>(),
    Declared::of::<post::boxes::Boxes>(),
    Declared::of::<post::nms::Nms>(),
    Declared::of::<post::unletterbox::Unletterbox>(),
    Declared::of::<post::mask::ToMask>(),
    Declared::of::<post::heat_map::ToHeatMap>(),
    Declared::of::<post::text_regions::TextRegions>(),
    Declared::of::<post::key_points::KeyPoints>(),
    Declared::of::<post::mean_pool::MeanPool>(),
    Declared::of::<post::first_token::FirstToken>(),
    Declared::of::<post::l2_normalize::L2Normalize>(),
    #[cfg(feature = "text")]
    Declared::of::<text::detokenize::Detokenize>(),
    Declared::of::<post::segments::Segments>(),
];

/// The step of that name.
pub fn find(op: &str) -> Option<&'static Declared> {
    ALL.iter().find(|declared| declared.op == op)
}

/// The step whose name is most like this one, if any is.
pub fn nearest(op: &str) -> Option<&'static str> {
    let distances = ALL.iter().map(|declared| (distance(op, declared.op), declared.op));
    distances.filter(|(distance, name)| *distance * 3 <= name.len()).min().map(|(_, name)| name)
}

/// Levenshtein's distance of two names.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.bytes().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NoFiles;

    #[test]
    fn names_are_unique_and_unknown_parameters_are_refused() {
        for (index, declared) in ALL.iter().enumerate() {
            assert!(ALL[..index].iter().all(|other| other.op != declared.op), "{} occurs twice", declared.op);
            let unknown = toml::Table::from_iter([("no_such_parameter".to_owned(), toml::Value::from(1))]);
            assert!(declared.build(unknown, &NoFiles).is_err(), "{} takes any parameter", declared.op);
        }
    }

    #[test]
    fn a_misspelt_step_is_recognised() {
        assert_eq!(nearest("softmx"), Some("softmax"));
        assert_eq!(nearest("quantum"), None);
    }
}
