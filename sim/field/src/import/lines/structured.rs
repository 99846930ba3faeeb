//! Reads logs of records: journald's JSON and export formats, and the JSON of Docker and log collectors.
//!
//! Invariant: each record becomes lines `TIME HOST TAG[PID]: MESSAGE`, as far as it has these fields; other lines are
//! kept unchanged.

use std::borrow::Cow;

use serde_json::Value;

/// Keys of a message, by preference.
const MESSAGE: [&str; 7] = ["MESSAGE", "log", "message", "msg", "@message", "text", "line"];
/// Keys of a time.
const TIME: [&str; 9] = [
    "_SOURCE_REALTIME_TIMESTAMP",
    "__REALTIME_TIMESTAMP",
    "@timestamp",
    "timestamp",
    "time",
    "ts",
    "datetime",
    "date",
    "timereported",
];
/// Keys of a host.
const HOST: [&str; 4] = ["_HOSTNAME", "hostname", "host", "HOSTNAME"];
/// Keys of a program.
const TAG: [&str; 8] =
    ["SYSLOG_IDENTIFIER", "ident", "programname", "program", "appname", "app_name", "tag", "_COMM"];
/// Keys of a process.
const PID: [&str; 6] = ["_PID", "SYSLOG_PID", "pid", "procid", "process_id", "proc_id"];

/// Returns the lines of a text, each with its number from 1, records converted.
pub(super) fn lines(text: &str) -> Vec<(usize, Cow<'_, str>)> {
    let text = text.trim_start_matches('\u{feff}');
    if text.lines().take(200).any(|line| line.starts_with("__REALTIME_TIMESTAMP=")) {
        return of_export(text);
    }
    let begins_record = |line: &str| line.trim_start().starts_with(['{', '[']);
    // A record over several lines, or an array of records.
    let first = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default().trim();
    if begins_record(first)
        && serde_json::from_str::<Value>(first).is_err()
        && let Some(lines) = of_stream(text)
    {
        return lines;
    }
    let mut lines = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        match record(line) {
            Some(record) => push(&mut lines, number, &record),
            None => lines.push((number, Cow::Borrowed(line))),
        }
    }
    lines
}

/// Parses the record of a line, which may follow the mark of an event stream.
fn record(line: &str) -> Option<Value> {
    let line = line.trim_start_matches(['\u{1e}', ' ', '\t']);
    let line = line.strip_prefix("data: ").unwrap_or(line).trim_end_matches(',');
    if !line.starts_with('{') {
        return None;
    }
    serde_json::from_str(line).ok()
}

fn of_stream(text: &str) -> Option<Vec<(usize, Cow<'_, str>)>> {
    let mut stream = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    let (mut lines, mut number, mut counted) = (Vec::new(), 1, 0);
    while let Some(value) = stream.next() {
        let value = value.ok()?;
        let values = match value {
            Value::Array(values) => values,
            one => vec![one],
        };
        for value in &values {
            push(&mut lines, number, value);
        }
        let until = stream.byte_offset();
        number += text.as_bytes()[counted..until].iter().filter(|byte| **byte == b'\n').count();
        counted = until;
    }
    Some(lines)
}

fn of_export(text: &str) -> Vec<(usize, Cow<'_, str>)> {
    let mut lines = Vec::new();
    let mut fields = serde_json::Map::new();
    let mut begun = 1;
    for (number, line) in (1..).zip(text.lines().chain([""])) {
        if line.is_empty() {
            if !fields.is_empty() {
                push(&mut lines, begun, &Value::Object(std::mem::take(&mut fields)));
            }
            begun = number + 1;
        } else if let Some((key, value)) = line.split_once('=') {
            if key == "MESSAGE" {
                begun = number;
            }
            fields.insert(key.to_owned(), Value::from(value));
        }
    }
    lines
}

fn push(lines: &mut Vec<(usize, Cow<'_, str>)>, number: usize, record: &Value) {
    let Some(fields) = record.as_object() else { return };
    let find = |keys: &[&str]| keys.iter().find_map(|key| text_of(fields.get(*key)?));
    let Some(message) = find(&MESSAGE) else { return };
    let mut head = String::new();
    let time = TIME.iter().find_map(|key| time_of(fields.get(*key)?));
    head.extend(time);
    if let Some(tag) = find(&TAG) {
        let host = find(&HOST).filter(|host| !host.contains(' '));
        head = format!("{head} {} {tag}", host.as_deref().unwrap_or("-"));
        match find(&PID) {
            Some(pid) => head.push_str(&format!("[{pid}]:")),
            None => head.push(':'),
        }
    }
    for line in message.lines() {
        lines.push((number, Cow::Owned(format!("{head} {line}"))));
    }
}

/// Returns a text. journald writes text that is not UTF-8 as an array of bytes.
fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Array(bytes) => {
            let bytes: Option<Vec<u8>> = bytes.iter().map(|byte| u8::try_from(byte.as_u64()?).ok()).collect();
            Some(String::from_utf8_lossy(&bytes?).into_owned())
        }
        _ => None,
    }
}

/// Returns a time as a stamp. The size of a number decides between seconds, milli-, micro- and nanoseconds.
fn time_of(value: &Value) -> Option<String> {
    let text = text_of(value)?;
    let whole = text.split_once('.').map_or(text.as_str(), |(whole, _)| whole);
    let Ok(number) = whole.parse::<u64>() else { return Some(text) };
    let micros = match whole.len() {
        10 => {
            let fraction = text.get(11..).unwrap_or_default();
            let digits: String = fraction.chars().chain("000000".chars()).take(6).collect();
            number * 1_000_000 + digits.parse::<u64>().ok()?
        }
        13 => number * 1_000,
        16 => number,
        19 => number / 1_000,
        _ => return None,
    };
    Some(format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> Vec<(usize, String)> {
        lines(text).into_iter().map(|(number, line)| (number, line.into_owned())).collect()
    }

    #[test]
    fn records_of_each_kind_become_plain_lines() {
        let table = [
            (
                r#"{"log":"Reloading\n","stream":"stderr","time":"2026-11-25T10:00:00.5Z"}"#,
                "2026-11-25T10:00:00.5Z Reloading",
            ),
            (
                r#"{"__REALTIME_TIMESTAMP":"1796057185104000","SYSLOG_IDENTIFIER":"Keepalived_vrrp","_PID":"7","_HOSTNAME":"h","MESSAGE":"Reloading"}"#,
                "1796057185.104000 h Keepalived_vrrp[7]: Reloading",
            ),
            (
                r#"{"@timestamp":1796057185104,"message":"Reloading","kubernetes":{"pod":"x"}}"#,
                "1796057185.104000 Reloading",
            ),
            ("{\n \"MESSAGE\": [82,101],\n \"_PID\": \"1\"\n}\n", " Re"),
            ("__CURSOR=x\n__REALTIME_TIMESTAMP=1796057185104000\nMESSAGE=Re=l\n\n", "1796057185.104000 Re=l"),
        ];
        for (text, wanted) in table {
            assert_eq!(plain(text).first().map(|(_, line)| line.as_str()), Some(wanted), "{text}");
        }
    }

    #[test]
    fn what_is_no_record_stays_as_it_is() {
        assert_eq!(plain("{ not json\nx"), [(1, "{ not json".to_owned()), (2, "x".to_owned())]);
    }
}
