//! Every order of the events of one instant, with its result.
//!
//! At a wake the timer may be due, signals may be pending and children may have exited. All may reach the loop in one
//! return of the blocking call, with the timer's descriptor before or after the signals', or in several returns. A due
//! timer is ready from the first return on: later events find it handled. An order is therefore the content and the
//! report of the first return, and the sequence of the rest. The table also tries the exit of each child whose timeout
//! is due.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Serialize;
use treefall_model::event::{Event, Record};
use treefall_model::id::{ConfigId, Run};
use treefall_model::index::Tree;
use treefall_model::signal::ExitStatus;
use treefall_model::time::{Deadline, Instant, Span};
use treefall_model::trace::{Advance, Exit, Order, Trace, Wake};

use super::probe::{Probe, Shown};
use super::run_log::RunLog;
use super::wakes::{self, Met};
use crate::Names;
use crate::section::{Content, Mark, Section, Table, Tone};
use treefall_search::error::SearchError;

/// Most tables, one for each instant with several events, those nearest to the violation first.
pub const TABLES_MAX: usize = 4;
/// Most rows of one table.
pub const ROWS_MAX: usize = 96;
/// Most events that are put into every order.
const ITEMS_MAX: usize = 4;
/// Most children whose exit is tried although the trace has none.
const TRIED_MAX: usize = 2;

/// One order.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub struct Row {
    /// The order: `the timer, SIGHUP in one wake, timer first`.
    pub order: String,
    /// Whether it is the trace's own order.
    pub as_it_is: bool,
    /// Whether it has an exit that the trace lacks.
    pub with_another_exit: bool,
    /// The result; `None`: the subject cannot play it, or the runs are used up.
    pub shown: Option<Shown>,
}

/// All orders of the events of one instant.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, JsonSchema)]
pub struct TieTable {
    /// The wake of the trace, from 1.
    pub wake: usize,
    /// The instant, in seconds.
    pub at: String,
    /// The events, as text.
    pub ties: String,
    /// The orders.
    pub rows: Vec<Row>,
    /// Number of orders beyond [`ROWS_MAX`].
    pub left_out: usize,
    /// Whether every order was tried; else there are too many events, and only the order of report was changed.
    pub whole: bool,
}

/// An event that can be reordered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Item {
    Hup(ConfigId),
    Term,
    Ends(Exit),
}

/// Returns the tables of the instants before the violation that have several events.
pub(super) fn tables(
    asker: &mut Probe<'_>,
    trace: &Trace,
    met: &[Option<Met>],
    broke_at_record: usize,
    run_log: Option<&RunLog>,
    names: &Names<'_>,
) -> Result<Vec<TieTable>, SearchError> {
    let mut tables = Vec::new();
    for (place, met) in met.iter().enumerate().rev() {
        let Some(met) = met.filter(|met| met.record <= broke_at_record) else { continue };
        let items = items(&trace.wakes()[place]);
        if items.len() + usize::from(met.timer) < 2 {
            continue;
        }
        if tables.len() >= TABLES_MAX {
            break;
        }
        let due = run_log.map_or_else(Vec::new, |it| due_children(it, met.woke_at));
        tables.push(table(asker, trace, place, met, &due, names)?);
    }
    Ok(tables)
}

/// The section of these tables; `None`: nothing tied.
pub(crate) fn section(tables: &[TieTable]) -> Option<Section<'static>> {
    let blocks: Vec<Content<'_>> = tables.iter().flat_map(TieTable::blocks).collect();
    (!blocks.is_empty()).then(|| Section::new("orders", "orders", "Every order of the same instant", blocks))
}

impl TieTable {
    fn blocks(&self) -> Vec<Content<'static>> {
        let mut table = Table::new(["order", "result"]);
        for row in &self.rows {
            let order = if row.as_it_is { format!("{} (this trace)", row.order) } else { row.order.clone() };
            let mark = if row.as_it_is { Mark::AsItIs } else { Mark::None };
            table.row([order.into(), Shown::cell(row.shown.as_ref())]).mark = mark;
        }
        let heading = format!("wake {}, at {} s: {}", self.wake, self.at, self.ties);
        let mut blocks = vec![Content::Heading(heading), Content::Table(table)];
        if self.left_out > 0 {
            blocks.push(Content::Sentence(
                Tone::Quiet,
                format!("{} more orders were not tried.", self.left_out),
            ));
        }
        if !self.whole {
            let why = "Too much happens at once to try every order: only the order of report was changed.";
            blocks.push(Content::Sentence(Tone::Quiet, why.to_owned()));
        }
        blocks
    }
}

fn items(wake: &Wake) -> Vec<Item> {
    let exits = wake.exits.iter().map(|exit| Item::Ends(*exit));
    let hup = wake.hup.map(Item::Hup);
    let term = wake.term.then_some(Item::Term);
    exits.chain(hup).chain(term).collect()
}

/// Returns the living children that are due at this instant, when the loop last blocks before it.
fn due_children(run_log: &RunLog, at: Instant) -> Vec<Run> {
    let stages = &run_log.stages;
    let woke = |record: &Record| matches!(record.event, Event::Woke { .. }) && record.at == at;
    let Some(woke) = run_log.records.iter().position(woke) else { return Vec::new() };
    let Some(stage) = stages.iter().rposition(|stage| stage.to <= woke) else { return Vec::new() };
    let Some(snapshot) = run_log.snapshot(stage) else { return Vec::new() };
    let child = snapshot.trees.iter().filter(|tree| tree.tree == Tree::Child);
    let due = child.flat_map(|tree| tree.nodes.iter()).filter(|(seat, _)| seat.due <= Deadline::At(at));
    let pids: BTreeSet<_> = due.filter_map(|(seat, _)| seat.pid).collect();
    let mut living = Vec::new();
    for record in &run_log.records[..woke] {
        match record.event {
            Event::Started { run, pid } if pids.contains(&pid) => living.push(run),
            Event::Exited { run, .. } => living.retain(|other| *other != run),
            _ => {}
        }
    }
    living
}

fn table(
    asker: &mut Probe<'_>,
    trace: &Trace,
    place: usize,
    met: Met,
    due: &[Run],
    names: &Names<'_>,
) -> Result<TieTable, SearchError> {
    let wake = &trace.wakes()[place];
    let own = items(wake);
    let ended = |run: &Run| wake.exits.iter().any(|exit| exit.run == *run);
    let tried = due.iter().filter(|run| !ended(run)).take(TRIED_MAX);
    let tried = tried.map(|run| Item::Ends(Exit { run: *run, status: ExitStatus::SUCCESS }));
    let sets = std::iter::once(own.clone()).chain(tried.map(|item| [own.as_slice(), &[item]].concat()));
    let (mut rows, mut left_out, mut whole) = (Vec::new(), 0, true);
    for (nth, items) in sets.enumerate() {
        let all = items.len() <= ITEMS_MAX;
        // More events have too many orders: only the order of report is changed.
        let orders = if all { orders(&items, met.timer) } else { reports(vec![items], met.timer) };
        whole &= all;
        for (blocks, order) in orders {
            let Some(changed) = reordered(trace, place, met, &blocks, order) else { continue };
            if rows.len() >= ROWS_MAX {
                left_out += 1;
                continue;
            }
            let as_it_is = nth == 0 && blocks.len() == 1 && (order.is_none() || order == Some(wake.order));
            let shown = asker.ask(&changed)?;
            let order = told(&blocks, order, met.timer, names);
            rows.push(Row { order, as_it_is, with_another_exit: nth > 0, shown });
        }
    }
    Ok(TieTable {
        wake: place + 1,
        at: met.woke_at.to_string(),
        ties: wakes::and(&wakes::brings(wake, met.timer, names)),
        rows,
        left_out,
        whole,
    })
}

/// Returns all orders of `items`, return by return, with both reports of the first. With a due timer the first return may
/// hold nothing else.
fn orders(items: &[Item], timer: bool) -> Vec<(Vec<Vec<Item>>, Option<Order>)> {
    let mut orders = Vec::new();
    for blocks in sequences(items, timer) {
        orders.extend(reports(blocks, timer));
    }
    orders
}

/// Returns the ways to report the first return.
fn reports(blocks: Vec<Vec<Item>>, timer: bool) -> Vec<(Vec<Vec<Item>>, Option<Order>)> {
    if timer && blocks.first().is_some_and(|first| !first.is_empty()) {
        [Order::TimerFirst, Order::SignalsFirst].map(|order| (blocks.clone(), Some(order))).to_vec()
    } else {
        vec![(blocks, None)]
    }
}

/// Returns all ways to spread `items` over returns, fewer returns first. `empty`: the first may be empty.
fn sequences(items: &[Item], empty: bool) -> Vec<Vec<Vec<Item>>> {
    if items.is_empty() {
        return if empty { vec![vec![Vec::new()]] } else { vec![Vec::new()] };
    }
    let mut all = Vec::new();
    for chosen in (0..1_u32 << items.len()).rev() {
        let (mut first, mut rest) = (Vec::new(), Vec::new());
        for (place, item) in items.iter().enumerate() {
            if chosen & 1 << place != 0 { first.push(*item) } else { rest.push(*item) }
        }
        if first.is_empty() && !empty {
            continue;
        }
        for mut tail in sequences(&rest, false) {
            tail.insert(0, first.clone());
            all.push(tail);
        }
    }
    all.sort_by_key(Vec::len);
    all
}

/// Returns the trace with the wake in this order.
fn reordered(
    trace: &Trace,
    place: usize,
    met: Met,
    blocks: &[Vec<Item>],
    order: Option<Order>,
) -> Option<Trace> {
    let (setup, mut wakes) = trace.clone().into_parts();
    let wake = wakes[place].clone();
    let brings = |advance: Advance, block: &[Item]| {
        block.iter().fold(Wake::new(advance), |wake, item| match item {
            Item::Hup(config) => wake.hup(*config),
            Item::Term => wake.term(),
            Item::Ends(exit) => wake.exit(exit.run, exit.status),
        })
    };
    let mut parts: Vec<Wake> = blocks.iter().map(|block| brings(Advance::By(Span::ZERO), block)).collect();
    let first = parts.first_mut()?;
    first.advance = wake.advance;
    first.order = order.unwrap_or(wake.order);
    // What happens to interfaces stays where it is.
    (first.events, first.rank) = (wake.events, wake.rank);
    // The instant stays what it was, also where nothing but the clock moved the loop there.
    if !met.timer
        && let Some(span) = wakes::since(met.woke_at, met.blocked_at)
    {
        first.advance = Advance::By(span);
    }
    wakes.splice(place..=place, parts);
    Trace::new(setup, wakes).ok()
}

fn told(blocks: &[Vec<Item>], order: Option<Order>, timer: bool, names: &Names<'_>) -> String {
    let name = |item: &Item| match item {
        Item::Hup(_) => "SIGHUP".to_owned(),
        Item::Term => "SIGTERM".to_owned(),
        Item::Ends(exit) => format!("the exit of {}", names.run(exit.run)),
    };
    let told = blocks.iter().enumerate().map(|(place, block)| {
        let timer = (timer && place == 0).then(|| "the timer".to_owned());
        let things: Vec<String> = timer.into_iter().chain(block.iter().map(name)).collect();
        match order {
            Some(order) if place == 0 => {
                format!("{} in one wake, {}", wakes::and(&things), wakes::order_words(order))
            }
            _ => wakes::and(&things),
        }
    });
    told.collect::<Vec<_>>().join("; then ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use treefall_model::trace::run;

    #[test]
    fn every_order_of_two_things_and_a_due_timer_is_there_once() {
        let items =
            [Item::Hup(ConfigId(0)), Item::Ends(Exit { run: run(0, 0, 1), status: ExitStatus::SUCCESS })];
        // Both with the timer, in two orders of report; one with it (2 ways, 2 reports); none with it (together, or
        // one after the other).
        assert_eq!(orders(&items, true).len(), 2 + 4 + 3);
        // Without a timer: together, or one after the other.
        assert_eq!(orders(&items, false).len(), 3);
        assert_eq!(orders(&items[..1], true).len(), 3);
    }
}
