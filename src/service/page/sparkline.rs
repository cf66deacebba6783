//! Small line charts of the last samples.

use chrono::{DateTime, TimeDelta, Utc};

use super::words;

/// Width and height of the drawing.
const SIZE: (f64, f64) = (240.0, 40.0);

/// Distance of the line from the upper and the lower edge.
const MARGIN: f64 = 2.0;

/// A line chart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sparkline {
    pub(super) title: &'static str,
    /// The last value.
    pub(super) last: String,
    /// The range of values and the time that they cover.
    pub(super) range: String,
    /// The line, as the points of an SVG polyline.
    pub(super) line: String,
    /// The area below the line, as the points of an SVG polygon.
    pub(super) area: String,
    /// The accessible text.
    pub(super) text: String,
}

/// A value at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Point {
    pub(super) at: DateTime<Utc>,
    pub(super) value: u64,
}

impl Sparkline {
    /// Draws points in the order of time; `None` for fewer than two, and for points at one time.
    pub(super) fn of(title: &'static str, points: &[Point]) -> Option<Self> {
        let (first, last) = (points.first()?, points.last()?);
        let length = last.at - first.at;
        if length <= TimeDelta::zero() {
            return None;
        }
        let max = points.iter().map(|point| point.value).max()?;
        let min = points.iter().map(|point| point.value).min()?;
        let (width, height) = SIZE;
        let drawn = points.iter().map(|point| {
            let x = share((point.at - first.at).num_milliseconds(), length.num_milliseconds());
            let y = share(signed(point.value), signed(max.max(1)));
            format!("{:.1},{:.1}", x * width, height - MARGIN - y * (height - 2.0 * MARGIN))
        });
        let line = drawn.collect::<Vec<_>>().join(" ");
        let time = words::largest_unit(length);
        let [low, high, now] = [min, max, last.value].map(words::number);
        Some(Self {
            title,
            range: format!("{low} to {high} in {time}"),
            area: format!("0,{height} {line} {width},{height}"),
            text: format!("{title} in the last {time}: from {low} to {high}, {now} at the end"),
            line,
            last: now,
        })
    }
}

/// A part of a whole, from 0 to 1.
fn share(part: i64, whole: i64) -> f64 {
    // Thousandths are finer than the drawing.
    let thousandths = i128::from(part) * 1000 / i128::from(whole.max(1));
    f64::from(i32::try_from(thousandths.clamp(0, 1000)).unwrap_or_default()) / 1000.0
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(values: &[u64]) -> Vec<Point> {
        let point = |(minute, value): (i64, &u64)| Point {
            at: DateTime::UNIX_EPOCH + TimeDelta::minutes(minute),
            value: *value,
        };
        (0..).zip(values).map(point).collect()
    }

    #[test]
    fn the_line_fills_the_width_and_the_highest_value_the_height() {
        let chart = Sparkline::of("Calls a minute", &points(&[0, 1500, 750])).unwrap();
        assert_eq!(chart.line, "0.0,38.0 120.0,2.0 240.0,20.0");
        assert_eq!(chart.area, "0,40 0.0,38.0 120.0,2.0 240.0,20.0 240,40");
        assert_eq!(chart.last, "750");
        assert_eq!(chart.range, "0 to 1,500 in 2 min");
        assert_eq!(chart.text, "Calls a minute in the last 2 min: from 0 to 1,500, 750 at the end");
    }

    #[test]
    fn odd_points_give_no_line_or_a_flat_one() {
        assert_eq!(Sparkline::of("none", &[]), None);
        assert_eq!(Sparkline::of("one", &points(&[1])), None);
        let flat = Sparkline::of("zeros", &points(&[0, 0])).unwrap();
        assert_eq!(flat.line, "0.0,38.0 240.0,38.0");
        let large = Sparkline::of("large", &points(&[u64::MAX, u64::MAX])).unwrap();
        assert_eq!(large.line, "0.0,2.0 240.0,2.0");
    }
}
