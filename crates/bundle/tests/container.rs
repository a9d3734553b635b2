//! Bundles as they are written, opened, damaged and refused.

use std::io::{self, Cursor, Seek, SeekFrom, Write};
use std::path::PathBuf;

use lehr_bundle::{Bundle, BundleError, Kind, OpenOptions, Part, Problem, to_bytes, write, write_file};
use lehr_tensor::Bytes;

fn parts<'a>() -> Vec<Part<'a>> {
    vec![
        Part::bytes(Kind::GRAPH, "", b"graph").required(),
        Part::bytes(Kind::PIPELINE, "", b""),
        Part::bytes(Kind::FILE, "a/labels.txt", b"cat\ndog\n"),
        Part::bytes(Kind::FILE, "b", &[7; 200]),
        Part::streamed(Kind::WEIGHTS, "", |out| (0..100u8).try_for_each(|i| out.write_all(&[i; 64]))),
    ]
}

fn open(bytes: Vec<u8>) -> Result<Bundle, BundleError> {
    Bundle::from_bytes(bytes.into())
}

/// Whether opening or verifying reports something.
fn is_reported(bytes: Vec<u8>) -> bool {
    open(bytes).map_or(true, |bundle| !bundle.verify().is_clean())
}

#[test]
fn what_was_written_is_read() {
    let bytes = to_bytes(parts()).unwrap();
    assert_eq!(bytes, to_bytes(parts()).unwrap(), "the same parts give the same bytes");
    let bundle = open(bytes.clone()).unwrap();
    assert!(bundle.verify().is_clean());
    assert_eq!(&bundle.require(Kind::GRAPH).unwrap()[..], b"graph");
    let labels = bundle.content(bundle.find(Kind::FILE, "a/labels.txt").unwrap());
    assert_eq!(&labels[..], b"cat\ndog\n");
    let weights = bundle.find(Kind::WEIGHTS, "").unwrap();
    assert_eq!((weights.offset % 4096, weights.length), (0, 6400));
    assert_eq!(bundle.content(weights)[6399], 99);
    assert_eq!(bundle.byte_len(), bytes.len() as u64);
    assert!(matches!(bundle.require(Kind::MODEL), Err(BundleError::Missing { kind: Kind::MODEL })));
    assert!(bundle.find(Kind::FILE, "labels.txt").is_none());
}

#[test]
fn an_empty_bundle_is_one() {
    let bundle = open(to_bytes(Vec::new()).unwrap()).unwrap();
    assert_eq!((bundle.segments().len(), bundle.byte_len()), (0, 128));
    assert!(bundle.verify().is_clean());
}

#[test]
fn bundles_can_begin_anywhere_in_a_stream() {
    let mut out = Cursor::new(b"before".to_vec());
    out.seek(SeekFrom::End(0)).unwrap();
    write(&mut out, parts()).unwrap();
    out.write_all(b"behind").unwrap();
    let all = out.into_inner();
    assert_eq!(all[6..all.len() - 6], to_bytes(parts()).unwrap());
}

#[test]
fn contents_are_slices_of_the_file() {
    let bytes = Bytes::from(to_bytes(parts()).unwrap());
    let bundle = Bundle::from_bytes(bytes.clone()).unwrap();
    for segment in bundle.segments() {
        let content = bundle.content(segment);
        assert!(content.is_empty() || bytes.as_ptr_range().contains(&content.as_ptr()));
    }
}

#[test]
fn every_flipped_bit_is_reported() {
    let bytes = to_bytes(parts()).unwrap();
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(is_reported(flipped), "bit {bit}");
    }
}

#[test]
fn every_other_length_is_refused() {
    let bytes = to_bytes(parts()).unwrap();
    for length in 0..bytes.len() {
        assert!(open(bytes[..length].to_vec()).is_err(), "{length} bytes");
    }
    let error = open([&bytes[..], &[0]].concat()).unwrap_err();
    assert!(matches!(error, BundleError::Length { .. }), "{error}");
    let error = open(bytes[..bytes.len() - 1].to_vec()).unwrap_err();
    assert_eq!(error.to_string(), format!("expected {} bytes, got {}", bytes.len(), bytes.len() - 1));
}

#[test]
fn verifying_tells_every_problem() {
    let mut bytes = to_bytes(parts()).unwrap();
    let bundle = open(bytes.clone()).unwrap();
    let (graph, weights) = (&bundle.segments()[0], &bundle.segments()[4]);
    bytes[graph.offset as usize] ^= 1;
    bytes[weights.offset as usize - 1] = 1;
    *bytes.last_mut().unwrap() ^= 1;
    let report = open(bytes).unwrap().verify();
    assert!(
        matches!(
            report.problems[..],
            [Problem::Hash { segment: 0, .. }, Problem::Padding { .. }, Problem::Hash { segment: 4, .. }]
        ),
        "{report:?}"
    );
    assert!(report.is_intact(1) && !report.is_intact(4));
}

#[test]
fn what_is_not_known_is_skipped_unless_it_is_required() {
    type Change = fn(&mut Part<'_>);
    let with = |change: Change| {
        let mut part = Part::bytes(Kind::FILE, "new", b"new");
        change(&mut part);
        let mut parts = parts();
        parts.insert(1, part);
        open(to_bytes(parts).unwrap())
    };
    let optional: [Change; 4] =
        [|p| p.kind = Kind(99), |p| p.kind = Kind(16), |p| p.flags = 2, |p| p.family = 3];
    for change in optional {
        let bundle = with(change).unwrap();
        assert!(bundle.verify().is_clean());
        assert!(bundle.find(Kind::FILE, "new").is_none() && bundle.find(Kind::GRAPH, "").is_some());
        assert!(!bundle.segments()[1].is_usable());
    }
    let required: [(Change, &str); 4] = [
        (|p| (p.kind, p.flags) = (Kind(99), 1), "segment kind 99 'new' with flags 0x1 is required"),
        (|p| (p.kind, p.flags) = (Kind(18), 1), "segment plan 'new'"),
        (|p| p.flags = 0x8001, "segment file 'new' with flags 0x8001"),
        (|p| (p.family, p.flags) = (3, 1), "segment file 'new'"),
    ];
    for (change, message) in required {
        let error = with(change).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
    assert!(
        with(|p| p.flags = 0x1_0001).unwrap().find(Kind::FILE, "new").is_some(),
        "upper flags may be ignored"
    );
}

#[test]
fn newer_versions_and_other_files_are_refused() {
    let mut bytes = to_bytes(parts()).unwrap();
    bytes[8] = 2;
    let error = open(bytes).unwrap_err().to_string();
    assert_eq!(error, "expected container version 1 of the .lehr bundle, got 2");
    for other in [&b""[..], b"\x89PNG\r\n\x1a\n", b"\x08\x07\x12\x04"] {
        assert!(matches!(open(other.to_vec()), Err(BundleError::Magic)));
    }
}

#[test]
fn bad_parts_are_not_written() {
    for name in ["", "../x", "/x", "a\\b"] {
        assert!(to_bytes(vec![Part::bytes(Kind::FILE, name, b"")]).is_err(), "{name}");
    }
    assert!(to_bytes(vec![Part::bytes(Kind::GRAPH, "named", b"")]).is_err());
    let two = || Part::bytes(Kind::FILE, "x", b"");
    let error = to_bytes(vec![two(), two()]).unwrap_err().to_string();
    assert_eq!(error, "table: expected one segment file 'x', got two");
}

/// A folder of its own for one test, gone afterwards.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("lehr-bundle-{test}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn files_are_mapped_or_copied() {
    let folder = Folder::new("files");
    let path = folder.0.join("x.lehr");
    let summary = write_file(&path, parts()).unwrap();
    for copy in [false, true] {
        let bundle = Bundle::open(&path, OpenOptions { copy }).unwrap();
        assert_eq!((bundle.byte_len(), bundle.segments()), (summary.bytes, &summary.segments[..]));
        assert!(bundle.verify().is_clean());
    }
    assert!(lehr_bundle::is_bundle(&path).unwrap());
    assert!(matches!(Bundle::open(folder.0.join("no"), OpenOptions::default()), Err(BundleError::Io(_))));
}

#[test]
fn a_failed_write_leaves_nothing_behind() {
    let folder = Folder::new("failed");
    let path = folder.0.join("x.lehr");
    let full = || Part::streamed(Kind::FILE, "x", |_| Err(io::Error::from(io::ErrorKind::StorageFull)));
    let mut with_full = parts();
    with_full.push(full());
    let error = write_file(&path, with_full).unwrap_err();
    assert!(matches!(error, BundleError::Io(e) if e.kind() == io::ErrorKind::StorageFull));
    assert_eq!(std::fs::read_dir(&folder.0).unwrap().count(), 0);

    std::fs::write(&path, b"what was there before").unwrap();
    assert!(write_file(&path, vec![full()]).is_err());
    assert_eq!(std::fs::read(&path).unwrap(), b"what was there before");
    assert_eq!(std::fs::read_dir(&folder.0).unwrap().count(), 1);
}

/// Takes so many bytes, then no more.
struct Disk {
    out: Cursor<Vec<u8>>,
    free: usize,
}

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.free == 0 && !bytes.is_empty() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let fits = bytes.len().min(self.free);
        self.free -= fits;
        self.out.write(&bytes[..fits])
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Disk {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        self.out.seek(position)
    }
}

#[test]
fn a_full_disk_is_an_error_wherever_it_fills_up() {
    let length = to_bytes(parts()).unwrap().len();
    for free in (0..length + 128).step_by(97) {
        let mut disk = Disk { out: Cursor::new(Vec::new()), free };
        let error = write(&mut disk, parts()).unwrap_err();
        assert!(matches!(error, BundleError::Io(e) if e.kind() == io::ErrorKind::StorageFull), "{free}");
    }
}
