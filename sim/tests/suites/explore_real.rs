//! Tests exhaustive search beside a real program: it lists the program's violations, and detects a wrong replica.

use std::collections::BTreeSet;

use libtest_mimic::{Failed, Trial};
use treefall::explore::{Bound, Explorer, Space, Standing};
use treefall::model::release::{Release, Rules};
use treefall::model::verdict::Signature;
use treefall::subject::target::{Place, Target};
use treefall::subject::{Subject, build};

/// All traces of one script of two kinds, and three wakes.
const BOUND: Bound = Bound { scripts: 1, kinds: 2, wakes: 3, living: 6 };
/// More than the states of so small a search need.
const MEMORY: u64 = 64 << 20;

pub(crate) fn trials() -> Vec<Trial> {
    crate::real::trials(
        module_path!(),
        &[
            ("it violates the laws that its replica violates", breaks_the_same),
            ("a replica with other rules is detected", another_is_noticed),
            ("the result does not depend on the number of jobs", jobs),
        ],
        Target::Engine,
    )
}

/// Result of a search: its end, the signatures with their wakes, and the numbers of played and of different traces.
type SearchResult = (Standing, BTreeSet<(Signature, usize)>, u64, u64);

fn search(rules: Rules, workers: Vec<Box<dyn Subject>>, jobs: usize) -> Result<SearchResult, Failed> {
    let space = Space::new(rules, BOUND)?;
    let mut explorer = Explorer::new(&space, jobs, MEMORY);
    if !workers.is_empty() {
        explorer = explorer.beside(workers);
    }
    let standing = explorer.run()?;
    let progress = explorer.progress();
    let found = explorer.found().into_iter().map(|found| (found.signature, found.wakes)).collect();
    Ok((standing, found, progress.replays, progress.different))
}

fn workers(place: &Place, jobs: usize) -> Result<Vec<Box<dyn Subject>>, Failed> {
    let one = |_| build(&Target::Engine(place.clone())).map_err(Failed::from);
    (0..jobs).map(one).collect()
}

fn breaks_the_same(place: &Place, release: Release) -> Result<(), Failed> {
    let (standing, found, replays, different) = search(Rules::of(release), workers(place, 1)?, 1)?;
    let (_, by_replica, ..) = search(Rules::of(release), Vec::new(), 1)?;
    if standing != Standing::Bounded || different > 0 || replays < 500 {
        return Err(format!("{standing:?}, {different} of {replays} differ").into());
    }
    // Every release has some.
    if found.is_empty() || found != by_replica {
        return Err(format!("{found:?}, and the replica {by_replica:?}").into());
    }
    Ok(())
}

fn another_is_noticed(place: &Place, _: Release) -> Result<(), Failed> {
    match search(Rules::mended(), workers(place, 1)?, 1)? {
        (.., replays, 0) => {
            Err(format!("none of {replays} traces differs from the replica without defects").into())
        }
        _ => Ok(()),
    }
}

fn jobs(place: &Place, release: Release) -> Result<(), Failed> {
    let (one, two) = (
        search(Rules::of(release), workers(place, 1)?, 1)?,
        search(Rules::of(release), workers(place, 2)?, 2)?,
    );
    if one == two { Ok(()) } else { Err(format!("{one:?} by one, {two:?} by two").into()) }
}
