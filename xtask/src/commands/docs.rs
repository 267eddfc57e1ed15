//! `cargo xtask docs`: the book in `docs`.

use crate::output::{note, say};
use crate::workspace::{root, shown};
use anyhow::{Context, Result, bail};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Build the book: guide, from the paper to the code, results.
///
/// mdBook makes it. Where it is not installed, it is built once, into target/tools, which takes some minutes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  cargo xtask docs\n  open target/book/index.html")]
pub struct DocsArgs {
    /// The folder to write to
    #[arg(long, value_name = "DIR", default_value = "target/book")]
    out: PathBuf,
}

/// The version that is built where none is installed.
const VERSION: &str = "0.5.4";

/// Builds the book.
///
/// # Errors
/// When mdBook cannot be built or refuses the book.
pub fn run(args: &DocsArgs) -> Result<()> {
    let program = match works("mdbook".as_ref()) {
        true => OsString::from("mdbook"),
        false => own_mdbook()?.into(),
    };
    // mdBook takes a relative folder as one in the book's.
    let out = std::env::current_dir().context("there is no current folder")?.join(&args.out);
    let mut build = Command::new(&program);
    build.arg("build").arg("--dest-dir").arg(&out).arg(root().join("docs"));
    succeed(&mut build)?;
    say!("\nNext:\n  open {}", shown(&out.join("index.html")));
    Ok(())
}

/// The program in target/tools, built if it is not there.
fn own_mdbook() -> Result<PathBuf> {
    let tools = root().join("target/tools");
    let program = tools.join("bin").join(format!("mdbook{}", std::env::consts::EXE_SUFFIX));
    if !works(&program) {
        note!("mdBook is not installed: building it, once, into {}", shown(&tools));
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut install = Command::new(cargo);
        install.args(["install", "--locked", "--no-default-features", "--features", "search"]);
        install.args(["mdbook", "--version", VERSION, "--root"]).arg(&tools);
        succeed(&mut install)?;
    }
    Ok(program)
}

fn works(program: &Path) -> bool {
    let mut command = Command::new(program);
    command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn succeed(command: &mut Command) -> Result<()> {
    let status =
        command.stdin(Stdio::null()).status().with_context(|| format!("cannot start {command:?}"))?;
    if !status.success() {
        bail!("{command:?} failed ({status})");
    }
    Ok(())
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
