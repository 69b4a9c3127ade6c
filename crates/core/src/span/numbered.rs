//! A table of things by their number.

use std::sync::OnceLock;

/// The bits of a number. A table has as many blocks, and room for the numbers up to 4094.
pub(crate) const BITS: u32 = 12;

/// Things by their number, found without a lock, as every message looks one up. Each block is twice
/// the size of the one before, and is allocated when it is needed.
#[derive(Debug)]
pub(crate) struct Numbered<T>([OnceLock<Box<[OnceLock<T>]>>; BITS as usize]);

impl<T> Default for Numbered<T> {
    fn default() -> Self {
        Self([const { OnceLock::new() }; BITS as usize])
    }
}

impl<T> Numbered<T> {
    /// Returns the place of this number; `None` past the limit.
    pub(crate) fn place(&self, number: u32) -> Option<&OnceLock<T>> {
        let number = number.checked_add(1)?;
        let block = number.ilog2();
        let size = 1 << block;
        let places = self.0.get(block as usize)?;
        let places = places.get_or_init(|| (0..size).map(|_| OnceLock::new()).collect());
        places.get((number - size) as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_has_its_place_up_to_the_limit() {
        let table = Numbered::<()>::default();
        let places: Vec<_> = (0..4095).map(|id| table.place(id).unwrap()).collect();
        for (id, place) in (0..).zip(&places) {
            assert!(std::ptr::eq(*place, table.place(id).unwrap()));
            assert!(places[..id as usize].last().is_none_or(|last| !std::ptr::eq(*last, *place)));
        }
        assert!(table.place(4095).is_none());
        assert!(table.place(u32::MAX).is_none());
    }
}
