//! What happens to a run inside a transaction: a message is applied, the workflow is evaluated, and what it asks for is
//! written and, after the commit, started. Messages to other runs that follow from it (a lock that is free, a child that has
//! ended) are delivered in the same transaction.

use super::ended;
use super::queue::{CallJob, Queue};
use super::rows;
use super::timers::Timers;
use super::types::{Event, NewRun, Options, Submitted, What};
use crate::domain::{Blame, EnvName, Millis, Refusal, RunId, Sha, Tag};
use crate::engine::news;
use crate::flow::{Advance, Command, Flow, Message, Outcome, State, StepFailure, Stop, Workflow, WorkflowFn, advance};
use crate::store::runs::{Run, RunState, Subject};
use crate::store::{StoreError, Tx, holds, inbox, ledger, locks, runs, signals, steps, timers};
use serde_json::Value;
use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{broadcast, oneshot, watch};

/// Messages that may follow from one; more is a workflow that starts runs without end.
const CASCADE: usize = 10_000;

pub(super) struct Core {
    workflows: HashMap<&'static str, Workflow>,
    pub options: Options,
    pub queue: Arc<Queue>,
    pub timers: Timers,
    pub events: broadcast::Sender<Event>,
    /// Changes whenever some run is asked to stop.
    pub stops: watch::Sender<u64>,
    waiters: Mutex<HashMap<RunId, Vec<oneshot::Sender<()>>>>,
}

/// Messages still to be delivered in this transaction.
type Todo = VecDeque<(RunId, Message)>;

impl Core {
    pub(super) fn new(workflows: Vec<Workflow>, options: Options) -> Self {
        Self {
            workflows: workflows.into_iter().map(|workflow| (workflow.name, workflow)).collect(),
            queue: Arc::new(Queue::new(options.concurrency, options.per_repository)),
            timers: Timers::default(),
            events: broadcast::channel(1024).0,
            stops: watch::channel(0).0,
            waiters: Mutex::default(),
            options,
        }
    }

    pub(super) fn now(&self) -> Millis {
        (self.options.clock)()
    }

    pub(super) fn submit(self: &Arc<Self>, tx: &Tx<'_>, new: NewRun) -> Result<Submitted, StoreError> {
        if let Some(run) = runs::by_key(tx, &new.key)? {
            return Ok(Submitted::Existing(run.id, run.state));
        }
        let id = self.insert(tx, new, None)?;
        self.deliver(tx, &id, Message::Start)?;
        Ok(Submitted::New(id))
    }

    /// Stores a signal and wakes the run; false when it is over. One that says what the last one said, which nobody has heard
    /// yet, is no news: a run that waits for something else for weeks does not collect them.
    pub(super) fn signal(self: &Arc<Self>, tx: &Tx<'_>, run: &RunId, name: &str, value: &Value) -> Result<bool, StoreError> {
        if runs::get(tx, run)?.is_none_or(|run| run.state != RunState::Active) {
            return Ok(false);
        }
        if signals::newest_open(tx, run, name)?.as_ref() != Some(value) {
            signals::push(tx, run, name, value, self.now())?;
        }
        // The signal is loaded with the run, so that the evaluation finds it.
        self.deliver(tx, run, Message::Resume)?;
        Ok(true)
    }

    /// Starts a dead run again from its beginning, under its id, so that its steps find their earlier work.
    pub(super) fn restart(self: &Arc<Self>, tx: &Tx<'_>, run: &RunId) -> Result<bool, StoreError> {
        let mut todo = Todo::new();
        let dead = runs::get(tx, run)?.filter(|run| run.state == RunState::Dead);
        let Some(dead) = dead else { return Ok(false) };
        self.revive(tx, dead, &mut todo)?;
        self.drain(tx, todo)?;
        Ok(true)
    }

    /// Applies a message to a run and everything that follows from it.
    pub(super) fn deliver(self: &Arc<Self>, tx: &Tx<'_>, run: &RunId, message: Message) -> Result<(), StoreError> {
        self.drain(tx, Todo::from([(run.clone(), message)]))
    }

    fn drain(self: &Arc<Self>, tx: &Tx<'_>, mut todo: Todo) -> Result<(), StoreError> {
        for _ in 0..CASCADE {
            let Some((run, message)) = todo.pop_front() else { return Ok(()) };
            self.one(tx, &run, message, &mut todo)?;
        }
        Err(Refusal::us("flow_cascade", "One message led to thousands of others.").into())
    }

    fn one(self: &Arc<Self>, tx: &Tx<'_>, id: &RunId, message: Message, todo: &mut Todo) -> Result<(), StoreError> {
        let Some(mut run) = runs::get(tx, id)?.filter(|run| run.state == RunState::Active) else { return Ok(()) };
        let now = self.now();
        let mut state = rows::load(tx, &run)?;
        let cancel = state.cancel.clone();
        let advance = self.evaluate(&run, &mut state, message, now);
        for (name, kind, state) in rows::save(tx, &run, &state, &advance, now)? {
            let what = What::Step { name, kind: kind.to_owned(), state: state.to_owned() };
            news::waits(tx, &run, &what, now)?;
            self.tell(tx, id, now, what);
        }
        if cancel.is_none() && state.cancel.is_some() {
            let core = Arc::clone(self);
            tx.after_commit(move || core.stops.send_modify(|count| *count += 1));
        }
        if state.cancel != cancel || state.outcome.is_some() {
            run.cancel = state.cancel.as_ref().map(rows::write).transpose()?;
            run.outcome = state.outcome.as_ref().map(rows::write).transpose()?;
            if let Some(outcome) = &state.outcome {
                run.state = if is_dead(&state, outcome) { RunState::Dead } else { RunState::Finished };
            }
            run.updated_at = now;
            runs::update(tx, &run)?;
        }
        let mut subject = None;
        for command in advance.commands {
            self.carry_out(tx, &run, command, now, &mut subject, todo)?;
        }
        Ok(())
    }

    /// A workflow that panics is a failure of the run; one that this program does not know keeps its messages.
    fn evaluate(&self, run: &Run, state: &mut State, message: Message, now: Millis) -> Advance {
        let workflow = self.workflows.get(run.workflow.as_str()).map_or(parked as WorkflowFn, |workflow| workflow.run);
        let before = state.clone();
        let attempt = catch_unwind(AssertUnwindSafe(|| advance(state, message.clone(), now, workflow)));
        attempt.unwrap_or_else(|_| {
            tracing::error!(run = %run.id, workflow = run.workflow, "a workflow panicked; the run is unwound and given up");
            *state = before;
            advance(state, message, now, panicked)
        })
    }

    fn carry_out(
        self: &Arc<Self>,
        tx: &Tx<'_>,
        run: &Run,
        command: Command,
        now: Millis,
        subject: &mut Option<Arc<Subject>>,
        todo: &mut Todo,
    ) -> Result<(), StoreError> {
        let id = &run.id;
        match command {
            Command::Call { name, call } => {
                let subject = Arc::clone(subject.get_or_insert_with(|| Arc::new(run.subject.clone())));
                self.enqueue(tx, run, name, call, subject);
            }
            Command::SetTimer { name, at } => {
                timers::set(tx, id, &name, at)?;
                let (core, id) = (Arc::clone(self), id.clone());
                tx.after_commit(move || core.timers.set(id, name, at, now));
            }
            Command::ClearTimer { name } => {
                timers::clear(tx, id, &name)?;
                let (core, id) = (Arc::clone(self), id.clone());
                tx.after_commit(move || core.timers.clear(&id, &name));
            }
            Command::Lock { name, key } => {
                let place = locks::join(tx, &key, id, &name, now)?;
                todo.extend(place.held.then(|| granted(place)));
            }
            Command::Unlock { name, .. } => todo.extend(locks::leave(tx, id, &name)?.map(granted)),
            Command::Child { name, workflow, key, input } => {
                let new = NewRun { workflow, key, subject: child_subject(&run.subject, &input), input };
                self.child(tx, run, &name, new, todo)?;
            }
            Command::CancelChild { name, reason } => {
                let child = steps::get(tx, id, &name)?.and_then(|step| step.link);
                let mine = child.map_or(Ok(None), |child| runs::get(tx, &child))?.filter(|c| c.parent.as_ref() == Some(id));
                todo.extend(mine.map(|child| (child.id, Message::Cancel { reason })));
            }
            Command::Finish { outcome } => self.finish(tx, run, &outcome, now, todo)?,
        }
        Ok(())
    }

    fn enqueue(self: &Arc<Self>, tx: &Tx<'_>, run: &Run, step: String, call: Value, subject: Arc<Subject>) {
        let job = CallJob {
            run: run.id.clone(),
            step,
            workflow: run.workflow.clone(),
            subject,
            call: Some(call),
            fresh: run.starts == 1,
            starts: run.starts,
            attempts: 0,
            first_error_at: None,
        };
        let core = Arc::clone(self);
        tx.after_commit(move || core.queue.push(job));
    }

    fn child(self: &Arc<Self>, tx: &Tx<'_>, run: &Run, step: &str, new: NewRun, todo: &mut Todo) -> Result<(), StoreError> {
        let failed =
            |refusal| (run.id.clone(), Message::ChildDone { name: step.to_owned(), outcome: Outcome::Failed(refusal) });
        let Some(existing) = runs::by_key(tx, &new.key)? else {
            if !self.workflows.contains_key(new.workflow.as_str()) {
                todo.push_back(failed(unknown_workflow(&new.workflow)));
                return Ok(());
            }
            let child = self.insert(tx, new, Some(run.id.clone()))?;
            steps::set_link(tx, &run.id, step, &child)?;
            todo.push_back((child, Message::Start));
            return Ok(());
        };
        if existing.id == run.id {
            todo.push_back(failed(Refusal::us("flow_own_child", "A run waits for itself.")));
            return Ok(());
        }
        steps::set_link(tx, &run.id, step, &existing.id)?;
        if existing.state == RunState::Dead && run.starts > 1 && existing.parent.as_ref() == Some(&run.id) {
            return self.revive(tx, existing, todo);
        }
        if let Some(outcome) = rows::outcome(&existing)? {
            todo.push_back((run.id.clone(), Message::ChildDone { name: step.to_owned(), outcome }));
        }
        Ok(())
    }

    fn finish(
        self: &Arc<Self>,
        tx: &Tx<'_>,
        run: &Run,
        outcome: &Outcome,
        now: Millis,
        todo: &mut Todo,
    ) -> Result<(), StoreError> {
        for (name, _) in timers::of(tx, &run.id)? {
            let (core, id) = (Arc::clone(self), run.id.clone());
            tx.after_commit(move || core.timers.clear(&id, &name));
        }
        timers::clear_all(tx, &run.id)?;
        todo.extend(locks::leave_all(tx, &run.id)?.into_iter().map(granted));
        for (parent, name) in steps::waiting_for(tx, &run.id)? {
            todo.push_back((parent, Message::ChildDone { name, outcome: outcome.clone() }));
        }
        if run.state == RunState::Dead {
            let why = if let Outcome::Failed(refusal) = outcome { refusal.to_string() } else { "a step was given up".into() };
            bury(tx, &run.subject, &format!("Run {} was given up: {why}", run.id), now)?;
        }
        ended::record(tx, run, now)?;
        news::ended(tx, run, now)?;
        let (core, id) = (Arc::clone(self), run.id.clone());
        tx.after_commit(move || core.wake(&id));
        self.tell(tx, &run.id, now, What::Ended { state: run.state });
        Ok(())
    }

    fn insert(self: &Arc<Self>, tx: &Tx<'_>, new: NewRun, parent: Option<RunId>) -> Result<RunId, StoreError> {
        let Some(workflow) = self.workflows.get(new.workflow.as_str()) else {
            return Err(unknown_workflow(&new.workflow).into());
        };
        let now = self.now();
        let id = RunId::parse(&uuid::Uuid::now_v7().to_string())
            .ok_or_else(|| Refusal::us("run_id", "An id for the run could not be made."))?;
        let run = Run {
            id: id.clone(),
            workflow: new.workflow,
            flow_version: workflow.version,
            key: new.key,
            subject: new.subject,
            parent,
            state: RunState::Active,
            cancel: None,
            outcome: None,
            starts: 1,
            created_at: now,
            updated_at: now,
        };
        runs::insert(tx, &run, &new.input)?;
        self.tell(tx, &id, now, What::Started { workflow: run.workflow, key: run.key });
        Ok(id)
    }

    fn revive(self: &Arc<Self>, tx: &Tx<'_>, mut run: Run, todo: &mut Todo) -> Result<(), StoreError> {
        let Some(workflow) = self.workflows.get(run.workflow.as_str()) else {
            return Err(unknown_workflow(&run.workflow).into());
        };
        let now = self.now();
        steps::forget(tx, &run.id)?;
        signals::forget_taken(tx, &run.id)?;
        ledger::begin_anew(tx, &run.id)?;
        holds::begin_anew(tx, &run.id)?;
        run.state = RunState::Active;
        run.flow_version = workflow.version;
        run.starts += 1;
        (run.cancel, run.outcome, run.updated_at) = (None, None, now);
        runs::update(tx, &run)?;
        if let Some(delivery) = &run.subject.delivery {
            let note = format!("Replayed as run {}.", run.id);
            inbox::settle(tx, delivery, inbox::DeliveryStatus::Done, &note, &[], now)?;
        }
        self.tell(tx, &run.id, now, What::Started { workflow: run.workflow, key: run.key });
        todo.push_back((run.id, Message::Start));
        Ok(())
    }

    /// Tells those who watch, once it is on the disk.
    pub(super) fn tell(self: &Arc<Self>, tx: &Tx<'_>, run: &RunId, at: Millis, what: What) {
        if self.events.receiver_count() > 0 {
            let (core, event) = (Arc::clone(self), Event { at, run: run.clone(), what });
            // Nobody may be watching any more.
            tx.after_commit(move || drop(core.events.send(event)));
        }
    }

    /// A receiver that hears when the run ends.
    pub(super) fn listen(&self, run: &RunId) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        let mut waiters = self.waiters.lock().unwrap_or_else(PoisonError::into_inner);
        waiters.retain(|_, senders| {
            senders.retain(|sender| !sender.is_closed());
            !senders.is_empty()
        });
        waiters.entry(run.clone()).or_default().push(sender);
        receiver
    }

    fn wake(&self, run: &RunId) {
        let senders = self.waiters.lock().unwrap_or_else(PoisonError::into_inner).remove(run);
        for sender in senders.into_iter().flatten() {
            // Whoever gave up waiting does not mind.
            let _ = sender.send(());
        }
    }
}

/// Makes the delivery that caused a run a dead letter.
pub(super) fn bury(tx: &Tx<'_>, subject: &Subject, note: &str, now: Millis) -> Result<(), StoreError> {
    subject.delivery.as_ref().map_or(Ok(()), |delivery| inbox::bury(tx, delivery, note, now))
}

fn granted(place: locks::Place) -> (RunId, Message) {
    (place.run, Message::Locked { name: place.name, token: place.token })
}

/// Given up by us: a step that was retried for too long, or a bug. A refusal is an end like any other.
fn is_dead(state: &State, outcome: &Outcome) -> bool {
    state.has_dead_step() || matches!(outcome, Outcome::Failed(refusal) if refusal.blame == Blame::Us)
}

fn unknown_workflow(name: &str) -> Refusal {
    Refusal::us("workflow_unknown", format!("This version of Lockkeeper does not know the workflow `{name}`."))
}

/// A child is about what its parent is about, and about the `tag`, `sha` and `environment` that its input names.
fn child_subject(parent: &Subject, input: &Value) -> Subject {
    let text = |field: &str| input.get(field).and_then(Value::as_str);
    Subject {
        tag: text("tag").and_then(|text| Tag::parse(text).ok()).or_else(|| parent.tag.clone()),
        sha: text("sha").and_then(|text| Sha::parse(text).ok()).or_else(|| parent.sha.clone()),
        environment: text("environment").and_then(|text| EnvName::parse(text).ok()).or_else(|| parent.environment.clone()),
        ..parent.clone()
    }
}

fn parked(flow: &mut Flow, _: &Value) -> Result<Value, Stop> {
    Err(flow.park())
}

fn panicked(_: &mut Flow, _: &Value) -> Result<Value, Stop> {
    let refusal = Refusal::us("workflow_panicked", "The run met a bug in Lockkeeper and was given up.");
    Err(Stop::Failed(StepFailure { step: String::new(), refusal, dead: true }))
}
