//! The commands of the guide print what the guide says.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

const GUIDE: &str = include_str!("../../../adding-a-provider.md");
const COMMAND: &str = "$ cargo run -- ";

/// Each command of the host that the guide shows, and the lines that it prints.
fn commands() -> Vec<(&'static str, Vec<&'static str>)> {
    let blocks = GUIDE.split("```console\n").skip(1).filter_map(|rest| rest.split("```").next());
    blocks
        .filter_map(|block| block.strip_prefix(COMMAND)?.split_once('\n'))
        .map(|(command, printed)| (command, printed.lines().collect()))
        .collect()
}

/// Whether a line is the one of the guide, in which `…` stands for a word that differs each time.
fn is_same(shown: &str, printed: &str) -> bool {
    let (shown, printed) = (shown.split_whitespace(), printed.split_whitespace());
    shown.clone().count() == printed.clone().count()
        && shown.zip(printed).all(|(shown, printed)| shown.starts_with('…') || shown == printed)
}

/// Whether the guide shows these lines. A line `…` stands for some that it leaves out.
fn shows(shown: &[&str], printed: &[String]) -> bool {
    match (shown, printed) {
        ([], []) => true,
        (["…", rest @ ..], _) => {
            (0..=printed.len()).any(|skipped| shows(rest, &printed[skipped..]))
        }
        ([line, shown @ ..], [found, printed @ ..]) => {
            is_same(line, found) && shows(shown, printed)
        }
        _ => false,
    }
}

#[test]
fn each_command_prints_what_the_guide_shows() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("guide");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("request.json"), include_str!("../../request.json")).unwrap();
    let commands = commands();
    assert_eq!(commands.len(), 4, "the guide shows {commands:?}");
    for (command, shown) in commands {
        let mut host = Command::new(env!("CARGO_BIN_EXE_host"));
        host.args(command.split_whitespace()).current_dir(&folder).stdout(Stdio::piped());
        let serves = command.starts_with("serve");
        if serves {
            host.args(["--listen", "127.0.0.1:0"]);
        }
        let mut host = host.spawn().unwrap();
        let lines = BufReader::new(host.stdout.take().unwrap()).lines().map(Result::unwrap);
        // A server prints nothing more and goes on, so as many lines are read as the guide shows.
        let printed: Vec<String> =
            if serves { lines.take(shown.len()).collect() } else { lines.collect() };
        if serves {
            host.kill().unwrap();
        }
        assert_eq!(host.wait().unwrap().success(), !serves, "{command}");
        let on_the_port_of_the_guide = |line: &String| match line.rsplit_once("127.0.0.1:") {
            Some((before, _)) if serves => format!("{before}127.0.0.1:8080"),
            _ => line.clone(),
        };
        let printed: Vec<String> = printed.iter().map(on_the_port_of_the_guide).collect();
        assert!(
            shows(&shown, &printed),
            "`{command}` prints {printed:#?}, the guide shows {shown:#?}"
        );
    }
}
