//! `cargo xtask docs`: the book in `docs`.

use crate::chore::{cargo, root, succeed, unexpected, works};
use anyhow::{Context, Result};
use lexopt::Arg::{Long, Short};
use lexopt::{Parser, ValueExt};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

const HELP: &str = "\
Build the book: guide, from the paper to the code, results

mdBook makes it. Where it is not installed, it is built once, into target/tools, which takes some minutes.

Usage: cargo xtask docs [--out DIR]

Options:
      --out DIR  Folder to write to [default: target/book]
  -h, --help     Print this help

Example:
  cargo xtask docs
  open target/book/index.html";

/// The version that is built where none is installed.
const VERSION: &str = "0.5.4";

/// Builds the book.
///
/// # Errors
/// When mdBook cannot be built or refuses the book.
pub fn run(arguments: Vec<OsString>) -> Result<()> {
    let mut out = PathBuf::from("target/book");
    let mut parser = Parser::from_args(arguments);
    while let Some(argument) = parser.next()? {
        match argument {
            Long("out") => out = parser.value()?.parse()?,
            Long("help") | Short('h') => {
                println!("{HELP}");
                return Ok(());
            }
            other => return Err(unexpected(other, "docs")),
        }
    }
    let program = if works(&mut Command::new("mdbook")) { "mdbook".into() } else { own_mdbook()? };
    // mdBook reads a relative folder as one inside the book's.
    let out = std::env::current_dir().context("there is no current folder")?.join(out);
    succeed(Command::new(&program).arg("build").arg("--dest-dir").arg(&out).arg(root().join("docs")))?;
    println!("\nNext:\n  open {}", out.join("index.html").display());
    Ok(())
}

/// The program in target/tools, built if it is not there.
fn own_mdbook() -> Result<PathBuf> {
    let tools = root().join("target/tools");
    let program = tools.join("bin").join(format!("mdbook{}", std::env::consts::EXE_SUFFIX));
    if !works(&mut Command::new(&program)) {
        println!("mdBook is not installed: building it, once, into {}", tools.display());
        let mut install = cargo();
        install.args(["install", "--locked", "--no-default-features", "--features", "search"]);
        succeed(install.args(["mdbook", "--version", VERSION, "--root"]).arg(&tools))?;
    }
    Ok(program)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};

    fn docs() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs")
    }

    /// The local places that a page links to, without anchors.
    fn links(text: &str) -> impl Iterator<Item = &str> {
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        targets
            .map(|target| target.split('#').next().unwrap_or_default())
            .filter(|target| !target.is_empty() && !target.contains("://"))
    }

    #[test]
    fn the_files_that_the_book_names_exist() {
        let text = std::fs::read_to_string(docs().join("paper-to-code.md")).unwrap();
        let spans = text.split('`').skip(1).step_by(2);
        let paths: Vec<_> =
            spans.filter(|span| span.starts_with("crates/") || span.starts_with("xtask/")).collect();
        assert!(paths.len() > 10, "{paths:?}");
        for path in paths {
            assert!(docs().join("..").join(path).exists(), "{path}");
        }
    }

    #[test]
    fn every_page_is_in_the_summary_and_every_link_leads_somewhere() {
        let mut pages = BTreeSet::new();
        let mut folders = vec![docs()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "md") {
                    pages.insert(path);
                }
            }
        }
        let summary = docs().join("SUMMARY.md");
        let text = std::fs::read_to_string(&summary).unwrap();
        let listed: BTreeSet<_> = links(&text).map(|link| docs().join(link)).collect();
        for page in pages {
            assert!(page == summary || listed.contains(&page), "{} is not in SUMMARY.md", page.display());
            let text = std::fs::read_to_string(&page).unwrap();
            for link in links(&text) {
                let target = page.parent().unwrap().join(link).canonicalize();
                let inside = target.is_ok_and(|target| target.starts_with(docs().canonicalize().unwrap()));
                assert!(inside, "{}: {link} leads nowhere in the book", page.display());
            }
        }
    }
}
