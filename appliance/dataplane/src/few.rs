//! A list that has one entry as a rule, which then lies in place: of many thousand lists each piece of memory counts.

/// The list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Few<T> {
    /// No entry.
    #[default]
    None,
    /// One entry.
    One(T),
    /// Several.
    #[expect(
        clippy::box_collection,
        reason = "one pointer is as small as one entry"
    )]
    Many(Box<Vec<T>>),
}

impl<T> Few<T> {
    pub(crate) fn as_slice(&self) -> &[T] {
        match self {
            Few::None => &[],
            Few::One(one) => std::slice::from_ref(one),
            Few::Many(many) => many,
        }
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [T] {
        match self {
            Few::None => &mut [],
            Few::One(one) => std::slice::from_mut(one),
            Few::Many(many) => many,
        }
    }

    /// Adds an entry at the end.
    pub(crate) fn push(&mut self, entry: T) {
        *self = match std::mem::take(self) {
            Few::None => Few::One(entry),
            Few::One(one) => Few::Many(Box::new(vec![one, entry])),
            Few::Many(mut many) => {
                many.push(entry);
                Few::Many(many)
            }
        };
    }

    /// Keeps those that `keep` wants.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&T) -> bool) {
        *self = match std::mem::take(self) {
            Few::One(one) if keep(&one) => Few::One(one),
            Few::None | Few::One(_) => Few::None,
            Few::Many(mut many) => {
                many.retain(keep);
                match (many.len(), many.pop()) {
                    (1, Some(one)) => Few::One(one),
                    (_, Some(last)) => {
                        many.push(last);
                        Few::Many(many)
                    }
                    (_, None) => Few::None,
                }
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_list_whatever_it_holds() {
        let mut few = Few::default();
        let mut list = Vec::new();
        for entry in 0..4 {
            assert_eq!(few.as_slice(), list);
            few.push(entry);
            list.push(entry);
        }
        for gone in [1, 3, 7, 0, 2] {
            few.retain(|entry| *entry != gone);
            list.retain(|entry| *entry != gone);
            assert_eq!(few.as_mut_slice(), list);
            assert_eq!(matches!(few, Few::One(_)), list.len() == 1);
        }
        assert_eq!(few, Few::None);
    }
}
