//! What the README shows is what the program says.

use lockkeeper::config::repo;

fn section(name: &str) -> String {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let (begin, end) = (format!("<!-- {name}:begin -->"), format!("<!-- {name}:end -->"));
    let after = readme.split_once(&begin).unwrap().1.to_owned();
    after.split_once(&end).unwrap().0.trim().to_owned()
}

#[test]
fn the_reference_is_the_schema() {
    assert_eq!(
        section("reference"),
        repo::reference().trim(),
        "put `lockkeeper schema --markdown` between the markers of README.md"
    );
}
