//! What work on the store gets: something to read with, and something to write with.

use rusqlite::Connection;
use std::cell::RefCell;
use std::ops::Deref;

/// A consistent view. The typed functions of this module take it; nobody else can do anything with it.
pub struct Rx<'c> {
    pub(super) conn: &'c Connection,
}

type Hook = Box<dyn FnOnce() + Send>;

/// A piece of the current transaction; also reads (its own writes included).
pub struct Tx<'c> {
    rx: Rx<'c>,
    hooks: RefCell<Vec<Hook>>,
}

impl<'c> Tx<'c> {
    pub(super) fn new(conn: &'c Connection) -> Self {
        Self { rx: Rx { conn }, hooks: RefCell::default() }
    }

    /// Runs when what this piece did is on the disk, before the caller hears of it; never when it is undone. It runs on the
    /// writer's thread and must not wait.
    pub fn after_commit(&self, hook: impl FnOnce() + Send + 'static) {
        self.hooks.borrow_mut().push(Box::new(hook));
    }

    pub(super) fn into_hooks(self) -> Vec<Hook> {
        self.hooks.into_inner()
    }
}

impl<'c> Deref for Tx<'c> {
    type Target = Rx<'c>;
    fn deref(&self) -> &Rx<'c> {
        &self.rx
    }
}
