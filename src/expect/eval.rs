//! Evaluation with a budget. Every node, and every byte or element that an operator copies or compares, costs. A budget that is
//! spent stays spent, so that every later node fails too and nothing around can make an answer of it.
//!
//! As in CEL, `false && error` is false and `true || error` is true, in either order; any other error is the result.

use super::ExpectError;
use super::node::{Each, EachKind, Function, Node, Op};
use super::numbers::{arithmetic, convert, negate};
use super::value::{Val, Variables};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Steps for one evaluation; about a tenth of a second of a slow machine.
const BUDGET: u64 = 1_000_000;

pub(super) type Evaluated = Result<Val, ExpectError>;

pub(super) fn evaluate(node: &Node, variables: &Variables) -> Result<bool, ExpectError> {
    if variables.too_large() {
        return Err(ExpectError::TooLarge);
    }
    let mut machine = Machine { variables, scope: Vec::new(), left: BUDGET };
    match machine.eval(node)? {
        Val::Bool(answer) => Ok(answer),
        other => Err(ExpectError::NotBool(other.kind())),
    }
}

struct Machine<'a> {
    variables: &'a Variables,
    scope: Vec<(&'a str, Val)>,
    left: u64,
}

pub(super) fn mismatch<T>(text: impl Into<String>) -> Result<T, ExpectError> {
    Err(ExpectError::Mismatch(text.into()))
}

impl<'a> Machine<'a> {
    fn pay(&mut self, steps: usize) -> Result<(), ExpectError> {
        match self.left.checked_sub(steps as u64) {
            Some(left) => self.left = left,
            None => {
                self.left = 0;
                return Err(ExpectError::TooCostly);
            }
        }
        Ok(())
    }

    fn eval(&mut self, node: &'a Node) -> Evaluated {
        self.pay(1)?;
        match node {
            Node::Literal(value) => Ok(value.clone()),
            Node::Name(name) => self.name(name),
            Node::List(items) => Ok(Val::list(self.all(items)?)),
            Node::Map(entries) => self.map(entries),
            Node::Select(of, field) => {
                let of = self.eval(of)?;
                select(&of, field)?.cloned().ok_or_else(|| ExpectError::Missing(format!("\"{field}\"")))
            }
            Node::Has(of, field) => {
                let of = self.eval(of)?;
                Ok(Val::Bool(select(&of, field)?.is_some()))
            }
            Node::Index(of, at) => {
                let (of, at) = (self.eval(of)?, self.eval(at)?);
                index(&of, &at)
            }
            Node::Not(of) => Ok(Val::Bool(!truth(&self.eval(of)?)?)),
            Node::Negate(of) => negate(&self.eval(of)?),
            Node::And(a, b) => self.logic(a, b, false),
            Node::Or(a, b) => self.logic(a, b, true),
            Node::If(parts) => {
                let [condition, yes, no] = parts.as_ref();
                let chosen = if truth(&self.eval(condition)?)? { yes } else { no };
                self.eval(chosen)
            }
            Node::Binary(op, a, b) => {
                let (a, b) = (self.eval(a)?, self.eval(b)?);
                self.binary(*op, &a, &b)
            }
            Node::Call(function, args) => {
                let args = self.all(args)?;
                self.call(*function, &args)
            }
            Node::Matches(of, pattern) => {
                let Val::Text(text) = self.eval(of)? else { return mismatch("matches() needs a text") };
                self.pay(text.len().saturating_mul(pattern.cost))?;
                Ok(Val::Bool(pattern.regex.is_match(&text)))
            }
            Node::Each(each) => self.each(each),
        }
    }

    fn all(&mut self, nodes: &'a [Node]) -> Result<Vec<Val>, ExpectError> {
        nodes.iter().map(|n| self.eval(n)).collect()
    }

    fn name(&self, name: &str) -> Evaluated {
        let bound = self.scope.iter().rev().find(|(n, _)| *n == name).map(|(_, value)| value);
        bound.or_else(|| self.variables.get(name)).cloned().ok_or_else(|| ExpectError::Unset(name.to_owned()))
    }

    fn map(&mut self, entries: &'a [(Node, Node)]) -> Evaluated {
        let mut map = BTreeMap::new();
        for (key, value) in entries {
            let Val::Text(key) = self.eval(key)? else { return mismatch("keys of a map must be texts") };
            let value = self.eval(value)?;
            self.pay(key.len())?;
            if map.insert(key.to_string(), value).is_some() {
                return mismatch("a key of a map is given twice");
            }
        }
        Ok(Val::Map(Arc::new(map)))
    }

    /// `decides` is the value that settles the matter: false for `&&`, true for `||`.
    fn logic(&mut self, a: &'a Node, b: &'a Node, decides: bool) -> Evaluated {
        let first = self.eval(a).and_then(|v| truth(&v));
        if first == Ok(decides) {
            return first.map(Val::Bool);
        }
        let second = self.eval(b).and_then(|v| truth(&v));
        if second == Ok(decides) {
            return second.map(Val::Bool);
        }
        first.and(second).map(Val::Bool)
    }

    fn each(&mut self, each: &'a Each) -> Evaluated {
        let items: Vec<Val> = match self.eval(&each.over)? {
            Val::List(items) => {
                self.pay(items.len())?;
                items.to_vec()
            }
            Val::Map(map) => {
                self.pay(map.keys().map(|k| 1 + k.len()).sum())?;
                map.keys().map(|k| Val::text(k)).collect()
            }
            other => return mismatch(format!("{} has no elements to go through", other.kind())),
        };
        match each.kind {
            EachKind::All => self.fold(each, items, false),
            EachKind::Exists => self.fold(each, items, true),
            EachKind::ExistsOne => {
                let mut count = 0_usize;
                for item in items {
                    count += usize::from(truth(&self.bind(each, item, &each.body)?)?);
                }
                Ok(Val::Bool(count == 1))
            }
            EachKind::Map | EachKind::Filter => self.collect(each, items),
        }
    }

    /// `all` and `exists`: an element that decides outweighs errors of others.
    fn fold(&mut self, each: &'a Each, items: Vec<Val>, decides: bool) -> Evaluated {
        let mut failed = None;
        for item in items {
            match self.bind(each, item, &each.body).and_then(|v| truth(&v)) {
                Ok(answer) if answer == decides => return Ok(Val::Bool(decides)),
                Ok(_) => {}
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(Val::Bool(!decides)), Err)
    }

    fn collect(&mut self, each: &'a Each, items: Vec<Val>) -> Evaluated {
        let keep = if each.kind == EachKind::Filter { Some(&each.body) } else { each.filter.as_ref() };
        let mut kept = Vec::new();
        for item in items {
            if let Some(test) = keep {
                let keeps = self.bind(each, item.clone(), test)?;
                if !truth(&keeps)? {
                    continue;
                }
            }
            kept.push(if each.kind == EachKind::Filter { item } else { self.bind(each, item, &each.body)? });
        }
        Ok(Val::list(kept))
    }

    fn bind(&mut self, each: &'a Each, item: Val, node: &'a Node) -> Evaluated {
        self.scope.push((&each.name, item));
        let value = self.eval(node);
        self.scope.pop();
        value
    }

    fn binary(&mut self, op: Op, a: &Val, b: &Val) -> Evaluated {
        match op {
            Op::Equal => self.equal(a, b).map(Val::Bool),
            Op::NotEqual => self.equal(a, b).map(|same| Val::Bool(!same)),
            Op::In => self.contains(a, b),
            Op::Less => self.order(a, b, Ordering::is_lt),
            Op::LessEqual => self.order(a, b, Ordering::is_le),
            Op::Greater => self.order(a, b, Ordering::is_gt),
            Op::GreaterEqual => self.order(a, b, Ordering::is_ge),
            Op::Add => self.add(a, b),
            Op::Subtract | Op::Multiply | Op::Divide | Op::Modulo => arithmetic(op, a, b),
        }
    }

    /// Different kinds are unequal, numbers of different kinds are compared as numbers.
    fn equal(&mut self, a: &Val, b: &Val) -> Result<bool, ExpectError> {
        self.pay(1)?;
        match (a, b) {
            (Val::Null, Val::Null) => Ok(true),
            (Val::Bool(a), Val::Bool(b)) => Ok(a == b),
            (Val::Text(a), Val::Text(b)) => {
                self.pay(if a.len() == b.len() { a.len() / 8 } else { 0 })?;
                Ok(a == b)
            }
            (Val::List(a), Val::List(b)) => {
                for (a, b) in a.iter().zip(b.iter()) {
                    if !self.equal(a, b)? {
                        return Ok(false);
                    }
                }
                Ok(a.len() == b.len())
            }
            (Val::Map(a), Val::Map(b)) => {
                for ((key, a), (other, b)) in a.iter().zip(b.iter()) {
                    self.pay(key.len() / 8)?;
                    if key != other || !self.equal(a, b)? {
                        return Ok(false);
                    }
                }
                Ok(a.len() == b.len())
            }
            _ => Ok(a.compare_numbers(b) == Some(Ordering::Equal)),
        }
    }

    fn contains(&mut self, item: &Val, within: &Val) -> Evaluated {
        match (item, within) {
            (_, Val::List(items)) => {
                for candidate in items.iter() {
                    if self.equal(item, candidate)? {
                        return Ok(Val::Bool(true));
                    }
                }
                Ok(Val::Bool(false))
            }
            (Val::Text(key), Val::Map(map)) => Ok(Val::Bool(map.contains_key(key.as_ref()))),
            (_, Val::Map(_)) => Ok(Val::Bool(false)),
            _ => mismatch(format!("\"in\" needs a list or a map, not {}", within.kind())),
        }
    }

    fn order(&mut self, a: &Val, b: &Val, holds: fn(Ordering) -> bool) -> Evaluated {
        let order = match (a, b) {
            (Val::Text(a), Val::Text(b)) => {
                self.pay(a.len().min(b.len()) / 8)?;
                a.cmp(b)
            }
            (Val::Bool(a), Val::Bool(b)) => a.cmp(b),
            (Val::Double(x), _) | (_, Val::Double(x)) if x.is_nan() => return Ok(Val::Bool(false)),
            _ => match a.compare_numbers(b) {
                Some(order) => order,
                None => return mismatch(format!("{} cannot be ordered with {}", a.kind(), b.kind())),
            },
        };
        Ok(Val::Bool(holds(order)))
    }

    fn add(&mut self, a: &Val, b: &Val) -> Evaluated {
        match (a, b) {
            (Val::Text(a), Val::Text(b)) => {
                self.pay(a.len() + b.len())?;
                Ok(Val::text(&[a.as_ref(), b.as_ref()].concat()))
            }
            (Val::List(a), Val::List(b)) => {
                self.pay(a.len() + b.len())?;
                Ok(Val::list(a.iter().chain(b.iter()).cloned().collect()))
            }
            _ => arithmetic(Op::Add, a, b),
        }
    }

    fn call(&mut self, function: Function, args: &[Val]) -> Evaluated {
        match (function, args) {
            (Function::Size, [Val::Text(text)]) => {
                self.pay(text.len() / 8)?;
                Ok(size(text.chars().count()))
            }
            (Function::Size, [Val::List(items)]) => Ok(size(items.len())),
            (Function::Size, [Val::Map(map)]) => Ok(size(map.len())),
            (Function::Contains | Function::StartsWith | Function::EndsWith, [Val::Text(text), Val::Text(part)]) => {
                self.pay((text.len() + part.len()) / 8)?;
                let part = part.as_ref();
                Ok(Val::Bool(match function {
                    Function::StartsWith => text.starts_with(part),
                    Function::EndsWith => text.ends_with(part),
                    _ => text.contains(part),
                }))
            }
            (Function::Dyn, [value]) => Ok(value.clone()),
            (_, [value]) => convert(function, value),
            _ => mismatch("a function was given a value that it cannot take"),
        }
    }
}

fn size(count: usize) -> Val {
    Val::Int(i64::try_from(count).unwrap_or(i64::MAX))
}

fn truth(value: &Val) -> Result<bool, ExpectError> {
    match value {
        Val::Bool(answer) => Ok(*answer),
        other => mismatch(format!("{} stands where true or false is needed", other.kind())),
    }
}

fn select<'v>(of: &'v Val, field: &str) -> Result<Option<&'v Val>, ExpectError> {
    match of {
        Val::Map(map) => Ok(map.get(field)),
        other => mismatch(format!("\"{field}\" was asked of {}, which has no fields", other.kind())),
    }
}

fn index(of: &Val, at: &Val) -> Evaluated {
    let missing = |name: String| Err(ExpectError::Missing(name));
    match (of, at) {
        (Val::Map(map), Val::Text(key)) => map
            .get(key.as_ref())
            .cloned()
            .map_or_else(|| missing(format!("\"{}\"", key.chars().take(100).collect::<String>())), Ok),
        (Val::List(items), Val::Int(_) | Val::Uint(_)) => {
            let position = match at {
                Val::Int(at) => usize::try_from(*at).ok(),
                Val::Uint(at) => usize::try_from(*at).ok(),
                _ => None,
            };
            position.and_then(|p| items.get(p)).cloned().map_or_else(|| missing("element at this place".into()), Ok)
        }
        _ => mismatch(format!("{} cannot be looked up in {}", at.kind(), of.kind())),
    }
}
