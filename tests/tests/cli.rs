//! What the programs say, as sessions that a person can read: `cmd/*.trycmd`. Budget: 10 s.
//! `TRYCMD=overwrite` writes down what they say now (once for each session that stops at a difference).

use golden_tests::programs;

#[test]
fn sessions() {
    let cases = trycmd::TestCases::new();
    for program in ["golden-export", "golden-verify", "golden-import", "golden-embed", "golden-version"] {
        cases.register_bin(program, programs().join(program));
    }
    cases.env("COLUMNS", "100").case("cmd/*.trycmd");
}
