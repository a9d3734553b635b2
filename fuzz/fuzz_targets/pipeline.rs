#![no_main]

// Panics inside the library of tokenizers are caught and become errors; a hook that ends the process would not let them.
libfuzzer_sys::fuzz_target!(
    init: drop(std::panic::take_hook()),
    |bytes: &[u8]| lehr_testkit::hostile::pipeline(bytes)
);
