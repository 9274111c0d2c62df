//! An expression as a closed set of nodes: what is not here cannot be evaluated.

use super::value::Val;
use regex::Regex;

#[derive(Debug)]
pub(super) enum Node {
    Literal(Val),
    /// A variable of [`super::NAMES`] or one that an enclosing [`Node::Each`] binds.
    Name(String),
    List(Vec<Node>),
    /// Keys are texts.
    Map(Vec<(Node, Node)>),
    /// `a.b`
    Select(Box<Node>, String),
    /// `has(a.b)`
    Has(Box<Node>, String),
    /// `a[b]`
    Index(Box<Node>, Box<Node>),
    Not(Box<Node>),
    Negate(Box<Node>),
    And(Box<Node>, Box<Node>),
    Or(Box<Node>, Box<Node>),
    If(Box<[Node; 3]>),
    Binary(Op, Box<Node>, Box<Node>),
    Call(Function, Vec<Node>),
    /// `a.matches("…")`; the pattern is compiled once, with a bound on its size.
    Matches(Box<Node>, Pattern),
    /// `list.all(x, …)` and its kin.
    Each(Box<Each>),
}

#[derive(Debug)]
pub(super) struct Pattern {
    pub regex: Regex,
    /// Steps for each byte of a text.
    pub cost: usize,
}

#[derive(Debug)]
pub(super) struct Each {
    pub kind: EachKind,
    pub over: Node,
    pub name: String,
    /// Of `map` with three arguments.
    pub filter: Option<Node>,
    pub body: Node,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EachKind {
    All,
    Exists,
    ExistsOne,
    Map,
    Filter,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    In,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    Size,
    Contains,
    StartsWith,
    EndsWith,
    Int,
    Uint,
    Double,
    Text,
    Bool,
    Dyn,
}

impl Function {
    /// The name and how many values it takes, the target included.
    pub(super) fn find(name: &str, count: usize) -> Option<Self> {
        let (function, takes) = match name {
            "size" => (Self::Size, 1),
            "contains" => (Self::Contains, 2),
            "startsWith" => (Self::StartsWith, 2),
            "endsWith" => (Self::EndsWith, 2),
            "int" => (Self::Int, 1),
            "uint" => (Self::Uint, 1),
            "double" => (Self::Double, 1),
            "string" => (Self::Text, 1),
            "bool" => (Self::Bool, 1),
            "dyn" => (Self::Dyn, 1),
            _ => return None,
        };
        (takes == count).then_some(function)
    }

    /// Written after a dot (`a.contains(b)`), before brackets (`int(a)`), or both.
    pub(super) fn may_follow_dot(self, dot: bool) -> bool {
        match self {
            Self::Size => true,
            Self::Contains | Self::StartsWith | Self::EndsWith => dot,
            Self::Int | Self::Uint | Self::Double | Self::Text | Self::Bool | Self::Dyn => !dot,
        }
    }
}

impl Node {
    /// Whether the free variable `name` occurs. A name that is bound by `all` and its kin hides the free one.
    pub(super) fn mentions(&self, name: &str) -> bool {
        match self {
            Self::Literal(_) => false,
            Self::Name(n) => n == name,
            Self::List(items) | Self::Call(_, items) => items.iter().any(|i| i.mentions(name)),
            Self::Map(entries) => entries.iter().any(|(k, v)| k.mentions(name) || v.mentions(name)),
            Self::Select(a, _) | Self::Has(a, _) | Self::Not(a) | Self::Negate(a) | Self::Matches(a, _) => a.mentions(name),
            Self::Index(a, b) | Self::And(a, b) | Self::Or(a, b) | Self::Binary(_, a, b) => {
                a.mentions(name) || b.mentions(name)
            }
            Self::If(parts) => parts.iter().any(|p| p.mentions(name)),
            Self::Each(each) => {
                let inner = each.body.mentions(name) || each.filter.as_ref().is_some_and(|f| f.mentions(name));
                each.over.mentions(name) || (each.name != name && inner)
            }
        }
    }
}
