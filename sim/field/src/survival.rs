//! Renders the page of a soak: the share of lives that failed by each age, beside what the hazard predicts.
//!
//! Invariant: the drawing shows exactly the figures. Lives that did not fail count in the share, and the curve ends
//! with them.

use maud::{Markup, html};

use crate::soak::Life;
use crate::soak::numbers::{Figures, in_words, seconds};
use treefall_report::html::document;

/// Size of the drawing, in its own units.
const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 320.0;
/// Margins, wide enough for the labels on a phone.
const LEFT: f64 = 88.0;
const BOTTOM: f64 = 44.0;
const TOP: f64 = 14.0;
const RIGHT: f64 = 16.0;
/// Points of a curve that follows a formula.
const POINTS: u32 = 120;
/// Most steps of the measured curve: one per pixel.
const STEPS_MAX: usize = 1_000;

/// Renders the page: what was soaked, its lives and figures, and the results and assumptions as pairs of a name and a
/// text.
#[must_use]
pub fn survival(
    title: &str,
    lives: &[Life],
    figures: &Figures,
    lines: &[(String, String)],
    assumed: &[(String, String)],
) -> String {
    let facts = |lines: &[(String, String)]| {
        html! {
            dl class="facts" { @for (name, value) in lines { dt { (name) } dd { (value) } } }
        }
    };
    let mut failed: Vec<f64> =
        lives.iter().filter(|life| life.failure.is_some()).map(|life| seconds(life.lasted)).collect();
    failed.sort_by(f64::total_cmp);
    let longest = lives.iter().map(|life| seconds(life.lasted)).fold(0.0, f64::max);
    let body = html! {
        header {
            p class="quiet" { "treefall: a soak of " (title) }
            h1 { (claim(figures)) }
        }
        main {
            section id="curve" {
                h2 { "By when which share had failed" }
                (curve(&failed, lives.len(), longest, figures))
                p class="legend" {
                    span { span class="swatch lives" {} " the lives" }
                    span { span class="swatch hazard" {} " if the hazard is the same at every age, with its interval of 95 %" }
                }
            }
            section id="figures" {
                h2 { "Figures" }
                (facts(lines))
            }
            section id="assumed" {
                h2 { "What was assumed" }
                (facts(assumed))
            }
        }
    };
    document(&format!("treefall: soak of {title}"), &body, false)
}

fn claim(figures: &Figures) -> String {
    let lives = figures.lives;
    // If all lives failed, they have a mean of their own; the hazard assumes that age does not matter.
    match (figures.failures, figures.mean.unwrap_or(figures.mean_by_hazard)) {
        (0, mean) => {
            format!("None of {lives} lives failed: more than {} in the mean (95 %)", in_words(mean.low))
        }
        (failures, mean) => format!(
            "{failures} of {lives} lives failed: {} in the mean ({} to {})",
            in_words(mean.value),
            in_words(mean.low),
            in_words(mean.high)
        ),
    }
}

/// Maps an age and a share to a point of the drawing.
struct PlotArea {
    longest: f64,
}

impl PlotArea {
    fn x(&self, age: f64) -> f64 {
        LEFT + (WIDTH - LEFT - RIGHT) * (age / self.longest).clamp(0.0, 1.0)
    }

    fn y(&self, share: f64) -> f64 {
        TOP + (HEIGHT - TOP - BOTTOM) * (1.0 - share)
    }

    fn point(&self, age: f64, share: f64) -> String {
        format!("{:.1},{:.1}", self.x(age), self.y(share))
    }

    /// Returns the curve of a constant failure rate.
    fn by_rate(&self, rate: f64) -> Vec<String> {
        let age = |point| self.longest * f64::from(point) / f64::from(POINTS);
        (0..=POINTS).map(|point| self.point(age(point), 1.0 - (-rate * age(point)).exp())).collect()
    }
}

fn curve(failed: &[f64], lives: usize, longest: f64, figures: &Figures) -> Markup {
    let frame = PlotArea { longest: longest.max(f64::MIN_POSITIVE) };
    let share = |count: usize| count as f64 / lives.max(1) as f64;
    let every = failed.len().div_ceil(STEPS_MAX).max(1);
    let mut steps = vec![frame.point(0.0, 0.0)];
    let mut before = 0;
    for (place, age) in failed.iter().enumerate().skip(every - 1).step_by(every) {
        steps.push(frame.point(*age, share(before)));
        before = place + 1;
        steps.push(frame.point(*age, share(before)));
    }
    steps.push(frame.point(frame.longest, share(failed.len())));
    let mut band = frame.by_rate(figures.rate.low);
    band.extend(frame.by_rate(figures.rate.high).into_iter().rev());
    let told = format!(
        "{} of {lives} lives failed; by a hazard that is the same at every age, half of them within {}",
        failed.len(),
        in_words(figures.median_by_hazard.value)
    );
    html! {
        div class="scroll" {
            svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-label=(told) class="survival" {
                @for tenths in [0_u32, 25, 50, 75, 100] {
                    @let y = frame.y(f64::from(tenths) / 100.0);
                    line class="grid" x1=(LEFT) x2=(WIDTH - RIGHT) y1=(format!("{y:.1}")) y2=(format!("{y:.1}")) {}
                    text class="soft" x=(LEFT - 8.0) y=(format!("{y:.1}")) dy=".35em" text-anchor="end" { (tenths) " %" }
                }
                @for quarter in 0_u32..=4 {
                    @let age = frame.longest * f64::from(quarter) / 4.0;
                    @let anchor = match quarter { 0 => "start", 4 => "end", _ => "middle" };
                    // On a phone only every other label has room.
                    text class=(if quarter % 2 == 0 { "soft" } else { "soft seldom" }) x=(format!("{:.1}", frame.x(age))) y=(HEIGHT - 12.0) text-anchor=(anchor) { (in_words(age)) }
                }
                polygon class="band" points=(band.join(" ")) {}
                polyline class="hazard" points=(frame.by_rate(figures.rate.value).join(" ")) {}
                polyline class="lives" points=(steps.join(" ")) {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use treefall_model::time::Span;
    use treefall_model::verdict::Outcome;

    use super::*;
    use crate::soak::Failure;
    use crate::soak::numbers::figures;

    fn life(seconds: u64, fails: bool) -> Life {
        let failure = fails.then_some(Failure { signature: None, outcome: Outcome::Survived, trace: None });
        Life { failure, lasted: Span::from_secs(seconds), reloads: seconds, events: 0 }
    }

    #[test]
    fn the_curve_ends_at_the_share_that_failed_and_the_page_says_so() {
        let lives: Vec<Life> = (1..=40).map(|n| life(n * 10, n <= 30)).collect();
        let figures = figures(&lives, Span::from_secs(400));
        let assumed = [("machine".into(), "latency 30us & more".into())];
        let page =
            survival("replica:2.3.1", &lives, &figures, &[("lives".into(), "40 <b>".into())], &assumed);
        assert!(page.contains("30 of 40 lives failed"), "{page}");
        let quarter = PlotArea { longest: 400.0 }.point(400.0, 0.75);
        assert!(page.contains(&format!("{quarter}\"")), "the last point of the lives is {quarter}");
        assert!(page.contains("40 &lt;b&gt;") && page.contains("30us &amp; more"), "text is escaped");
    }

    #[test]
    fn lives_without_a_failure_make_a_page_too() {
        let lives = vec![life(100, false); 3];
        let page = survival("replica:mended", &lives, &figures(&lives, Span::from_secs(100)), &[], &[]);
        assert!(page.contains("None of 3 lives failed"), "{page}");
        assert!(!page.contains("NaN") && !page.contains("inf\""), "{page}");
    }
}
