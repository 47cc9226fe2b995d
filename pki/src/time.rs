//! Wall-clock time as a value: validity of certificates is told in it, and the library never reads a clock.

use std::fmt;
use std::ops::Add;
use std::time::Duration;

/// Seconds since 1970-01-01T00:00:00Z without leap seconds. Shown as in RFC 3339.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WallTime(pub i64);

const DAY_S: i64 = 86_400;

impl WallTime {
    /// Whole days from `self` until `later`, negative when it is past.
    pub fn days_until(self, later: WallTime) -> i64 {
        later.0.saturating_sub(self.0).div_euclid(DAY_S)
    }
}

impl Add<Duration> for WallTime {
    type Output = WallTime;

    fn add(self, rhs: Duration) -> WallTime {
        WallTime(
            self.0
                .saturating_add(i64::try_from(rhs.as_secs()).unwrap_or(i64::MAX)),
        )
    }
}

impl fmt::Display for WallTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, second) = (self.0.div_euclid(DAY_S), self.0.rem_euclid(DAY_S));
        let (year, month, day) = date(days);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"
        )
    }
}

/// Year, month and day of a number of days since 1970-01-01, in the proleptic Gregorian calendar. Years are counted from 1 March,
/// so that the leap day is the last day of one.
fn date(days: i64) -> (i64, i64, i64) {
    /// Days of 400 years, and from 0000-03-01 to 1970-01-01.
    const ERA: i64 = 146_097;
    const EPOCH: i64 = 719_468;
    let days = days.saturating_add(EPOCH);
    let (era, in_era) = (days.div_euclid(ERA), days.rem_euclid(ERA));
    let year_of_era = (in_era - in_era / 1_460 + in_era / 36_524 - in_era / (ERA - 1)) / 365;
    let in_year = in_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // Five months from March on have 153 days.
    let from_march = (5 * in_year + 2) / 153;
    let day = in_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests;
