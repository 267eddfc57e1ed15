//! What every published crate's manifest must hold.

use crate::chore::root;

#[test]
fn every_crate_but_the_one_for_tests_is_ready_to_be_published() {
    let mut unpublished = Vec::new();
    for entry in std::fs::read_dir(root().join("crates")).unwrap() {
        let folder = entry.unwrap().path();
        let manifest = folder.join("Cargo.toml");
        let text = std::fs::read_to_string(&manifest).unwrap();
        if text.contains("\npublish = false\n") {
            unpublished.push(folder.file_name().unwrap().to_owned());
            continue;
        }
        for key in
            ["description", "keywords", "categories", "readme", "license.workspace", "rust-version.workspace"]
        {
            assert!(text.contains(&format!("\n{key} = ")), "{}: no {key}", manifest.display());
        }
        assert!(
            text.contains("\n[package.metadata.docs.rs]\n"),
            "{}: nothing for docs.rs",
            manifest.display()
        );
        for license in ["LICENSE-MIT", "LICENSE-APACHE"] {
            assert!(folder.join(license).exists(), "{}: no {license}", folder.display());
        }
        let readme = std::fs::read_to_string(folder.join("README.md")).unwrap_or_default();
        assert!(readme.lines().count() > 5, "{}: its README.md says nothing", folder.display());
    }
    assert_eq!(unpublished, ["pelk-testing"]);
}
