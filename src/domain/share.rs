//! Upper bounds of a share of the whole, proven by a random sample.

/// The confidence of every published bound, in percent.
pub const CONFIDENCE_PERCENT: u32 = 95;

/// The probability that a bound is wrong.
const ALPHA: f64 = 0.05;

/// Bisections of the interval; more do not change a double.
const STEPS: u32 = 100;

/// Upper bound, with 95% confidence, of the share of the whole that has a property, 0 to 1. `found`
/// of `drawn` random draws have it.
///
/// This is the one-sided bound of Clopper and Pearson: the largest share for which at most `found`
/// finds still have a probability of 5%. It is exact for draws with replacement and too large,
/// never too small, for draws without. For `found` = 0 it is close to 3 divided by `drawn`, the
/// rule of three.
pub fn share_below(drawn: u32, found: u32) -> f64 {
    if found >= drawn {
        return 1.0;
    }
    let (draws, finds) = (f64::from(drawn), f64::from(found));
    if found == 0 {
        return -(ALPHA.ln() / draws).exp_m1();
    }
    let choices = (1..=found).map(f64::from);
    let ln_choices: f64 = choices.map(|index| ((draws - finds + index) / index).ln()).sum();
    let (mut low, mut high) = (finds / draws, 1.0);
    for _ in 0..STEPS {
        let middle = f64::midpoint(low, high);
        if probability_of_at_most(draws, finds, ln_choices, middle) > ALPHA {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

/// The probability of at most `finds` finds. Sums from the largest term down until a term is
/// negligible.
fn probability_of_at_most(draws: f64, finds: f64, ln_choices: f64, share: f64) -> f64 {
    let ln_last = ln_choices + finds * share.ln() + (draws - finds) * (-share).ln_1p();
    let odds = (1.0 - share) / share;
    let (mut term, mut sum, mut index) = (1.0, 1.0, finds);
    while index > 0.0 && term > f64::EPSILON * sum {
        term *= index / (draws - index + 1.0) * odds;
        sum += term;
        index -= 1.0;
    }
    ln_last.exp() * sum
}

/// A share in percent with two significant digits. Rounded up, because rounding down would make the
/// bound wrong.
pub fn percent_at_most(share: f64) -> String {
    const PLACES_MAX: usize = 12;
    let percent = (share * 100.0).clamp(0.0, 100.0);
    let (mut places, mut scale) = (0, 1.0);
    while percent * scale < 10.0 && places < PLACES_MAX {
        (places, scale) = (places + 1, scale * 10.0);
    }
    // Keeps a double just above its decimal form from being rounded up to the next one.
    let percent = (percent * scale * (1.0 - 1e-12)).ceil() / scale;
    format!("{percent:.places$}%")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_is_that_of_clopper_and_pearson() {
        for (drawn, found, bound) in [
            (0, 0, 1.0),
            (1, 0, 0.95),
            (10, 0, 0.258_865_550_893),
            (100, 0, 0.029_513_049_607),
            (3_000, 0, 0.000_998_079_012),
            (200_000, 0, 0.000_014_978_549),
            (10, 1, 0.394_163_302_437),
            (100, 5, 0.102_253_377_643),
            (1_000, 10, 0.016_903_175_121),
            (200_000, 3, 0.000_038_767_822),
            (1_000, 999, 0.999_948_708_021),
            (20_000, 10_000, 0.505_840_163_736),
            (7, 7, 1.0),
            (7, 8, 1.0),
        ] {
            let difference = (share_below(drawn, found) - bound).abs();
            assert!(difference < 1e-9, "{drawn} {found}: {}", share_below(drawn, found));
        }
    }

    #[test]
    fn without_a_find_it_is_the_rule_of_three() {
        for drawn in [100, 1_000, 100_000] {
            let three = 3.0 / f64::from(drawn);
            assert!((share_below(drawn, 0) / three - 1.0).abs() < 0.02, "{drawn}");
        }
    }

    #[test]
    fn a_percentage_is_rounded_up_to_two_digits() {
        for (share, text) in [
            (1.0, "100%"),
            (0.2951, "30%"),
            (0.029_513, "3.0%"),
            (0.016_903, "1.7%"),
            (0.000_998_1, "0.100%"),
            (0.000_001_01, "0.00011%"),
            (0.05, "5.0%"),
        ] {
            assert_eq!(percent_at_most(share), text, "{share}");
        }
    }
}
