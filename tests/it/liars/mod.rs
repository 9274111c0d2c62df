//! Deployers and balancers that hang, lie, flap, answer 500 or disappear in the middle, one file for each kind: whatever they
//! do, a deployment ends in a named state with a plain reason, nothing is stuck, and users are with a version that was good.
//!
//! Which test plays what, by the module and the words of its name:
//!
//! | | hangs | lies | flaps | fails | disappears |
//! |---|---|---|---|---|---|
//! | workflow | `workflow::hangs` | `workflow::runs_another_commit` | `workflow::is_run_again` | `workflow::github_answers_500` | `workflow::is_deleted` |
//! | deployment | `deployment::hangs` | `deployment::reports_on_another` | `deployment::changes_its_mind` | `deploy_trouble` | `deployment::is_deleted` |
//! | http hook | `hook::each_liar` | `hook::each_liar` | `hook::each_liar` | `hook::each_liar` | `hook::each_liar` |
//! | command | `command::each_liar` | `command::each_liar` | `command::each_liar` | `command::each_liar` | `command::is_gone` |
//! | traffic haproxy | `haproxy::hangs` | `haproxy::keeps_no_weight` | `slots::trouble` | `haproxy::obeys_nobody` | `slots::trouble` |
//! | traffic target | `traffic::each_liar` | `traffic::each_liar` | `traffic::each_liar` | `traffic::each_liar` | `traffic::each_liar` |
//!
//! What no deployer does is beside them: a file that loses the environment or weighs nothing in [`configuration`], a health
//! check that leads to a private address in [`probe`], a server that is told to stop in [`draining`], GitHub itself in [`away`]. Two deployments of one
//! millisecond are in `slots::trouble`, a Prometheus that is empty, slow or gone in `prometheus::deploying`.

mod away;
mod command;
mod configuration;
mod deployment;
mod draining;
mod haproxy;
mod hook;
mod probe;
mod scene;
mod traffic;
mod workflow;
