//! How a version takes over: the states of one deployment and the verdicts that move it. Pure: fed with events and samples.

pub mod machine;
