//! `docs/golden.toml` says what happens without it. Budget: 5 s.

use golden::settings::Settings;
use golden_tests::Sandbox;

const EXAMPLE: &str = include_str!("../../docs/golden.toml");

#[test]
fn the_commented_example_is_the_default() {
    assert_eq!(Settings::parse(EXAMPLE).expect("the example is valid"), Settings::default());
}

#[test]
fn every_setting_of_the_example_is_read() {
    // A setting under a wrong name would be ignored or, here, refused.
    for line in EXAMPLE.lines().filter(|line| line.contains(" = ") && !line.starts_with('#')) {
        let (name, _) = line.split_once(" = ").expect("a setting");
        let misspelt = EXAMPLE.replace(line, &line.replacen(name, &format!("{name}_"), 1));
        assert!(Settings::parse(&misspelt).is_err(), "{name}_ is accepted");
    }
}

#[test]
fn a_wrong_mapping_is_a_usage_error_that_names_file_and_line() {
    let sandbox = Sandbox::small();
    sandbox.write("golden.toml", "[analyses]\ntabel = \"sources\"\n");
    sandbox.sh("golden-export --db app.db").exits(2).one_error().says("golden.toml").says("tabel");
    sandbox.write("golden.toml", "[analyses]\ntable = \"sources\"\n");
    sandbox.sh("golden-export --db app.db").exits(2).one_error().says("sources");
    sandbox.write("golden.toml", "[chunks]\ncolumns = { content = \"body\" }\n");
    sandbox.sh("golden-export --db app.db").exits(2).one_error().says("body");
    sandbox.write("other.toml", EXAMPLE);
    sandbox.sh("golden-export --db app.db --schema other.toml | golden-verify").ok();
    sandbox.sh("GOLDEN_SCHEMA=other.toml golden-export --db app.db | golden-verify").ok();
}
