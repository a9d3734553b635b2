//! The programs of `examples/*.rs` and what they have to print, on the data beside them and on fetched models.
//!
//! `sentence_embeddings` is only compiled: the tokenizer that it needs is not among what is fetched.

use std::path::Path;

/// What is handed to `cargo run --quiet`, and what has to be in the output.
pub struct Example {
    /// `MODELS` and `TARGET` stand for the folders of models and of what is built.
    pub command: &'static [&'static str],
    /// Each is part of the output.
    pub answers: &'static [&'static str],
}

/// In the order in which they run: a bundle is written before it is read.
pub const EXAMPLES: &[Example] = &[
    Example {
        command: &["table", "examples/wine/model.onnx", "examples/wine/wine-sample.csv"],
        answers: &["row 1: ", "row 60: ", "\"cultivar 3\""],
    },
    Example {
        command: &[
            "lehr",
            "convert",
            "examples/text-orientation/model.onnx",
            "--pipeline=examples/text-orientation/pipeline.toml",
            "--output=TARGET/text-orientation.lehr",
        ],
        answers: &["segments"],
    },
    Example {
        command: &[
            "image_classifier",
            "TARGET/text-orientation.lehr",
            "examples/text-orientation/pictures/line-0.png",
            "examples/text-orientation/pictures/line-1.png",
        ],
        answers: &["line-0.png: direction: upright", "line-1.png: direction: upside down"],
    },
    Example {
        command: &[
            "ocr",
            "MODELS/onnx/ch_PP-OCRv4_det_infer.onnx",
            "MODELS/onnx/ch_ppocr_mobile_v2.0_cls_infer.onnx",
            "MODELS/onnx/ch_PP-OCRv4_rec_infer.onnx",
            "examples/text-orientation/pictures/line-1.png",
            "examples/text-orientation/pictures/line-4.png",
        ],
        answers: &["\ttensor silver\n", "\tENGINE-5011\n"],
    },
    Example {
        command: &["voice_activity", "MODELS/onnx/silero_vad.onnx", "examples/voice-activity/speech.wav"],
        answers: &["0.42 s  somebody speaks", "3.55 s  silence"],
    },
    Example {
        command: &[
            "file_type",
            "MODELS/onnx/magika/model.onnx",
            "examples/wine/train.py",
            "examples/wine/wine-train.csv",
        ],
        answers: &["train.py: python\n", "wine-train.csv: csv\n"],
    },
];

impl Example {
    /// The name of the program.
    pub fn name(&self) -> &'static str {
        self.command.first().copied().unwrap_or_default()
    }

    /// Arguments of cargo.
    pub fn arguments(&self, models: &Path, target: &Path) -> Vec<String> {
        let program = match self.name() {
            "lehr" => ["--package=lehr-cli".to_owned(), "--bin=lehr".to_owned()],
            example => ["--package=lehr".to_owned(), format!("--example={example}")],
        };
        let own = self.command.iter().skip(1).map(|argument| {
            let argument = argument.replace("MODELS", &models.display().to_string());
            argument.replace("TARGET", &target.display().to_string())
        });
        let run = ["run".to_owned(), "--quiet".to_owned()];
        run.into_iter().chain(program).chain(["--".to_owned()]).chain(own).collect()
    }

    /// What is missing in the output.
    pub fn problems(&self, output: &str) -> Vec<String> {
        let missing = self.answers.iter().filter(|answer| !output.contains(**answer));
        missing.map(|answer| format!("{} does not print {answer:?}", self.name())).collect()
    }
}
