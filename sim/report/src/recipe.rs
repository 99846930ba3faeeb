//! A trace as a shell script that plays it on a real keepalived, in real time.
//!
//! SIGSTOP brings two events into one return of the blocking call: while the vrrp process is stopped, its timer runs out,
//! signals arrive and children exit; after SIGCONT it sees all at once, and the kernel reports the descriptor first that
//! was ready first. Invariant: a trace that cannot be played so is refused by name ([`NoRecipe`]).

use std::fmt::Write as _;

use treefall_model::event::Record;
use treefall_model::signal::ExitStatus;
use treefall_model::time::Span;
use treefall_model::trace::{Costs, HeapPolicy, OnTerm, Order, Script, ScriptKind, Trace, Wake};

use super::Names;
use crate::explain::{Met, in_words, times};

/// Most wakes of a trace that a person would play in real time.
const WAKES_MAX: usize = 12;
/// Times are kept this far from what must not meet them, in milliseconds.
const APART_MS: u64 = 400;
/// How long the script waits at the end, in milliseconds.
const WAIT_MS: u64 = 3_000;

/// Why a trace cannot be played on a real keepalived by a shell script.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NoRecipe {
    /// It is too long.
    #[error("it has more than {WAKES_MAX} wakes")]
    TooLong,
    /// What a shell cannot bring about.
    #[error("{0}: a shell cannot bring that about")]
    Setup(&'static str),
    /// A time that a configuration of every release can hold is a whole second.
    #[error("the times of script {0} are no whole seconds")]
    Fraction(String),
    /// Two wakes that must be told apart are too close.
    #[error("wake {0} comes less than a second after what is stopped for before it")]
    TooClose(usize),
    /// The run did not come to it.
    #[error("the run does not come to wake {0}")]
    NotMet(usize),
}

/// The script. `met` is how the run with this history met the trace's wakes; `look_for` what shows that it worked.
///
/// # Errors
/// Why there is none.
pub fn recipe(
    trace: &Trace,
    met: &[Option<Met>],
    history: &[Record],
    look_for: &str,
) -> Result<String, NoRecipe> {
    check(trace)?;
    let names = Names::new(trace);
    let mut text = String::from(HEAD);
    for (number, config) in trace.setup().configs.iter().enumerate() {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "cat > \"$dir/config.{number}\" <<END");
        text.push_str("global_defs {\n    script_user root\n    dynamic_interfaces\n}\n");
        for script in &config.scripts {
            text.push_str(&vrrp_script(script));
        }
        let tracked = config.scripts.iter().map(|script| format!("        {}\n", script.name));
        let tracked: String = tracked.collect();
        let _ = write!(
            text,
            "vrrp_instance treefall {{\n    state BACKUP\n    interface treefall0\n    virtual_router_id 1\n    \
             priority 100\n    track_script {{\n{tracked}    }}\n}}\nEND\n"
        );
    }
    text.push_str(START);
    let times = times(trace, history);
    let mut free_from = 0;
    for (place, wake) in trace.wakes().iter().enumerate() {
        let met = met.get(place).copied().flatten();
        let _ = writeln!(text, "\n# {}", in_words(place, wake, met.as_ref(), times[place], &names));
        let Some(met) = met else {
            if wake.external_events() > 0 {
                return Err(NoRecipe::NotMet(place + 1));
            }
            // Time alone: the end waits long enough.
            continue;
        };
        let at = met.woke_at.as_micros() / 1_000;
        free_from = play(&mut text, place, wake, met.timer, at, free_from, &names)?;
    }
    let end = free_from + WAIT_MS;
    let _ = write!(text, "\nat {}\n{}", seconds(end), END.replace("LOOK_FOR", look_for));
    Ok(text)
}

const HEAD: &str = r#"#!/bin/sh
# As root, best in a network namespace of its own: unshare -n sh recipe.sh
set -eu
keepalived=${KEEPALIVED:-/usr/sbin/keepalived}
dir=$(mktemp -d)

# A check that runs until it is told to end, by a file or a signal.
cat > "$dir/check.sh" <<'END'
#!/bin/sh
dir=$(dirname "$0") name=$1
[ "$2" = ignores ] && trap '' TERM
echo $$ >> "$dir/$name.started"
while [ ! -e "$dir/$name.end" ]; do sleep 0.05; done
rm -f "$dir/$name.end"
exit "$(cat "$dir/$name.status" 2>/dev/null || echo 0)"
END
chmod 755 "$dir" "$dir/check.sh"

"#;

const START: &str = r#"
cp "$dir/config.0" "$dir/keepalived.conf"
"$keepalived" --vrrp -n -D --log-console -f "$dir/keepalived.conf" -p "$dir/pid" -r "$dir/vrrp.pid" > "$dir/log" 2>&1 &
main=$!
until ls "$dir"/*.started > /dev/null 2>&1; do sleep 0.01; done
zero=$(date +%s%N)
vrrp=$(cat "$dir/vrrp.pid")

# Waits until so many seconds after the scripts started.
at() {
    left=$(( zero + $(echo "$1" | sed 's/\.//')000000 - $(date +%s%N) ))
    [ "$left" -le 0 ] || sleep "$(( left / 1000000000 )).$(printf %09d $(( left % 1000000000 )))"
}
"#;

const END: &str = r#"
# What to look for: LOOK_FOR
grep -i -E 'segmentation|exited|signal|terminate|lost|Respawn' "$dir/log" || echo "nothing of it in $dir/log"
echo "checks that are still alive (pid, age in seconds):"
for pid in $(cat "$dir"/*.started); do ps -o pid=,etimes= -p "$pid" || true; done
kill -TERM "$main" 2>/dev/null || true
sleep 1.5
kill -KILL "$main" "$(cat "$dir/vrrp.pid" 2>/dev/null || echo "$main")" 2>/dev/null || true
for pid in $(cat "$dir"/*.started); do kill -KILL -"$pid" 2>/dev/null || true; done
"#;

fn check(trace: &Trace) -> Result<(), NoRecipe> {
    let setup = trace.setup();
    if trace.wakes().len() > WAKES_MAX {
        return Err(NoRecipe::TooLong);
    }
    if !setup.fork_failures.is_empty() {
        return Err(NoRecipe::Setup("a fork that fails"));
    }
    if setup.costs != Costs::default() {
        return Err(NoRecipe::Setup("time that passes inside an iteration"));
    }
    if setup.heap != HeapPolicy::default() {
        return Err(NoRecipe::Setup("another order in which freed blocks come back"));
    }
    if !setup.links.is_empty() {
        return Err(NoRecipe::Setup("changes of a network interface"));
    }
    for script in setup.configs.iter().flat_map(|config| &config.scripts) {
        if script.kind != ScriptKind::Track {
            return Err(NoRecipe::Setup("a script that is no track script"));
        }
        if script.habit.kill_linger != Span::ZERO
            || matches!(script.habit.on_term, OnTerm::Dies(after) if !after.is_zero())
        {
            return Err(NoRecipe::Setup("a child that dies some time after its signal"));
        }
        let whole = |span: Span| span.as_micros().is_multiple_of(1_000_000);
        if !whole(script.interval) || !whole(script.timeout) {
            return Err(NoRecipe::Fraction(script.name.to_string()));
        }
    }
    Ok(())
}

fn vrrp_script(script: &Script) -> String {
    let Script { name, interval, timeout, rise, fall, habit, .. } = script;
    let habit = if habit.on_term == OnTerm::Ignores { "ignores" } else { "dies" };
    let seconds = |span: &Span| span.as_micros() / 1_000_000;
    format!(
        "vrrp_script {name} {{\n    script \"$dir/check.sh {name} {habit}\"\n    interval {}\n    timeout {}\n    \
         rise {rise}\n    fall {fall}\n}}\n",
        seconds(interval),
        seconds(timeout)
    )
}

fn seconds(ms: u64) -> String {
    format!("{}.{:03}", ms / 1_000, ms % 1_000)
}

/// Plays one wake that comes at `at`, in milliseconds; from when on something else may be done.
fn play(
    text: &mut String,
    place: usize,
    wake: &Wake,
    timer: bool,
    at: u64,
    free_from: u64,
    names: &Names<'_>,
) -> Result<u64, NoRecipe> {
    let mut put = |line: &str| {
        let _ = writeln!(text, "{line}");
    };
    let mut acts = Vec::new();
    for exit in &wake.exits {
        let Some(name) = names.bare_script(exit.run.of) else { continue };
        match exit.status {
            ExitStatus::Code(code) => {
                acts.push(format!("echo {code} > \"$dir/{name}.status\"; touch \"$dir/{name}.end\""));
            }
            ExitStatus::Signal(_) => return Err(NoRecipe::Setup("a child that a signal of others kills")),
        }
    }
    if !wake.exits.is_empty() {
        acts.push("sleep 0.2 # until it has ended".to_owned());
    }
    if let Some(config) = wake.hup {
        acts.push(format!("cp \"$dir/config.{}\" \"$dir/keepalived.conf\"", config.0));
        acts.push("kill -HUP \"$vrrp\"".to_owned());
    }
    if wake.term {
        acts.push("kill -TERM \"$vrrp\"".to_owned());
    }
    if acts.is_empty() {
        put(&format!("at {}", seconds(at)));
        return Ok(free_from.max(at));
    }
    let alone = !timer && wake.external_events() == 1;
    let (stop, act, go) = match (alone, timer, wake.order) {
        (true, ..) => (None, at, None),
        (_, true, Order::TimerFirst) => {
            (Some(at.saturating_sub(APART_MS)), at + APART_MS, Some(at + APART_MS))
        }
        (_, true, Order::SignalsFirst) => {
            (Some(at.saturating_sub(2 * APART_MS)), at.saturating_sub(APART_MS), Some(at + APART_MS))
        }
        (_, false, _) => (Some(at), at, Some(at)),
    };
    if stop.unwrap_or(act) < free_from {
        return Err(NoRecipe::TooClose(place + 1));
    }
    if let Some(stop) = stop {
        put(&format!("at {}\nkill -STOP \"$vrrp\"", seconds(stop)));
    }
    put(&format!("at {}", seconds(act)));
    acts.iter().for_each(|act| put(act));
    if let Some(go) = go {
        put(&format!("at {}\nkill -CONT \"$vrrp\"", seconds(go)));
    }
    Ok(go.unwrap_or(act) + APART_MS / 4)
}
