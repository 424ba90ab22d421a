//! The guide for authors of providers shows what is really there. The commands of its host are tested beside the host.

use std::path::Path;

use crate::cli::bonafide;

const GUIDE: &str = include_str!("../../docs/adding-a-provider.md");

/// Each block of code that the guide says is in a file: the file and the code.
fn quoted() -> Vec<(&'static str, &'static str)> {
    let lines: Vec<&str> = GUIDE.split_inclusive("```").collect();
    lines
        .chunks(2)
        .filter_map(|pair| {
            let file = pair[0].trim_end_matches("```").trim_end().strip_suffix("`:")?;
            let code = pair.get(1)?.trim_end_matches("```").split_once('\n')?.1;
            Some((file.rsplit_once('`')?.1, code))
        })
        .collect()
}

#[test]
fn what_it_quotes_stands_in_the_files() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/own-host");
    let quoted = quoted();
    let files: Vec<&str> = quoted.iter().map(|(file, _)| *file).collect();
    assert_eq!(
        files,
        [
            "postmark/interactions.json",
            "postmark/interactions.json",
            "postmark/src/lib.rs",
            "postmark/tests/conformance.rs",
            "host/Cargo.toml",
            "host/src/main.rs",
            "request.json",
        ]
    );
    for (file, code) in quoted {
        let text = std::fs::read_to_string(folder.join(file)).unwrap();
        assert!(text.contains(code), "{file} does not hold what the guide quotes:\n{code}");
    }
}

#[test]
fn the_command_that_writes_the_crate_prints_what_it_shows() {
    let folder = tempfile::tempdir().unwrap();
    let command = "bonafide new-provider postmark --id 2000 --type email";
    let shown = GUIDE.split_once(&format!("$ {command}\n")).unwrap().1.split("```").next();
    let output = bonafide(&command.split(' ').skip(1).collect::<Vec<_>>())
        .current_dir(&folder)
        .output()
        .unwrap();
    let folder = folder.path().canonicalize().unwrap();
    let printed = String::from_utf8(output.stdout)
        .unwrap()
        .replace(folder.to_str().unwrap(), "/home/you/mail")
        .replace(env!("CARGO_MANIFEST_DIR"), "/home/you/bonafide");
    assert_eq!(Some(printed.as_str()), shown);
}
