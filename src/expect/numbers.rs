//! Arithmetic and conversions; whatever overflows is an error, never a wrapped number.

use super::eval::{Evaluated, mismatch};
use super::node::{Function, Op};
use super::value::Val;

pub(super) fn negate(value: &Val) -> Evaluated {
    match value {
        Val::Int(i) => i.checked_neg().map_or_else(|| mismatch("a number overflows"), |i| Ok(Val::Int(i))),
        Val::Double(d) => Ok(Val::Double(-d)),
        other => mismatch(format!("{} cannot be negated", other.kind())),
    }
}

/// Numbers of one kind; CEL converts only where it is asked to (`double(latency_ms) / 2.0`).
pub(super) fn arithmetic(op: Op, a: &Val, b: &Val) -> Evaluated {
    let result = match (a, b) {
        (Val::Int(a), Val::Int(b)) => match op {
            Op::Add => a.checked_add(*b),
            Op::Subtract => a.checked_sub(*b),
            Op::Multiply => a.checked_mul(*b),
            Op::Divide => a.checked_div(*b),
            _ => a.checked_rem(*b),
        }
        .map(Val::Int),
        (Val::Uint(a), Val::Uint(b)) => match op {
            Op::Add => a.checked_add(*b),
            Op::Subtract => a.checked_sub(*b),
            Op::Multiply => a.checked_mul(*b),
            Op::Divide => a.checked_div(*b),
            _ => a.checked_rem(*b),
        }
        .map(Val::Uint),
        (Val::Double(a), Val::Double(b)) => match op {
            Op::Add => Some(a + b),
            Op::Subtract => Some(a - b),
            Op::Multiply => Some(a * b),
            Op::Divide => Some(a / b),
            _ => return mismatch("% needs whole numbers"),
        }
        .map(Val::Double),
        _ => return mismatch(format!("{} and {} cannot be calculated with as they are", a.kind(), b.kind())),
    };
    result.map_or_else(|| mismatch("a calculation overflows or divides by zero"), Ok)
}

pub(super) fn convert(function: Function, value: &Val) -> Evaluated {
    let converted = match (function, value) {
        (Function::Text, Val::Text(_)) | (Function::Bool, Val::Bool(_)) => Some(value.clone()),
        (Function::Text, Val::Bool(b)) => Some(Val::text(&b.to_string())),
        (Function::Text, Val::Int(i)) => Some(Val::text(&i.to_string())),
        (Function::Text, Val::Uint(u)) => Some(Val::text(&u.to_string())),
        (Function::Text, Val::Double(d)) => Some(Val::text(&d.to_string())),
        (Function::Bool, Val::Text(t)) => t.parse().ok().map(Val::Bool),
        (Function::Int, Val::Int(_)) | (Function::Uint, Val::Uint(_)) => Some(value.clone()),
        (Function::Int, Val::Uint(u)) => i64::try_from(*u).ok().map(Val::Int),
        (Function::Uint, Val::Int(i)) => u64::try_from(*i).ok().map(Val::Uint),
        (Function::Int, Val::Text(t)) => t.parse().ok().map(Val::Int),
        (Function::Uint, Val::Text(t)) => t.parse().ok().map(Val::Uint),
        (Function::Int | Function::Uint, Val::Double(d)) => whole(function, *d),
        (Function::Double, Val::Text(t)) => t.parse().ok().map(Val::Double),
        (Function::Double, number) => number.as_double().map(Val::Double),
        _ => None,
    };
    converted.map_or_else(|| mismatch(format!("{} cannot be converted as asked", value.kind())), Ok)
}

/// Toward zero; nothing where the double does not fit.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked first")]
fn whole(function: Function, double: f64) -> Option<Val> {
    const TWO_63: f64 = 9_223_372_036_854_775_808.0;
    let whole = double.trunc();
    if function == Function::Int {
        return (-TWO_63 < whole && whole < TWO_63).then_some(Val::Int(whole as i64));
    }
    (0.0..TWO_63 * 2.0).contains(&whole).then_some(Val::Uint(whole as u64))
}
