//! Medians and quartiles.

/// The quartiles of some numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Quartiles {
    pub(crate) lower: f64,
    pub(crate) median: f64,
    pub(crate) upper: f64,
}

/// Returns the quartiles, which are between two numbers where they have to be; `None` of no numbers.
pub(crate) fn quartiles(numbers: impl IntoIterator<Item = f64>) -> Option<Quartiles> {
    let mut numbers: Vec<f64> = numbers.into_iter().collect();
    numbers.sort_unstable_by(f64::total_cmp);
    let last = numbers.len().checked_sub(1)?;
    let at = |quarters: usize| {
        let (position, fraction) = (last * quarters / 4, (last * quarters % 4) as f64 / 4.0);
        let (below, above) = (numbers[position], numbers[(position + 1).min(last)]);
        below + (above - below) * fraction
    };
    Some(Quartiles { lower: at(1), median: at(2), upper: at(3) })
}

/// Returns the median; `None` of no numbers.
pub(crate) fn median(numbers: impl IntoIterator<Item = f64>) -> Option<f64> {
    quartiles(numbers).map(|quartiles| quartiles.median)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_are_interpolated() {
        let expected = Quartiles { lower: 2.0, median: 3.0, upper: 4.0 };
        assert_eq!(quartiles([5.0, 1.0, 3.0, 2.0, 4.0]), Some(expected));
        assert_eq!(median([1.0, 2.0]), Some(1.5));
        assert_eq!(median([]), None);
    }
}
