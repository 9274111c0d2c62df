//! The clock of this adapter.

use crate::domain::Millis;

pub(super) fn now() -> Millis {
    Millis(jiff::Timestamp::now().as_millisecond())
}
