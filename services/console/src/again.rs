//! Changing what is configured, beside others who do.

use crate::Error;

/// How often a change is made before whoever asked for it is told that others are in the way.
const TRIES: u32 = 5;

/// Makes a change that reads a thing, changes what the request names and saves it over what was read. Where somebody else
/// was faster it is made anew, from reading on: what they changed stays, and what they removed is not brought back.
pub(crate) async fn again<T>(change: impl AsyncFn() -> Result<T, Error>) -> Result<T, Error> {
    for _ in 1..TRIES {
        match change().await {
            Err(Error::Changed { .. }) => {}
            outcome => return outcome,
        }
    }
    change().await
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    fn changed() -> Error {
        Error::Changed {
            what: "ep_a".to_owned(),
        }
    }

    #[tokio::test]
    async fn a_change_is_made_anew_until_nobody_else_was_faster() {
        let tries = Cell::new(0);
        let change = async || {
            tries.set(tries.get() + 1);
            if tries.get() < 3 {
                Err(changed())
            } else {
                Ok(tries.get())
            }
        };
        assert_eq!(again(change).await.unwrap(), 3);
    }

    #[tokio::test]
    async fn a_change_is_given_up_when_others_are_always_faster_or_it_cannot_be_made() {
        let tries = Cell::new(0);
        let change = async |error: fn() -> Error| {
            tries.set(tries.get() + 1);
            Err::<(), _>(error())
        };
        let always = again(async || change(changed).await).await;
        assert!(matches!(always, Err(Error::Changed { .. })));
        assert_eq!(tries.get(), TRIES);
        let never = again(async || change(|| Error::Dangling).await).await;
        assert!(matches!(never, Err(Error::Dangling)));
        assert_eq!(tries.get(), TRIES + 1);
    }
}
