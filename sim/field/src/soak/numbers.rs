//! Computes figures from lives: means, medians, hazards and probabilities, each with its 95 % confidence interval.
//!
//! Time to failure is estimated in two ways that share no assumption. The lives themselves give mean (Student) and
//! median (order statistics, exact for any distribution). Failures per reload give the hazard of one reload (exact
//! for counts), from which mean and median follow *if* the hazard is the same at every age. [`Figures::agree`] tests
//! this condition. Probabilities use the hazard where the two agree, and only the lives elsewhere.

use statrs::distribution::{Beta, Binomial, ChiSquared, ContinuousCDF as _, DiscreteCDF as _, StudentsT};
use treefall_model::time::{MICROS_PER_SECOND, Span};

use super::Life;

/// Least number of failures that gives mean and median an interval.
pub const FAILURES_MIN: usize = 30;

/// Probability beyond each end of a 95 % interval.
const BEYOND: f64 = 0.025;
/// Probability beyond each end of the test for a constant hazard: one false alarm in a hundred.
const BEYOND_AGE: f64 = 0.005;

/// A figure with its 95 % confidence interval. Times are in seconds; an end may be infinite.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Estimate {
    /// The figure.
    pub value: f64,
    /// The interval's lower end.
    pub low: f64,
    /// The interval's upper end.
    pub high: f64,
}

impl Estimate {
    fn times(self, factor: f64) -> Self {
        Self { value: self.value * factor, low: self.low * factor, high: self.high * factor }
    }

    /// Divides a factor by it: converts a rate to a time.
    fn under(self, factor: f64) -> Self {
        Self { value: factor / self.value, low: factor / self.high, high: factor / self.low }
    }

    fn meets(self, other: Self) -> bool {
        self.low <= other.high && other.low <= self.high
    }
}

/// The probability of a failure within a span of time.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Within {
    /// The span.
    pub span: Span,
    /// By the hazard, if it is the same at every age.
    pub by_hazard: Option<Estimate>,
    /// By the lives, if all were observed for so long.
    pub seen: Option<Estimate>,
}

/// The figures of all lives.
#[derive(Clone, PartialEq, Debug)]
pub struct Figures {
    /// Number of lives.
    pub lives: usize,
    /// Number of lives that failed.
    pub failures: usize,
    /// Virtual time of all lives, in seconds.
    pub followed: f64,
    /// Reloads of all lives.
    pub reloads: u64,
    /// Mean time to failure, if all lives failed and there are enough.
    pub mean: Option<Estimate>,
    /// Median time to failure, if enough lives failed.
    pub median: Option<Estimate>,
    /// Failures per second.
    pub rate: Estimate,
    /// Failures per reload; `None` without reloads.
    pub hazard: Option<Estimate>,
    /// Mean time to failure, by the rate.
    pub mean_by_hazard: Estimate,
    /// Median time to failure, by the rate.
    pub median_by_hazard: Estimate,
    /// Whether the lives and the hazard agree: the intervals of means and of medians overlap, and the younger half of
    /// all observed time has a plausible number of failures. `None` with too few failures.
    pub agree: Option<bool>,
    /// Probabilities for a day, a week and a year.
    pub within: [Within; 3],
}

/// The spans of [`Figures::within`], in days.
const DAYS: [u64; 3] = [1, 7, 365];
const DAY_SECONDS: u64 = 86_400;

/// Computes the figures of these lives, each observed for at most `span`.
#[must_use]
pub fn figures(lives: &[Life], span: Span) -> Figures {
    let failures = lives.iter().filter(|life| life.failure.is_some()).count();
    let followed: f64 = lives.iter().map(|life| seconds(life.lasted)).sum();
    let reloads = lives.iter().map(|life| life.reloads).sum();
    let counts = counted(failures);
    let rate = counts.times(1.0 / followed);
    let (mean_by_hazard, median_by_hazard) = (rate.under(1.0), rate.under(std::f64::consts::LN_2));
    let (mean, median) = (mean(lives), median(lives));
    let agree = median.map(|median| {
        let means = mean.is_none_or(|mean| mean.meets(mean_by_hazard));
        means && median.meets(median_by_hazard) && age_does_not_matter(lives)
    });
    let within = DAYS.map(|days| {
        let within = Span::from_secs(days * DAY_SECONDS);
        let by_hazard = (agree != Some(false)).then(|| probability(rate, seconds(within)));
        let followed = |life: &Life| life.failure.is_some() || life.lasted >= within;
        let seen = within <= span && lives.iter().all(followed);
        Within { span: within, by_hazard, seen: seen.then(|| seen_within(lives, within)) }
    });
    Figures {
        lives: lives.len(),
        failures,
        followed,
        reloads,
        mean,
        median,
        rate,
        hazard: (reloads > 0).then(|| counts.times(1.0 / float(reloads))),
        mean_by_hazard,
        median_by_hazard,
        agree,
        within,
    }
}

/// Counts are far below 2^53.
fn float(count: u64) -> f64 {
    count as f64
}

/// Converts a span to seconds.
pub fn seconds(span: Span) -> f64 {
    float(span.as_micros()) / float(MICROS_PER_SECOND)
}

/// Formats seconds as a readable duration.
#[must_use]
pub fn in_words(seconds: f64) -> String {
    let units = [(365.0 * 86_400.0, "years"), (86_400.0, "days"), (3_600.0, "h"), (60.0, "min")];
    if seconds.is_infinite() {
        return "for ever".to_owned();
    }
    let unit = units.into_iter().find(|(length, _)| seconds >= 2.0 * length);
    let (length, name) = unit.unwrap_or((1.0, "s"));
    format!("{:.*} {name}", usize::from(seconds / length < 100.0), seconds / length)
}

/// Returns a count of random events, with the interval of its expectation.
fn counted(count: usize) -> Estimate {
    let count = float(count as u64);
    let quantile = |freedom: f64, part| ChiSquared::new(freedom).map_or(f64::NAN, |d| d.inverse_cdf(part));
    let low = if count > 0.0 { quantile(2.0 * count, BEYOND) / 2.0 } else { 0.0 };
    Estimate { value: count, low, high: quantile(2.0 * count + 2.0, 1.0 - BEYOND) / 2.0 }
}

fn mean(lives: &[Life]) -> Option<Estimate> {
    if lives.len() < FAILURES_MIN || lives.iter().any(|life| life.failure.is_none()) {
        return None;
    }
    let count = float(lives.len() as u64);
    let value = lives.iter().map(|life| seconds(life.lasted)).sum::<f64>() / count;
    let squares: f64 = lives.iter().map(|life| (seconds(life.lasted) - value).powi(2)).sum();
    let error = (squares / (count - 1.0) / count).sqrt();
    let student = StudentsT::new(0.0, 1.0, count - 1.0).ok()?;
    let reach = student.inverse_cdf(1.0 - BEYOND) * error;
    Some(Estimate { value, low: (value - reach).max(0.0), high: value + reach })
}

/// Returns the ages at failure, in order; survivors come last, without an age.
fn ages(lives: &[Life]) -> Vec<f64> {
    let age = |life: &Life| if life.failure.is_some() { seconds(life.lasted) } else { f64::INFINITY };
    let mut ages: Vec<f64> = lives.iter().map(age).collect();
    ages.sort_by(f64::total_cmp);
    ages
}

/// Returns the median age at failure. The true median lies outside the interval in at most 5 % of cases.
fn median(lives: &[Life]) -> Option<Estimate> {
    let ages = ages(lives);
    let failures = ages.iter().filter(|age| age.is_finite()).count();
    if failures < FAILURES_MIN || 2 * failures <= ages.len() {
        return None;
    }
    let below = Binomial::new(0.5, ages.len() as u64).ok()?;
    // Least number of ages below the true median.
    let least = (0..ages.len()).take_while(|n| below.cdf(*n as u64) <= BEYOND).count();
    let middle = ages.len() / 2;
    let value =
        if ages.len() % 2 == 1 { ages[middle] } else { f64::midpoint(ages[middle - 1], ages[middle]) };
    let low = least.checked_sub(1).map_or(0.0, |place| ages[place]);
    Some(Estimate { value, low, high: ages[ages.len() - least.max(1)] })
}

/// Returns whether the younger half of all observed time has a plausible number of failures.
fn age_does_not_matter(lives: &[Life]) -> bool {
    let followed: f64 = lives.iter().map(|life| seconds(life.lasted)).sum();
    let younger = |age: f64| lives.iter().map(|life| seconds(life.lasted).min(age)).sum::<f64>();
    let (mut low, mut high) = (0.0, lives.iter().map(|life| seconds(life.lasted)).fold(0.0, f64::max));
    // Bisects to a microsecond of an age of years.
    for _ in 0..64 {
        let middle = f64::midpoint(low, high);
        if younger(middle) < followed / 2.0 {
            low = middle;
        } else {
            high = middle;
        }
    }
    let failed = || lives.iter().filter(|life| life.failure.is_some());
    let young = failed().filter(|life| seconds(life.lasted) <= high).count() as u64;
    let Ok(chance) = Binomial::new(0.5, failed().count() as u64) else { return true };
    let few = chance.cdf(young);
    let many = 1.0 - young.checked_sub(1).map_or(0.0, |fewer| chance.cdf(fewer));
    few > BEYOND_AGE && many > BEYOND_AGE
}

fn probability(rate: Estimate, within: f64) -> Estimate {
    let of = |rate: f64| -(-rate * within).exp_m1();
    Estimate { value: of(rate.value), low: of(rate.low), high: of(rate.high) }
}

/// Returns the share of lives that failed within a span for which each was observed.
fn seen_within(lives: &[Life], within: Span) -> Estimate {
    let failed = lives.iter().filter(|life| life.failure.is_some() && life.lasted <= within).count();
    let (count, failed) = (float(lives.len() as u64), float(failed as u64));
    let quantile = |a: f64, b: f64, part| Beta::new(a, b).map_or(f64::NAN, |beta| beta.inverse_cdf(part));
    let low = if failed > 0.0 { quantile(failed, count - failed + 1.0, BEYOND) } else { 0.0 };
    let high = if failed < count { quantile(failed + 1.0, count - failed, 1.0 - BEYOND) } else { 1.0 };
    Estimate { value: failed / count, low, high }
}

#[cfg(test)]
mod tests {
    use treefall_model::verdict::Outcome;

    use super::*;
    use crate::soak::Failure;
    use treefall_search::generator::draw::Draw;

    fn life(seconds: f64, fails: bool) -> Life {
        let failure = fails.then_some(Failure { signature: None, outcome: Outcome::Survived, trace: None });
        let lasted = Span::from_micros((seconds * 1e6) as u64);
        Life { lasted, reloads: seconds as u64 + 1, events: 0, failure }
    }

    /// Lives whose failures come at a rate that age does not change, a thousand seconds in the mean.
    fn memoryless(count: usize, seed: u64) -> Vec<Life> {
        let mut draw = Draw::of_soak(seed, 0, 0);
        let mut one = || (draw.below(1 << 52) + 1) as f64 / (1_u64 << 52) as f64;
        (0..count).map(|_| life(-1_000.0 * one().ln(), true)).collect()
    }

    const SPAN: Span = Span::from_secs(1_000_000);

    fn is_about(value: f64, expected: f64) {
        assert!((value - expected).abs() < 0.001 * expected.abs(), "{value}, not {expected}");
    }

    #[test]
    fn a_count_has_the_interval_that_tables_give() {
        for (count, low, high) in [(0, 0.0, 3.6889), (1, 0.02532, 5.5716), (30, 20.241, 42.827)] {
            let counted = counted(count);
            is_about(counted.high, high);
            assert!((counted.low - low).abs() < 0.001, "{count}: {}", counted.low);
        }
    }

    #[test]
    fn the_median_s_interval_lies_between_the_ages_that_tables_give() {
        // Of 100 ages: the 40th and the 61st.
        let lives: Vec<Life> = (1..=100).map(|age| life(f64::from(age), true)).collect();
        let median = median(&lives).expect("enough");
        assert_eq!((median.value, median.low, median.high), (50.5, 40.0, 61.0));
    }

    #[test]
    fn with_too_few_failures_there_is_no_mean_or_median_and_the_hazard_has_its_interval_all_the_same() {
        let figures = figures(&[life(5_000.0, false), life(5_000.0, false)], SPAN);
        assert_eq!((figures.mean, figures.median, figures.agree), (None, None, None));
        let hazard = figures.hazard.expect("there were reloads");
        assert_eq!((hazard.value, hazard.low), (0.0, 0.0));
        is_about(hazard.high, 3.6889 / 10_002.0);
        assert!(figures.mean_by_hazard.value.is_infinite());
        is_about(figures.mean_by_hazard.low, 10_000.0 / 3.6889);
    }

    #[test]
    fn where_age_does_not_matter_lives_and_hazard_agree_and_cover_the_truth() {
        let (mut covered, mut agreed) = (0, 0);
        for seed in 0..200 {
            let figures = figures(&memoryless(40, seed), SPAN);
            let mean = figures.mean_by_hazard;
            covered += u32::from(mean.low <= 1_000.0 && 1_000.0 <= mean.high);
            agreed += u32::from(figures.agree == Some(true));
        }
        assert!((180..=199).contains(&covered), "{covered} of 200 intervals of 95 % cover the truth");
        assert!(agreed >= 192, "{agreed} of 200 agree");
    }

    #[test]
    fn where_all_fail_at_one_age_they_do_not_agree_and_nothing_is_told_beyond_what_was_seen() {
        let lives: Vec<Life> = (0..30).map(|n| life(1_000.0 + f64::from(n), true)).collect();
        let figures = figures(&lives, Span::from_secs(2 * DAY_SECONDS));
        assert_eq!(figures.agree, Some(false));
        assert!(figures.within.iter().all(|within| within.by_hazard.is_none()));
        let seen = figures.within[0].seen.expect("a day was followed");
        assert_eq!((seen.value, seen.high), (1.0, 1.0));
        assert_eq!(figures.within[1].seen, None);
    }

    #[test]
    fn a_probability_follows_from_the_hazard() {
        let figures = figures(&memoryless(1_000, 1), SPAN);
        let day = figures.within[0].by_hazard.expect("they agree");
        assert!(day.value > 0.999_999);
        let short = probability(figures.rate, 1_000.0);
        assert!((short.value - 0.632).abs() < 0.03, "{}", short.value);
        assert!(short.low < 0.632 && 0.632 < short.high);
    }
}
