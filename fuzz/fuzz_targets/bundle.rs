#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| lehr_testkit::hostile::bundle(bytes));
