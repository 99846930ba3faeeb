//! Tests the pages in a real browser: they open, their steps work by keys, buttons and slider, nothing is wider than
//! the screen, and light and dark differ. Ignored, with the reason, without a Chromium (`apt-get install chromium`,
//! or TREEFALL_CHROMIUM).
//!
//! The screenshots stay in `target/tmp/report-html` for inspection.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use libtest_mimic::{Failed, Trial};
use serde_json::Value;

const TREEFALL: &str = env!("CARGO_BIN_EXE_treefall");
/// The page of the crash of issue 2468 on 2.3.1: the violating step, and the number of steps.
const FILE: &str = "scenarios/queued-timeout-and-reload/timer-first.toml";
const BREAKS: u64 = 12;
const STEPS: u64 = 19;
/// A desktop and a phone, in CSS pixels.
const WIDTHS: [u32; 2] = [1280, 390];

type Outcome = Result<(), Failed>;

pub(crate) fn trials() -> Vec<Trial> {
    let browser = browser();
    let trial = |name: &str, body: fn(&Path) -> Outcome| match browser.clone() {
        Some(browser) => trial!(name, move || body(&browser)),
        None => trial!(name, || Ok(()))
            .with_ignored_flag(true)
            .with_kind("ignored: no Chromium here; apt-get install chromium"),
    };
    vec![
        trial("a page opens, and its steps work by keys, buttons and slider", steps),
        trial("the page of every scenario opens, says what its text says, and is stepped through", scenarios),
        trial("pages fit their screens, light and dark, and are left as pictures", pictures),
        trial(
            "the page of a soak fits its screens, its labels can be read, and it says what was assumed",
            soaked,
        ),
        trial!("a page needs no network and escapes what it is given", self_contained),
        trial!("a hunt leaves pages and an index of them", folder_of_findings),
    ]
}

fn browser() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("TREEFALL_CHROMIUM") {
        return Some(named.into());
    }
    let path = std::env::var_os("PATH")?;
    let names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
    std::env::split_paths(&path)
        .flat_map(|folder| names.map(|name| folder.join(name)))
        .find(|program| program.is_file())
}

fn ensure(holds: bool, why: impl FnOnce() -> String) -> Outcome {
    if holds { Ok(()) } else { Err(why().into()) }
}

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Writes the page of a scenario file.
fn page(file: &Path, target: &str, to: &Path) -> Outcome {
    let mut command = Command::new(TREEFALL);
    command.arg("report").arg(file).args(["--target", target, "--quiet", "--html"]).arg(to);
    let output = command.current_dir(top()).output()?;
    ensure(output.status.success(), || String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Returns what the browser prints or draws for a page in `folder`.
fn browse(browser: &Path, folder: &Path, page: &str, arguments: &[&str]) -> Result<String, Failed> {
    let profile = tempfile::tempdir()?;
    let mut command = Command::new(browser);
    command.args(["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run"]);
    command.args(["--allow-file-access-from-files", "--virtual-time-budget=3000"]);
    command.arg(format!("--user-data-dir={}", profile.path().display())).args(arguments);
    command.arg(format!("file://{}", folder.join(page).display())).stdin(Stdio::null());
    let output = command.output()?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Returns a page that opens another in frames of these widths, runs `script` on the first, and shows the result.
fn harness(page: &str, widths: &[u32], script: &str) -> String {
    let frame = |width: &u32| {
        format!(r#"<iframe src="{page}" style="border:0;flex:none;width:{width}px;height:2600px"></iframe>"#)
    };
    harness_of(&widths.iter().map(frame).collect::<String>(), script)
}

/// Returns such a page with these frames.
fn harness_of(frames: &str, script: &str) -> String {
    format!(
        r#"<!doctype html><meta charset="utf-8"><style>body{{margin:0;display:flex;background:gray}}</style>{frames}<pre id="result" hidden></pre>
<script>
addEventListener("load", () => {{
  const frames = [...document.querySelectorAll("iframe")].map((it) => it.contentDocument);
  const page = frames[0];
  const found = {{}};
  {script}
  document.getElementById("result").textContent = "RESULT" + JSON.stringify(found) + "TLUSER";
}});
</script>"#
    )
}

fn result(dom: &str) -> Result<Value, Failed> {
    let found = dom.split_once("RESULT").and_then(|(_, rest)| rest.split_once("TLUSER"));
    // The harness's own script contains the words too: the result is the last quotation.
    let found =
        found.map(|(found, _)| found.replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">"));
    let found = found.ok_or_else(|| format!("the browser returned nothing: {dom}"))?;
    serde_json::from_str(&found).map_err(|error| format!("{error}: {found}").into())
}

fn steps(browser: &Path) -> Outcome {
    let folder = tempfile::tempdir()?;
    page(Path::new(FILE), "replica:2.3.1", &folder.path().join("page.html"))?;
    let script = r##"
  const key = (key, target) => (target || page.body).dispatchEvent(
    new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
  const where = () => Number(page.getElementById("where").textContent.split(" ")[1]);
  const slider = page.getElementById("step");
  found.title = page.querySelector("h1").textContent;
  found.opens = where();
  found.shown = page.querySelectorAll("ol.steps > li.now").length;
  found.freed = page.querySelectorAll("#after .node.freed.guilty").length;
  found.before = page.querySelectorAll("#before .node.freed").length;
  key("ArrowRight"); found.right = where();
  key("ArrowLeft"); key("ArrowLeft"); found.left = where();
  key("Home"); found.home = where();
  key("ArrowLeft"); found.below = where();
  key("End"); found.end = where();
  key("ArrowRight"); found.beyond = where();
  key("b"); found.b = where();
  slider.value = "0"; slider.dispatchEvent(new Event("input")); found.slid = where();
  page.querySelector('button[data-move="on"]').click(); found.on = where();
  page.querySelector("ol.chain button").click(); found.chain = where();
  found.focus = page.activeElement === slider;
  found.changed = page.querySelectorAll("#after .changed").length;
"##;
    fs::write(folder.path().join("harness.html"), harness("page.html", &WIDTHS[..1], script))?;
    let found = result(&browse(browser, folder.path(), "harness.html", &["--dump-dom"])?)?;
    let number = |name: &str| found[name].as_u64();
    let at =
        |name: &str, step: u64| ensure(number(name) == Some(step), || format!("{name}, not {step}: {found}"));
    ensure(found["title"].as_str().is_some_and(|it| it.contains("rb_insert_color")), || found.to_string())?;
    at("opens", BREAKS)?;
    at("shown", 1)?;
    // The guilty node is marked where the law is violated, and is intact before.
    at("freed", 1)?;
    at("before", 0)?;
    at("right", BREAKS + 1)?;
    at("left", BREAKS - 1)?;
    at("home", 1)?;
    at("below", 1)?;
    at("end", STEPS)?;
    at("beyond", STEPS)?;
    at("b", BREAKS)?;
    at("slid", 1)?;
    at("on", 2)?;
    at("chain", 7)?;
    ensure(found["focus"] == true, || found.to_string())?;
    ensure(number("changed") > Some(0), || found.to_string())
}

/// Opens the pages of all scenarios in one browser, each at the width of a phone and of a desktop.
fn scenarios(browser: &Path) -> Outcome {
    let folder = tempfile::tempdir()?;
    let mut claims = Vec::new();
    for theme in sorted(&top().join("scenarios"))?.into_iter().filter(|theme| theme.is_dir()) {
        // A daemon's alone.
        if theme.ends_with("interface-delays") {
            continue;
        }
        for file in sorted(&theme)? {
            let page = folder.path().join(format!("{}.html", claims.len()));
            let mut command = Command::new(TREEFALL);
            let output = command.args(["report", "--text", "--html"]).arg(&page).arg(&file).output()?;
            ensure(output.status.success(), || String::from_utf8_lossy(&output.stderr).into_owned())?;
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            claims.push((file, text.lines().next().unwrap_or_default().to_owned()));
        }
    }
    ensure(claims.len() > 20, || format!("{} scenarios", claims.len()))?;
    let script = r##"
  found.pages = frames.map((page) => {
    const key = (key) => page.body.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
    const where = () => page.getElementById("where").textContent.split(" ").map(Number);
    const title = page.querySelector("h1").textContent;
    key("Home"); const [, first] = where();
    key("ArrowRight"); const [, second] = where();
    key("End"); const [, last, , total] = where();
    const now = page.querySelectorAll("ol.steps > li.now").length;
    const drawn = page.querySelectorAll("#after .node, #after [data-index]").length;
    const wider = page.documentElement.scrollWidth - page.documentElement.clientWidth;
    const undone = /undefined|NaN/.test(page.body.innerText);
    return { title, first, second, last, total, now, drawn, wider, undone };
  });
"##;
    for width in WIDTHS {
        let frame = |number: usize| {
            format!(
                r#"<iframe src="{number}.html" style="border:0;flex:none;width:{width}px;height:2600px"></iframe>"#
            )
        };
        let frames: String = (0..claims.len()).map(frame).collect();
        fs::write(folder.path().join("harness.html"), harness_of(&frames, script))?;
        let found = result(&browse(browser, folder.path(), "harness.html", &["--dump-dom"])?)?;
        let pages = found["pages"].as_array().ok_or("no pages")?;
        ensure(pages.len() == claims.len(), || format!("{} pages", pages.len()))?;
        for ((file, claim), page) in claims.iter().zip(pages) {
            // The page shows text in backquotes as code.
            let holds = page["title"] == claim.replace('`', "")
                && (page["first"].as_u64(), page["second"].as_u64()) == (Some(1), Some(2))
                && page["last"] == page["total"]
                && page["now"] == 1
                && page["drawn"].as_u64() > Some(0)
                && page["wider"] == 0
                && page["undone"] == false;
            ensure(holds, || {
                format!("{} at {width} px: {page}, and the text says: {claim}", file.display())
            })?;
        }
    }
    Ok(())
}

/// Returns the contents of a folder, in order.
fn sorted(folder: &Path) -> Result<Vec<PathBuf>, Failed> {
    let entries: Result<Vec<_>, _> =
        fs::read_dir(folder)?.map(|entry| Ok::<_, Failed>(entry?.path())).collect();
    let mut paths = entries?;
    paths.retain(|path| path.is_dir() || path.extension().is_some_and(|it| it == "toml"));
    paths.sort();
    Ok(paths)
}

fn pictures(browser: &Path) -> Outcome {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("report-html");
    fs::create_dir_all(&folder)?;
    page(Path::new(FILE), "replica:2.3.1", &folder.join("page.html"))?;
    let script = r#"
  found.wider = frames.map((it) => it.documentElement.scrollWidth - it.documentElement.clientWidth);
  found.paper = getComputedStyle(page.body).backgroundColor;
  found.ink = getComputedStyle(page.body).color;
"#;
    fs::write(folder.join("harness.html"), harness("page.html", &WIDTHS, script))?;
    let mut papers = Vec::new();
    for (shade, number) in [("light", "1"), ("dark", "0")] {
        let prefers = format!("--blink-settings=preferredColorScheme={number}");
        let found = result(&browse(browser, &folder, "harness.html", &["--dump-dom", &prefers])?)?;
        ensure(found["wider"] == serde_json::json!([0, 0]), || format!("{shade}: {found}"))?;
        ensure(found["paper"] != found["ink"], || found.to_string())?;
        papers.push(found["paper"].clone());
        let picture = folder.join(format!("{shade}.png"));
        let shot = format!("--screenshot={}", picture.display());
        browse(browser, &folder, "harness.html", &[&shot, &prefers, "--window-size=1670,2600"])?;
        let size = fs::metadata(&picture)?.len();
        ensure(size > 50_000, || format!("{}: {size} bytes show nothing", picture.display()))?;
    }
    ensure(papers[0] != papers[1], || format!("light and dark are one: {papers:?}"))
}

/// A hunt writes a page, an object and a text of each failure, and an index page with links to the pages; the command
/// rewrites the same index.
fn soaked(browser: &Path) -> Outcome {
    let folder = tempfile::tempdir()?;
    // A loaded machine fails in seconds.
    let mut command = Command::new(TREEFALL);
    command.args(["soak", "--machine", "loaded", "--quiet", "--failures", "30", "--out"]).arg(folder.path());
    let output = command.output()?;
    ensure(output.status.code() == Some(1), || String::from_utf8_lossy(&output.stderr).into_owned())?;
    let script = r##"
  const labels = (it) => [...it.querySelectorAll("svg.survival text")].map((label) => label.getBoundingClientRect())
    .filter((box) => box.width > 0);
  const meet = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
  found.wider = frames.map((it) => it.documentElement.scrollWidth - it.documentElement.clientWidth);
  found.labels = frames.map((it) => labels(it).length);
  found.small = frames.map((it) => labels(it).filter((box) => box.height < 9).length);
  found.meet = frames.map((it) => labels(it).filter((a) => labels(it).some((b) => a.x !== b.x && meet(a, b))).length);
  found.assumed = [...page.querySelectorAll("#assumed dt")].map((it) => it.textContent).join(", ");
  found.command = [...page.querySelectorAll("#assumed dd")].pop().textContent;
"##;
    let page = "replica_2.3.1/soak.html";
    fs::write(folder.path().join("harness.html"), harness(page, &WIDTHS, script))?;
    let found = result(&browse(browser, folder.path(), "harness.html", &["--dump-dom"])?)?;
    for what in ["wider", "small", "meet"] {
        ensure(found[what] == serde_json::json!([0, 0]), || found.to_string())?;
    }
    ensure(found["labels"] == serde_json::json!([10, 8]), || found.to_string())?;
    ensure(found["assumed"] == "script, reloads, machine, a failure is, ended by, command", || {
        found.to_string()
    })?;
    let command = found["command"].as_str().unwrap_or_default();
    ensure(command.contains("--latency '1%:2ms..50ms,99%:50us..2ms' "), || found.to_string())
}

fn folder_of_findings() -> Outcome {
    let folder = tempfile::tempdir()?;
    let hunt = ["hunt", "--target", "replica:2.3.2", "--all", "--traces", "40", "--quiet", "--out", "finds"];
    let output = Command::new(TREEFALL).args(hunt).current_dir(&folder).output()?;
    ensure(output.status.code() == Some(1), || String::from_utf8_lossy(&output.stderr).into_owned())?;
    let failures = folder.path().join("finds");
    let index = fs::read_to_string(failures.join("index.html"))?;
    let links: Vec<&str> = index.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    ensure(links.len() > 2, || format!("too few failures: {links:?}"))?;
    for link in &links {
        let page = fs::read_to_string(failures.join(link))?;
        ensure(page.starts_with("<!DOCTYPE html>") && page.len() < 600_000, || {
            format!("{link}: {} bytes", page.len())
        })?;
        let beside = failures.join(link).with_file_name("report.json");
        let object: Value = serde_json::from_str(&fs::read_to_string(beside)?)?;
        for field in ["claim", "because", "difference", "ties", "minimality", "windows", "releases", "replay"]
        {
            ensure(!object[field].is_null(), || format!("{link}: no {field}"))?;
        }
        ensure(index.contains(object["signature"].as_str().unwrap_or("?")), || {
            format!("{link} is not named")
        })?;
    }
    fs::remove_file(failures.join("index.html"))?;
    let output = Command::new(TREEFALL).args(["report", "finds"]).current_dir(&folder).output()?;
    ensure(output.status.success(), || String::from_utf8_lossy(&output.stderr).into_owned())?;
    ensure(fs::read_to_string(failures.join("index.html"))? == index, || "another index page".to_owned())
}

fn self_contained() -> Outcome {
    let folder = tempfile::tempdir()?;
    // The title contains hostile HTML.
    let evil = fs::read_to_string(top().join(FILE))?
        .replace("A reload frees", "<script>alert(1)</script> & a reload frees");
    ensure(evil.contains("<script>"), || "the title was not changed".to_owned())?;
    let file = folder.path().join("evil.toml");
    fs::write(&file, evil)?;
    let path = folder.path().join("page.html");
    page(&file, "replica:2.3.1", &path)?;
    let text = fs::read_to_string(&path)?;
    ensure(text.contains("&lt;script&gt;alert(1)&lt;/script&gt; &amp; a reload"), || {
        "the title is not in it".to_owned()
    })?;
    ensure(text.matches("<script>").count() == 1, || "another script than its own".to_owned())?;
    for outside in ["http:", "https:", "src=", "@import", "url("] {
        ensure(!text.contains(outside), || format!("`{outside}` leads outside"))?;
    }
    ensure(text.len() < 400_000, || format!("{} bytes", text.len()))
}
