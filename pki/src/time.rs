//! Wall-clock time as a value: validity of certificates is told in it, and the library never reads a clock.

use std::fmt;
use std::ops::Add;
use std::time::Duration;

/// Seconds since 1970-01-01T00:00:00Z without leap seconds. Shown as in RFC 3339.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WallTime(pub i64);

const DAY_S: i64 = 86_400;

impl WallTime {
    /// Reads a GeneralizedTime as RFC 5280 has it: `YYYYMMDDHHMMSSZ`.
    pub(crate) fn from_generalized(octets: &[u8]) -> Option<WallTime> {
        let (digits, zone) = octets.split_at_checked(14)?;
        if zone != b"Z" || !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let number = |from: usize, to: usize| {
            let digits = digits.get(from..to)?.iter();
            Some(digits.fold(0, |n, digit| n * 10 + i64::from(digit - b'0')))
        };
        let (year, month, day) = (number(0, 4)?, number(4, 6)?, number(6, 8)?);
        let (hour, minute, second) = (number(8, 10)?, number(10, 12)?, number(12, 14)?);
        if hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let days = days(year, month, day);
        // A day that does not exist is another one when it is read back.
        let exists = (1..=12).contains(&month) && date(days) == (year, month, day);
        exists.then_some(WallTime(days * DAY_S + hour * 3600 + minute * 60 + second))
    }

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

/// Days of 400 years, and from 0000-03-01 to 1970-01-01.
const ERA: i64 = 146_097;
const EPOCH: i64 = 719_468;

/// The inverse of [`date`].
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, from_march) = match month {
        3.. => (year, month - 3),
        _ => (year - 1, month + 9),
    };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let in_year = (153 * from_march + 2) / 5 + day - 1;
    let in_era = 365 * year_of_era + year_of_era / 4 - year_of_era / 100 + in_year;
    era * ERA + in_era - EPOCH
}

/// Year, month and day of a number of days since 1970-01-01, in the proleptic Gregorian calendar. Years are counted from 1 March,
/// so that the leap day is the last day of one.
fn date(days: i64) -> (i64, i64, i64) {
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
