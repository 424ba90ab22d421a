//! What SECURITY.md promises is held by code and by tests that are there.

use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// What stands between back quotes, row by row and cell by cell.
fn quoted(page: &str) -> Vec<Vec<Vec<&str>>> {
    let rows = page.lines().filter(|line| line.starts_with("| ")).skip(1);
    rows.map(|row| {
        row.split(" | ").map(|cell| cell.split('`').skip(1).step_by(2).collect()).collect()
    })
    .collect()
}

/// Adds the text of the Rust and the interactions below a folder.
fn read(folder: &Path, sources: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let is_source = path.extension().is_some_and(|ending| ending == "rs" || ending == "json");
        if path.is_dir() {
            if !path.ends_with("node_modules") {
                read(&path, sources);
            }
        } else if is_source {
            sources.push_str(&std::fs::read_to_string(path).unwrap());
        }
    }
}

/// Whether these sources have a test, a case of the kit or an interaction of this name.
fn is_there(name: &str, sources: &str) -> bool {
    let defined = format!("fn {name}");
    sources
        .match_indices(&defined)
        .any(|(at, _)| sources[at + defined.len()..].starts_with(['(', '<']))
        || sources.contains(&format!("\"name\": \"{name}\""))
}

/// Whether a quoted text is the name of a function, which some texts are not: types, commands, paths.
fn is_name(text: &str) -> bool {
    text.contains('_')
        && text
            .chars()
            .all(|character| character.is_ascii_lowercase() || "_0123456789".contains(character))
}

#[test]
fn each_promise_names_what_holds_it_and_a_test_that_is_there() {
    let mut sources = String::new();
    for folder in ["core", "plugins", "registry", "src", "tests"] {
        read(&root().join(folder), &mut sources);
    }
    assert!(is_there("each_promise_names_what_holds_it_and_a_test_that_is_there", &sources));
    assert!(!is_there(&["each", "promise"].join("_"), &sources));

    let page = std::fs::read_to_string(root().join("SECURITY.md")).unwrap();
    let promises = quoted(&page);
    assert!(promises.len() > 20, "{promises:?}");
    for promise in &promises {
        let [_, held_by, tested_by] = &promise[..] else { panic!("three cells: {promise:?}") };
        for path in held_by.iter().chain(tested_by).filter(|text| text.contains('/')) {
            assert!(root().join(path).exists(), "SECURITY.md names `{path}`, which is not there");
        }
        // What is linked in is not for a test of ours to judge.
        let mut tests = usize::from(tested_by.contains(&".ci/run"));
        for text in tested_by {
            let (module, name) = text.split_once("::").unwrap_or(("", text));
            if !is_name(name) {
                continue;
            }
            tests += 1;
            assert!(is_there(name, &sources), "SECURITY.md names `{text}`, which is not there");
            if !module.is_empty() {
                let file = root().join("tests/it").join(module).with_extension("rs");
                let source = std::fs::read_to_string(file).unwrap();
                assert!(is_there(name, &source), "`{name}` is not in `{module}`");
            }
        }
        assert!(tests > 0, "no test holds this promise: {promise:?}");
    }

    // What was found once is held by tests too.
    let page = std::fs::read_to_string(root().join("docs/security-figures.md")).unwrap();
    for text in quoted(&page).iter().filter_map(|row| row.last()).flatten() {
        let name = text.split_once("::").map_or(*text, |(_, name)| name);
        assert!(!is_name(name) || is_there(name, &sources), "no test is named `{text}`");
    }
}
