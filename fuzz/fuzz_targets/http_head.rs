//! Hands the fuzzer's bytes to the target of the same name in the library.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| readyd_fuzz::http_head::check(data));
