//! From text to [`Node`]: the `cel` crate parses, we translate. Only this file knows the crate.
//!
//! Its parser and everything that walks its tree recurse deeply (more than 100 KB of stack for one bracket in a debug build) and a
//! stack overflow cannot be caught. So the text is bounded first, and parsed on a thread with a stack that was measured to
//! be several times what the worst text within the bounds takes.

use super::node::{Each, EachKind, Function, Node, Op, Pattern};
use super::value::Val;
use super::{LONGEST, NAMES};
use cel::common::ast::{CallExpr, EntryExpr, Expr, LiteralValue, MapExpr, operators};
use cel::parser::Expression;
use regex::RegexBuilder;

const MOST_TOKENS: usize = 300;
const MOST_BRACKETS: usize = 40;
/// How deep a tree may be; evaluation recurses this far at most.
const DEEPEST: usize = 64;
const STACK: usize = 64 << 20;
/// Bounds of a regular expression: as text, and how many.
const LONGEST_PATTERN: usize = 256;
/// Sizes of compiled patterns in KB, of which the first that suffices is what each byte of a text costs: the time for a text
/// grows with its length times the pattern's size (30 s were measured for 60 KB and an unbounded pattern).
const PATTERN_SIZES: [usize; 4] = [4, 16, 64, 256];
const MOST_PATTERNS: usize = 4;

pub(super) fn read(text: &str) -> Result<Node, String> {
    bounded(text)?;
    let text = text.to_owned();
    let thread = std::thread::Builder::new().name("expect".into()).stack_size(STACK);
    let parsed = thread.spawn(move || parse(&text)).map_err(|_| "the expression could not be read now".to_owned())?;
    // A panic of the parser is a bad expression, not the end of the process.
    parsed.join().unwrap_or_else(|_| Err("the expression cannot be read".to_owned()))
}

/// Refuses what would take too much stack. Texts within quotes count like the rest: whether the parser sees quotes where we
/// do is not worth a bet.
fn bounded(text: &str) -> Result<(), String> {
    if text.trim().is_empty() {
        return Err("the expression is empty".into());
    }
    if text.len() > LONGEST {
        return Err(format!("the expression is longer than {LONGEST} bytes"));
    }
    let mut tokens = 0;
    let mut in_word = false;
    for c in text.chars() {
        let word = c.is_alphanumeric() || c == '_';
        let goes_on = word && in_word;
        tokens += usize::from(!goes_on && !c.is_whitespace());
        in_word = word;
    }
    let brackets = text.chars().filter(|c| "([{".contains(*c)).count();
    if tokens > MOST_TOKENS || brackets > MOST_BRACKETS {
        return Err(format!("the expression has more than {MOST_TOKENS} words and signs or {MOST_BRACKETS} brackets"));
    }
    Ok(())
}

fn parse(text: &str) -> Result<Node, String> {
    // Without macros `all`, `has` and their kin stay calls, which we translate ourselves.
    let parser = cel::Env::default().with_optional_support(false).parser();
    let tree = parser.parse(text).map_err(|errors| said(errors.errors.first()))?;
    let mut reader = Reader { bound: Vec::new(), patterns: 0, depth: 0 };
    reader.node(&tree)
}

/// The first complaint in one line: the parser's own are long and repeat the text.
fn said(error: Option<&cel::ParseError>) -> String {
    let Some(error) = error else { return "the expression cannot be read".into() };
    let message = error.msg.strip_prefix("Syntax error: ").unwrap_or(&error.msg);
    let message = message.split(" expecting ").next().unwrap_or(message);
    let message: String = message.chars().map(|c| if c.is_control() { ' ' } else { c }).take(120).collect();
    let message = message.replace("'<EOF>'", "end of the expression");
    format!("the expression cannot be read at column {}: {message}", error.pos.1.max(1))
}

struct Reader {
    /// Names bound by the enclosing `all` and its kin.
    bound: Vec<String>,
    patterns: usize,
    depth: usize,
}

impl Reader {
    fn node(&mut self, tree: &Expression) -> Result<Node, String> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(format!("the expression is nested more than {DEEPEST} deep"));
        }
        let node = match &tree.expr {
            Expr::Literal(literal) => Node::Literal(self::literal(literal)?),
            Expr::Ident(name) => self.name(name)?,
            Expr::List(list) => Node::List(self.nodes(&list.elements)?),
            Expr::Map(map) => self.map(map)?,
            Expr::Select(select) => Node::Select(self.boxed(&select.operand)?, select.field.clone()),
            Expr::Call(call) => self.call(call)?,
            Expr::Struct(_) => return Err("messages such as a{b: 1} are not supported".into()),
            Expr::Comprehension(_) | Expr::Unspecified => return Err("the expression cannot be read".into()),
        };
        self.depth -= 1;
        Ok(node)
    }

    fn boxed(&mut self, tree: &Expression) -> Result<Box<Node>, String> {
        self.node(tree).map(Box::new)
    }

    fn nodes(&mut self, trees: &[Expression]) -> Result<Vec<Node>, String> {
        trees.iter().map(|t| self.node(t)).collect()
    }

    fn name(&self, name: &str) -> Result<Node, String> {
        let name = name.strip_prefix('.').unwrap_or(name);
        if self.bound.iter().any(|b| b == name) || NAMES.contains(&name) {
            return Ok(Node::Name(name.to_owned()));
        }
        Err(format!("\"{name}\" is not a known name; known are {}", NAMES.join(", ")))
    }

    fn map(&mut self, map: &MapExpr) -> Result<Node, String> {
        let mut entries = Vec::new();
        for entry in &map.entries {
            let EntryExpr::MapEntry(entry) = &entry.expr else { return Err("the expression cannot be read".into()) };
            entries.push((self.node(&entry.key)?, self.node(&entry.value)?));
        }
        Ok(Node::Map(entries))
    }

    fn call(&mut self, call: &CallExpr) -> Result<Node, String> {
        match (&call.target, call.args.as_slice()) {
            (None, [a]) => match call.func_name.as_str() {
                operators::LOGICAL_NOT => return Ok(Node::Not(self.boxed(a)?)),
                operators::NEGATE => return Ok(Node::Negate(self.boxed(a)?)),
                "has" => return self.has(a),
                _ => {}
            },
            (None, [a, b]) => {
                if let Some(node) = self.binary(&call.func_name, a, b)? {
                    return Ok(node);
                }
            }
            (None, [a, b, c]) if call.func_name == operators::CONDITIONAL => {
                return Ok(Node::If(Box::new([self.node(a)?, self.node(b)?, self.node(c)?])));
            }
            (Some(target), args) => {
                if let Some(kind) = each_kind(&call.func_name) {
                    return self.each(kind, target, args);
                }
                if let ("matches", [pattern]) = (call.func_name.as_str(), args) {
                    return self.matches(target, pattern);
                }
            }
            _ => {}
        }
        self.function(call)
    }

    fn has(&mut self, tree: &Expression) -> Result<Node, String> {
        match &tree.expr {
            Expr::Select(select) => Ok(Node::Has(self.boxed(&select.operand)?, select.field.clone())),
            _ => Err("has() takes a field, as in has(body.version)".into()),
        }
    }

    fn binary(&mut self, name: &str, a: &Expression, b: &Expression) -> Result<Option<Node>, String> {
        let op = match name {
            operators::LOGICAL_AND => return Ok(Some(Node::And(self.boxed(a)?, self.boxed(b)?))),
            operators::LOGICAL_OR => return Ok(Some(Node::Or(self.boxed(a)?, self.boxed(b)?))),
            operators::INDEX => return Ok(Some(Node::Index(self.boxed(a)?, self.boxed(b)?))),
            operators::ADD => Op::Add,
            operators::SUBSTRACT => Op::Subtract,
            operators::MULTIPLY => Op::Multiply,
            operators::DIVIDE => Op::Divide,
            operators::MODULO => Op::Modulo,
            operators::EQUALS => Op::Equal,
            operators::NOT_EQUALS => Op::NotEqual,
            operators::LESS => Op::Less,
            operators::LESS_EQUALS => Op::LessEqual,
            operators::GREATER => Op::Greater,
            operators::GREATER_EQUALS => Op::GreaterEqual,
            operators::IN => Op::In,
            _ => return Ok(None),
        };
        Ok(Some(Node::Binary(op, self.boxed(a)?, self.boxed(b)?)))
    }

    fn each(&mut self, kind: EachKind, over: &Expression, args: &[Expression]) -> Result<Node, String> {
        let (name, filter, body) = match (kind, args) {
            (_, [name, body]) => (name, None, body),
            (EachKind::Map, [name, filter, body]) => (name, Some(filter), body),
            _ => return Err("all, exists, exists_one, map and filter take a name and an expression".into()),
        };
        let Expr::Ident(name) = &name.expr else {
            return Err("all, exists, exists_one, map and filter take a plain name first".into());
        };
        let over = self.node(over)?;
        self.bound.push(name.clone());
        let filter = filter.map(|f| self.node(f)).transpose()?;
        let body = self.node(body)?;
        self.bound.pop();
        Ok(Node::Each(Box::new(Each { kind, over, name: name.clone(), filter, body })))
    }

    fn matches(&mut self, target: &Expression, pattern: &Expression) -> Result<Node, String> {
        let Expr::Literal(LiteralValue::String(pattern)) = &pattern.expr else {
            return Err("matches() takes a text in quotes, so that it can be checked beforehand".into());
        };
        let pattern: &str = pattern.inner();
        self.patterns += 1;
        if pattern.len() > LONGEST_PATTERN || self.patterns > MOST_PATTERNS {
            return Err(format!("at most {MOST_PATTERNS} matches() with {LONGEST_PATTERN} bytes each are allowed"));
        }
        for kilobytes in PATTERN_SIZES {
            match RegexBuilder::new(pattern).size_limit(kilobytes << 10).nest_limit(32).build() {
                Ok(regex) => return Ok(Node::Matches(self.boxed(target)?, Pattern { regex, cost: kilobytes })),
                Err(regex::Error::CompiledTooBig(_)) => {}
                Err(_) => return Err("the pattern of matches() is not a regular expression".into()),
            }
        }
        Err("the pattern of matches() is too costly".into())
    }

    fn function(&mut self, call: &CallExpr) -> Result<Node, String> {
        let trees: Vec<&Expression> = call.target.as_deref().into_iter().chain(&call.args).collect();
        let found = Function::find(&call.func_name, trees.len()).filter(|f| f.may_follow_dot(call.target.is_some()));
        let Some(function) = found else {
            let name: String = call.func_name.chars().take(40).collect();
            return Err(format!("{name}() with {} values is not supported", trees.len()));
        };
        let args: Result<Vec<Node>, String> = trees.into_iter().map(|t| self.node(t)).collect();
        Ok(Node::Call(function, args?))
    }
}

fn each_kind(name: &str) -> Option<EachKind> {
    match name {
        "all" => Some(EachKind::All),
        "exists" => Some(EachKind::Exists),
        "exists_one" | "existsOne" => Some(EachKind::ExistsOne),
        "map" => Some(EachKind::Map),
        "filter" => Some(EachKind::Filter),
        _ => None,
    }
}

fn literal(literal: &LiteralValue) -> Result<Val, String> {
    Ok(match literal {
        LiteralValue::Null => Val::Null,
        LiteralValue::Boolean(b) => Val::Bool(*b.inner()),
        LiteralValue::Int(i) => Val::Int(*i.inner()),
        LiteralValue::UInt(u) => Val::Uint(*u.inner()),
        LiteralValue::Double(d) => Val::Double(*d.inner()),
        LiteralValue::String(text) => Val::text(text.inner()),
        LiteralValue::Bytes(_) => return Err("bytes such as b'…' are not supported".into()),
    })
}
