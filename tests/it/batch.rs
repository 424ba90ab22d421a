//! Many requests at once: one report each, whatever happens in between.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::cli::bonafide;
use crate::upstream::{Mitto, lead_to, question_about};

/// A folder with an input, and what a run needs to ask `upstream`.
struct Place {
    folder: TempDir,
    address: Option<SocketAddr>,
}

impl Place {
    fn new(upstream: Option<&Mitto>, input: impl AsRef<[u8]>) -> Self {
        let place = Self {
            folder: tempfile::tempdir().unwrap(),
            address: upstream.map(|upstream| upstream.address),
        };
        std::fs::write(place.path("input"), input).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `bonafide batch input`, with more arguments, in the folder.
    fn batch(&self, arguments: &[&str]) -> Command {
        self.configured(bonafide(&[&["batch", "input"], arguments].concat()))
    }

    fn configured(&self, mut command: Command) -> Command {
        command.current_dir(self.folder.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
        if let Some(address) = self.address {
            lead_to(&mut command, &format!("http://{address}"));
        }
        command
    }

    /// How many lines are written, the one that is being written included.
    fn lines(&self, name: &str) -> usize {
        std::fs::read(self.path(name))
            .map_or(0, |bytes| bytes.split_inclusive(|byte| *byte == b'\n').count())
    }
}

fn line(key: &str) -> String {
    question_about(key) + "\n"
}

fn lines(keys: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    keys.into_iter().map(|key| line(key.as_ref())).collect()
}

fn keys(count: usize) -> Vec<String> {
    (1..=count).map(|number| format!("key-{number}")).collect()
}

fn run(command: &mut Command) -> Output {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// The reports by line, each line once.
fn reports(written: &[u8]) -> BTreeMap<u64, Value> {
    let text = std::str::from_utf8(written).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'), "{text}");
    let mut reports = BTreeMap::new();
    for line in text.lines() {
        let report: Value = serde_json::from_str(line).unwrap();
        let earlier = reports.insert(report["line"].as_u64().unwrap(), report);
        assert!(earlier.is_none(), "{earlier:?}");
    }
    reports
}

fn verdicts(reports: &BTreeMap<u64, Value>) -> BTreeMap<&str, usize> {
    let mut verdicts = BTreeMap::new();
    for report in reports.values() {
        *verdicts.entry(report["verdict"].as_str().unwrap()).or_default() += 1;
    }
    verdicts
}

/// Waits for something that comes if everything is right, however slow the machine.
async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    for _ in 0..6000 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it never came to this: {what}");
}

fn signal(child: &Child, name: &str) {
    let id = child.id().to_string();
    assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
}

/// Every example of the docs, and lines that are none.
fn many_kinds() -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/examples");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut input = Vec::new();
    for file in files {
        let mut request: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        request["id"] = format!("{:?}", file.file_stem().unwrap().len()).into();
        writeln!(input, "{request}\r").unwrap();
    }
    let too_long = " ".repeat(65_537);
    let longest = line("unknown");
    let longest = " ".repeat(65_536 - longest.len() + 1) + &longest;
    for bad in [
        b"\n \t\r\n".as_slice(),
        b"nonsense\n",
        b"{\"id\": 7, \"provider_id\": \"1004\"}\n",
        b"{\"id\": 8, \"provider_id\": \"77\", \"name\": \"x\", \"settings\": {}}\n",
        b"\"\\\"{}\\\"\"\n[]\n\xff\xfe\n\0\n",
        b"\xef\xbb\xbf{}\n",
        too_long.as_bytes(),
        b"\n",
        longest.as_bytes(),
        b"{\"name\": \"no end of line",
    ] {
        input.extend_from_slice(bad);
    }
    input
}

#[test]
fn every_line_has_one_report_and_every_verdict_is_in_the_summary() {
    let place = Place::new(None, many_kinds());
    let output = run(&mut place.batch(&["--sandbox"]));
    assert_eq!(output.status.code(), Some(0));
    let reports = reports(&output.stdout);
    let mut table = String::new();
    for (line, report) in &reports {
        let codes = |list: &str| -> String {
            let findings = report[list].as_array().into_iter().flatten();
            findings
                .fold(String::new(), |text, finding| text + " " + finding["code"].as_str().unwrap())
        };
        writeln!(
            table,
            "{line}: {} {} {}{}{}",
            report.get("id").unwrap_or(&json!("-")),
            report.get("provider").unwrap_or(&json!("-")),
            report["verdict"],
            codes("errors"),
            codes("warnings")
        )
        .unwrap();
        assert_eq!(report["sandbox"], true);
        assert!(report["trace_id"].is_string() && report["elapsed_ms"].is_u64(), "{report}");
    }
    insta::assert_snapshot!("a_batch", format!("{table}---- stderr\n{}", said(&output)));
}

#[test]
fn a_report_is_what_validate_prints() {
    let example = |name: &str| {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/examples").join(name);
        serde_json::from_slice::<Value>(&std::fs::read(file).unwrap()).unwrap()
    };
    for name in [
        "twilio-number-of-another-account.json",
        "mailgun-unverified-domain.json",
        "smtp.json",
        "twilio-wrong-token.json",
    ] {
        let place = Place::new(None, example(name).to_string());
        let strip = |bytes: &[u8]| {
            let mut report: Value = serde_json::from_slice(bytes).unwrap();
            report
                .as_object_mut()
                .unwrap()
                .retain(|key, _| key != "trace_id" && key != "elapsed_ms");
            report
        };
        let mut batch = strip(&run(&mut place.batch(&["--sandbox"])).stdout);
        assert_eq!(batch.as_object_mut().unwrap().remove("line"), Some(json!(1)));
        let one = run(&mut place.configured(bonafide(&[
            "validate",
            "input",
            "--sandbox",
            "--format",
            "json",
        ])));
        assert_eq!(batch, strip(&one.stdout), "{name}");
    }
}

#[test]
fn ids_are_repeated_unless_they_could_hold_a_secret() {
    const SECRET: &str = "Sekret-0f1e2d3c";
    let long = "x".repeat(128);
    let cases = [
        (json!("customer 7"), true),
        (json!("Kunde ÄÖÜ \n"), true),
        (json!(""), true),
        (json!(long), true),
        (json!(long.clone() + "x"), false),
        (json!(7), true),
        (json!(-7), true),
        (json!(u64::MAX), true),
        (json!(7.5), false),
        (json!(true), false),
        (json!(null), false),
        (json!([7]), false),
        (json!({"id": 7}), false),
        (json!(SECRET), false),
        (json!(&SECRET[4..10]), false),
        (json!(format!("customer {SECRET}")), false),
        (json!(&SECRET[4..9]), true),
        // A domain is no secret.
        (json!("mg.example.com"), true),
        (json!("api_key"), true),
    ];
    let request = |id: &Value| {
        json!({"name": "x", "provider_id": "1005", "id": id,
            "settings": {"api_key": SECRET, "domain": "mg.example.com"}})
    };
    let mut input: Vec<Value> = cases.iter().map(|(id, _)| request(id)).collect();
    // Where it is not known which field is secret, all are; and the secret may be a number, or a name.
    input.extend([
        json!({"id": SECRET, "provider_id": "77", "settings": {"key": [SECRET]}}),
        json!({"id": 7_654_321, "provider_id": "1005", "settings": {"api_key": 7_654_321}}),
        json!({"id": SECRET, "provider_id": "1005", "settings": {SECRET: "x"}}),
        json!({"id": SECRET, "provider_id": "1005", "settings": SECRET}),
    ]);
    let mut input: String =
        input.iter().fold(String::new(), |text, line| text + &format!("{line}\n"));
    input += "{\"id\": \"a\", \"id\": \"b\", \"provider_id\": \"1005\"}\n";
    let count = input.lines().count() as u64;
    let place = Place::new(None, input);
    let output = run(&mut place.batch(&["--sandbox"]));
    let reports = reports(&output.stdout);
    assert_eq!(reports.len() as u64, count);
    for (line, (id, repeated)) in (1..).zip(&cases) {
        assert_eq!(reports[&line].get("id"), repeated.then_some(id), "{id}");
    }
    for line in cases.len() as u64 + 1..=count {
        assert_eq!(reports[&line].get("id"), None, "{line}");
    }
    let everything = String::from_utf8(output.stdout.clone()).unwrap() + &said(&output);
    assert!(!everything.contains(&SECRET[4..10]), "{everything}");
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_come_as_checks_end_and_while_the_input_goes_on() {
    let upstream = Mitto::start().await;
    let place = Place::new(Some(&upstream), "");
    let mut command = place.configured(bonafide(&["batch", "-"]));
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut next = || {
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let report: Value = serde_json::from_str(&line).unwrap();
        (report["line"].as_u64().unwrap(), report["verdict"].as_str().unwrap().to_owned())
    };
    input.write_all((line("slow") + "{}\n").as_bytes()).unwrap();
    assert_eq!(next(), (2, "rejected".to_owned()));
    upstream.release(1);
    assert_eq!(next(), (1, "valid".to_owned()));
    input.write_all(b"[]\n").unwrap();
    assert_eq!(next(), (3, "rejected".to_owned()));
    drop(input);
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(0));
    assert!(said(&ended).starts_with("3 lines judged: 1 valid, 2 rejected\n"), "{}", said(&ended));
}

#[tokio::test(flavor = "multi_thread")]
async fn so_many_checks_run_at_a_time_and_no_more() {
    let upstream = Mitto::start().await;
    let place = Place::new(Some(&upstream), lines(keys(20)));
    let child = place.batch(&["--concurrency", "3"]).spawn().unwrap();
    eventually("three are asked about at a time", || upstream.in_flight().0 == 3).await;
    upstream.release(20);
    let output = child.wait_with_output().unwrap();
    assert_eq!(reports(&output.stdout).len(), 20);
    assert_eq!(upstream.in_flight(), (0, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_killed_goes_on_without_losing_or_repeating_a_line() {
    const LINES: usize = 100;
    let upstream = Mitto::start().await;
    // Blank lines count, and lines that name nobody are lines too.
    let input: String = keys(LINES).iter().fold(String::new(), |text, key| {
        text + if key.ends_with('3') { "\n{}\n" } else { "" } + &line(key)
    });
    let key_of: HashMap<u64, String> = (1..)
        .zip(input.lines())
        .filter_map(|(number, line)| {
            let request: Value = serde_json::from_str(line).ok()?;
            Some((number, request["settings"]["api_key"].as_str()?.to_owned()))
        })
        .collect();
    let place = Place::new(Some(&upstream), &input);
    let arguments = ["--output", "reports", "--concurrency", "4", "--resume"];
    let done = || -> BTreeSet<String> {
        let written = std::fs::read(place.path("reports")).unwrap_or_default();
        reports(&written).keys().filter_map(|line| key_of.get(line).cloned()).collect()
    };
    let mut released = 0;
    for answers in [0, 1, 2, 30, 63, 64, 65, 99] {
        let (done_before, asked_before) = (done(), upstream.asked());
        let mut child = place.batch(&arguments).spawn().unwrap();
        upstream.release(answers - released);
        released = answers;
        eventually("all that was answered is written, and more is in flight", || {
            done().len() == answers && upstream.in_flight().0 > 0
        })
        .await;
        child.kill().unwrap();
        child.wait().unwrap();
        eventually("what the run asked has gone with it", || upstream.in_flight().0 == 0).await;
        for (key, asked) in upstream.asked() {
            assert!(!done_before.contains(&key) || asked == asked_before[&key], "{key}");
        }
    }
    upstream.release(LINES);
    let output = run(&mut place.batch(&arguments));
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let written = std::fs::read(place.path("reports")).unwrap();
    assert_eq!(verdicts(&reports(&written)), BTreeMap::from([("valid", LINES), ("rejected", 10)]));
    let summary = said(&output);
    assert!(summary.starts_with("110 lines judged: 100 valid, 10 rejected; "), "{summary}");

    // And again: there is nothing left to do.
    let asked = upstream.asked();
    let output = run(&mut place.batch(&arguments));
    assert_eq!(output.status.code(), Some(0));
    assert!(said(&output).contains("; 110 of them by earlier runs\n"), "{}", said(&output));
    assert_eq!(std::fs::read(place.path("reports")).unwrap(), written);
    assert_eq!(upstream.asked(), asked);
}

#[test]
fn a_report_that_a_kill_cut_off_is_written_again() {
    let input = "{}\n".repeat(70);
    let place = Place::new(None, &input);
    let output = run(&mut place.batch(&["--output", "reports"]));
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let written = std::fs::read(place.path("reports")).unwrap();
    let last = written[..written.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    // Within the mark of a report, just after it, in the middle, and all but the end of the line.
    for cut in [1, 7, 8, 9, (written.len() - last) / 2, written.len() - last - 1] {
        std::fs::write(place.path("reports"), &written[..last + cut]).unwrap();
        let output = run(&mut place.batch(&["--output", "reports", "--resume"]));
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        let mended = std::fs::read(place.path("reports")).unwrap();
        assert_eq!(mended[..last], written[..last]);
        assert_eq!(reports(&mended).len(), 70);
        assert!(said(&output).contains("; 69 of them by earlier runs\n"));
    }
    // With nothing left to check, what is cut off goes too.
    let extra = [&written[..], b"{\"line\":"].concat();
    std::fs::write(place.path("reports"), extra).unwrap();
    assert_eq!(run(&mut place.batch(&["--output", "reports", "--resume"])).status.code(), Some(0));
    assert_eq!(std::fs::read(place.path("reports")).unwrap(), written);
}

/// What a person sees of a run that does nothing, without what differs between machines.
fn refusal(place: &Place, arguments: &[&str]) -> String {
    let before = std::fs::read(place.path("reports")).ok();
    let output = run(&mut place.configured(bonafide(&[&["batch"], arguments].concat())));
    assert_eq!(output.status.code(), Some(2), "{arguments:?}");
    assert_eq!(output.stdout, b"", "{arguments:?}");
    assert_eq!(std::fs::read(place.path("reports")).ok(), before, "{arguments:?}");
    format!("$ bonafide batch {}\n{}\n", arguments.join(" "), said(&output))
}

#[test]
fn what_cannot_be_gone_on_with_is_left_as_it_is() {
    let request = |id: &str, provider: &str| {
        json!({"id": id, "provider_id": provider, "name": "", "settings": {}}).to_string()
    };
    let input = [request("a", "1000"), request("b", "1000"), String::new(), request("c", "1001")];
    let place = Place::new(None, input.join("\n") + "\n");
    // One at a time, so that the reports are in the order of the lines.
    let output = run(&mut place.batch(&["--output", "reports", "--concurrency", "1"]));
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let mut text = String::from("The output of another run is there.\n");
    text += &refusal(&place, &["input", "--output", "reports"]);

    let go_on = ["input", "--output", "reports", "--resume"];
    let mut with_input = |what: &str, lines: &[String]| {
        std::fs::write(place.path("input"), lines.join("\n") + "\n").unwrap();
        write!(text, "The input has {what}.\n{}", refusal(&place, &go_on)).unwrap();
    };
    let [a, b, blank, c] = &input;
    with_input("another id", &[a.clone(), request("x", "1000"), blank.clone(), c.clone()]);
    with_input("another provider", &[a.clone(), b.clone(), blank.clone(), request("c", "1002")]);
    with_input("other places", &[blank.clone(), a.clone(), b.clone(), c.clone()]);
    with_input("a blank line instead", &[a.clone(), blank.clone(), blank.clone(), c.clone()]);
    with_input("fewer lines", &[a.clone(), b.clone()]);
    std::fs::write(place.path("input"), input.join("\n") + "\n").unwrap();

    let whole = std::fs::read_to_string(place.path("reports")).unwrap();
    let first = whole.lines().next().unwrap();
    let mut with_output = |what: &str, content: String| {
        std::fs::write(place.path("reports"), content).unwrap();
        write!(text, "The output holds {what}.\n{}", refusal(&place, &go_on)).unwrap();
    };
    with_output("a line twice", format!("{whole}{first}\n"));
    with_output("something else", whole.clone() + "{\"verdict\": \"valid\"}\n");
    with_output("something else without an end of line", "important".to_owned());
    // What is cut off ends the file; this goes on, so nothing of it may be dropped.
    with_output(
        "the beginning of a report, and no end",
        "{\"line\":1,".to_owned() + &" ".repeat(64 << 20),
    );
    with_output("a verdict that is none", first.replace("rejected", "valid") + "\n");
    with_output("a provider of another program", first.replace("\"1000\"", "\"77\"") + "\n");
    with_output("line 0", format!("{{\"line\":0,{}\n", first.split_once(',').unwrap().1));
    with_output(
        "reports of the sandbox",
        first.replace("\"trace_id\"", "\"sandbox\":true,\"trace_id\"") + "\n",
    );
    text += &refusal(&place, &["input", "--output", "input", "--resume"]);
    text += &refusal(&place, &["input", "--output", "/dev/null", "--resume"]);
    text += &refusal(&place, &["input", "--output", "."]);
    text += &refusal(&place, &["input", "--output", "nowhere/reports"]);
    text += &refusal(&place, &["nowhere", "--output", "new"]);
    assert!(!place.path("new").exists());
    text += &refusal(&place, &["."]);
    text += &refusal(&place, &["input", "--concurrency", "0"]);
    text += &refusal(&place, &["input", "--concurrency", "257"]);
    text += &refusal(&place, &["input", "--resume"]);
    insta::assert_snapshot!("refusals", text);

    // An input that has grown is the same input.
    std::fs::write(place.path("reports"), &whole).unwrap();
    std::fs::write(place.path("input"), input.join("\n") + "\n{}").unwrap();
    let output = run(&mut place.configured(bonafide(&[&["batch"], &go_on[..]].concat())));
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert_eq!(reports(&std::fs::read(place.path("reports")).unwrap()).len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_runs_do_not_write_to_one_file() {
    let upstream = Mitto::start().await;
    let place = Place::new(Some(&upstream), lines(keys(2)));
    let child = place.batch(&["--output", "reports"]).spawn().unwrap();
    eventually("the first is at work", || upstream.in_flight().0 == 2).await;
    let refused = refusal(&place, &["input", "--output", "reports"]);
    assert!(refused.contains("another run is writing to `reports`"), "{refused}");
    upstream.release(2);
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_in_the_middle_turns_nothing_into_a_rejection() {
    let upstream = Mitto::start().await;
    // The provider fails for a while, recovers, and goes away altogether.
    let keys = (1..=40).map(|number| match number {
        11..=20 => format!("down-{number}"),
        30 => "wrong-30".to_owned(),
        _ => format!("key-{number}"),
    });
    let place = Place::new(Some(&upstream), lines(keys));
    let arguments = ["--output", "reports", "--concurrency", "2"];
    let child = place.batch(&arguments).spawn().unwrap();
    upstream.release(32);
    eventually("as many are judged as are answered", || place.lines("reports") == 32).await;
    eventually("more are in flight", || upstream.in_flight().0 == 2).await;
    upstream.go_away();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let reports = reports(&std::fs::read(place.path("reports")).unwrap());
    assert_eq!(reports.len(), 40);
    for (line, report) in &reports {
        let expected: &[&str] = match line {
            30 => &["rejected"],
            11..=20 => &["inconclusive"],
            // Which of those in flight were answered last cannot be told.
            31.. => &["valid", "inconclusive"],
            _ => &["valid"],
        };
        let verdict = report["verdict"].as_str().unwrap();
        assert!(expected.contains(&verdict), "{line}: {report}");
    }
    let expected = [("inconclusive", 18), ("rejected", 1), ("valid", 21)];
    assert_eq!(verdicts(&reports), BTreeMap::from(expected));
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_wait_until_an_outage_is_over() {
    const LINES: usize = 200;
    let mitto = Mitto::start().await;
    mitto.fail(true);
    mitto.release(10 * LINES);
    let place = Place::new(Some(&mitto), lines(keys(LINES)));
    let arguments = ["--output", "reports", "--concurrency", "4"];
    let child = place.batch(&arguments).spawn().unwrap();
    eventually("the provider is left alone", || place.lines("reports") >= 20).await;
    mitto.fail(false);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let reports = reports(&std::fs::read(place.path("reports")).unwrap());
    let verdicts = verdicts(&reports);
    assert_eq!((reports.len(), verdicts.get("rejected")), (LINES, None));
    // Those that opened the circuit, and those that were in flight with the last of them.
    assert!((20..24).contains(&verdicts["inconclusive"]), "{verdicts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_waits_for_an_outage_gives_up_after_its_time() {
    const LINES: usize = 24;
    let mitto = Mitto::start().await;
    mitto.fail(true);
    mitto.release(LINES);
    let place = Place::new(Some(&mitto), lines(keys(LINES)));
    let mut command = place.batch(&["--concurrency", "4"]);
    command.env("BONAFIDE_PROVIDERS__MITTO__TIMEOUT", "2s");
    let output = command.spawn().unwrap().wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let reports = reports(&output.stdout);
    assert_eq!(verdicts(&reports), BTreeMap::from([("inconclusive", LINES)]));
    let message = |report: &Value| report["errors"][0]["message"].as_str().unwrap().to_owned();
    let gave_up: Vec<&Value> =
        reports.values().filter(|report| message(report).contains("stopped asking")).collect();
    assert!(!gave_up.is_empty());
    assert_eq!(mitto.asked().len(), LINES - gave_up.len());
    for report in gave_up {
        assert!(report["elapsed_ms"].as_u64().unwrap() >= 2000, "{report}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn our_own_limit_leaves_no_line_without_a_verdict() {
    const LINES: usize = 40;
    let mitto = Mitto::start().await;
    mitto.release(LINES);
    let place = Place::new(Some(&mitto), lines(keys(LINES)));
    let mut command = place.batch(&["--concurrency", "40"]);
    // The last ones wait for longer than half of what a check may take.
    command
        .env("BONAFIDE_PROVIDERS__MITTO__TIMEOUT", "3s")
        .env("BONAFIDE_PROVIDERS__MITTO__MAX_PER_SECOND", "15")
        .env("BONAFIDE_PROVIDERS__MITTO__MAX_CONCURRENT", "3");
    let output = command.spawn().unwrap().wait_with_output().unwrap();
    assert_eq!(verdicts(&reports(&output.stdout)), BTreeMap::from([("valid", LINES)]));
    assert!(mitto.in_flight().1 <= 3, "{:?}", mitto.in_flight());
}

#[tokio::test(flavor = "multi_thread")]
async fn interrupted_it_finishes_what_is_in_flight_and_says_how_to_go_on() {
    let upstream = Mitto::start().await;
    let place = Place::new(Some(&upstream), lines(keys(20)));
    let arguments = ["--output", "reports", "--concurrency", "3"];
    let mut child = place.batch(&arguments).spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    eventually("three are in flight", || upstream.in_flight().0 == 3).await;
    signal(&child, "-INT");
    let mut text = String::new();
    stderr.read_line(&mut text).unwrap();
    upstream.release(3);
    stderr.read_to_string(&mut text).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(2));
    insta::assert_snapshot!("interrupted", text);
    assert_eq!(reports(&std::fs::read(place.path("reports")).unwrap()).len(), 3);
    assert_eq!(upstream.asked().len(), 3);

    // Told twice, it does not wait.
    let go_on = [&arguments[..], &["--resume"]].concat();
    let mut child = place.batch(&go_on).spawn().unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    eventually("three are in flight", || upstream.in_flight().0 == 3).await;
    signal(&child, "-TERM");
    stderr.read_line(&mut text).unwrap();
    signal(&child, "-INT");
    assert_eq!(child.wait().unwrap().code(), Some(2));

    upstream.release(20);
    assert_eq!(run(&mut place.batch(&go_on)).status.code(), Some(0));
    assert_eq!(reports(&std::fs::read(place.path("reports")).unwrap()).len(), 20);
}

#[test]
fn a_disk_that_is_full_ends_the_run_and_loses_nothing() {
    let place = Place::new(None, "{}\n".repeat(100));
    for arguments in [&["--output", "/dev/full"][..], &[]] {
        let mut command = place.batch(arguments);
        command
            .stderr(Stdio::piped())
            .stdout(std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap());
        let output = command.spawn().unwrap().wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        let said = said(&output);
        let name = if arguments.is_empty() { "standard output" } else { "`/dev/full`" };
        assert!(
            said.starts_with(&format!("error: cannot write to {name}: No space left")),
            "{said}"
        );
    }
    // A file that may not grow any more, which is what a full disk looks like from inside.
    let mut limited = place.configured(Command::new("/bin/sh"));
    limited
        .env("PROGRAM", env!("CARGO_BIN_EXE_bonafide"))
        .args(["-c", "trap '' XFSZ; ulimit -f 8; exec \"$PROGRAM\" batch input --output reports"]);
    let output = run(&mut limited);
    assert_eq!(output.status.code(), Some(2));
    let text = said(&output);
    assert!(text.starts_with("error: cannot write to `reports`: "), "{text}");
    assert!(text.contains("give the same command with `--resume` to go on"), "{text}");
    let written = reports(&std::fs::read(place.path("reports")).unwrap()).len();
    assert!((1..100).contains(&written), "{written}");
    let output = run(&mut place.batch(&["--output", "reports", "--resume"]));
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(said(&output).contains(&format!("; {written} of them by earlier runs")));
    assert_eq!(reports(&std::fs::read(place.path("reports")).unwrap()).len(), 100);
}

#[test]
fn a_reader_that_goes_away_ends_the_run() {
    let place = Place::new(None, "{}\n".repeat(100));
    let mut child = place.batch(&[]).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).starts_with("error: cannot write to standard output: "));
}

#[test]
fn an_input_without_a_line_is_judged_at_once() {
    let place = Place::new(None, "\n \n");
    let output = run(&mut place.batch(&["--output", "reports"]));
    assert_eq!((output.status.code(), said(&output).as_str()), (Some(0), "0 lines judged\n"));
    assert_eq!(std::fs::read(place.path("reports")).unwrap(), b"");
}
