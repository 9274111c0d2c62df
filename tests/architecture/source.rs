//! Reads one Rust file into the facts that the rules ask about, from its tokens: macros are read too, comments and texts
//! are not.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::visit::Visit;

/// A name in the code, outside of tests.
pub struct Use {
    pub line: usize,
    /// `["crate", "gates", "tag"]`, `["tokio", "time"]`; `super` is resolved.
    pub path: Vec<String>,
}

#[derive(Default)]
pub struct Facts {
    pub uses: Vec<Use>,
    /// Lines that hold the keyword `async`.
    pub asyncs: Vec<usize>,
    /// Modules that this file declares as test code, without a body.
    pub test_modules: Vec<String>,
    /// Name, first line and number of lines of each function.
    pub functions: Vec<(String, usize, usize)>,
    /// Lines outside of test code.
    pub lines: usize,
}

/// `module` is the file's own path, for example `["config", "repo"]`.
pub fn read(text: &str, module: &[String]) -> Result<Facts, String> {
    let tokens: TokenStream = text.parse().map_err(|e: proc_macro2::LexError| format!("{}: {e}", e.span().start().line))?;
    let file: syn::File = syn::parse2(tokens.clone()).map_err(|e| format!("{}: {e}", e.span().start().line))?;
    let mut facts = Facts { lines: text.lines().count(), ..Facts::default() };
    scan(tokens, module, &mut facts);
    Functions(&mut facts).visit_file(&file);
    Ok(facts)
}

fn scan(tokens: TokenStream, module: &[String], facts: &mut Facts) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut i = 0;
    while i < tokens.len() {
        if is_test_attribute(&tokens[i..]) {
            i = skip_item(&tokens, i, facts);
            continue;
        }
        match &tokens[i] {
            TokenTree::Ident(word) if word == "mod" => {
                if let (Some(TokenTree::Ident(name)), Some(TokenTree::Group(body))) = (tokens.get(i + 1), tokens.get(i + 2)) {
                    let inner: Vec<String> = module.iter().cloned().chain([name.to_string()]).collect();
                    scan(body.stream(), &inner, facts);
                    i += 3;
                    continue;
                }
            }
            TokenTree::Ident(word) if word == "async" => facts.asyncs.push(word.span().start().line),
            TokenTree::Ident(_) if !continues_a_path(&tokens, i) => path(&tokens, i, module, facts),
            TokenTree::Group(group) => scan(group.stream(), module, facts),
            _ => {}
        }
        i += 1;
    }
}

/// `#[cfg(test)]`, also within `all(…)`.
fn is_test_attribute(tokens: &[TokenTree]) -> bool {
    let [TokenTree::Punct(hash), TokenTree::Group(group), ..] = tokens else { return false };
    let text: String = group.stream().to_string().split_whitespace().collect();
    hash.as_char() == '#' && (text == "cfg(test)" || text.starts_with("cfg(all(test,"))
}

/// The position after the item that a test attribute stands on; its lines are taken off the file's.
fn skip_item(tokens: &[TokenTree], start: usize, facts: &mut Facts) -> usize {
    let mut declared = None;
    for (i, token) in tokens.iter().enumerate().skip(start + 2) {
        match token {
            TokenTree::Ident(word) if word == "mod" => declared = tokens.get(i + 1).map(ToString::to_string),
            TokenTree::Punct(p) if p.as_char() == ';' => {
                facts.test_modules.extend(declared);
                return i + 1;
            }
            TokenTree::Group(body) if body.delimiter() == Delimiter::Brace => {
                let (from, to) = (tokens[start].span().start().line, body.span_close().end().line);
                facts.lines -= to - from + 1;
                return i + 1;
            }
            _ => {}
        }
    }
    tokens.len()
}

/// Whether the word at `i` follows `::` or `.`, so that it names a part of something else.
fn continues_a_path(tokens: &[TokenTree], i: usize) -> bool {
    let before = |back: usize| match i.checked_sub(back).and_then(|at| tokens.get(at)) {
        Some(TokenTree::Punct(p)) => Some(p.as_char()),
        _ => None,
    };
    // `::name` at the start of a path is the crate `name`; after a word it is a part of it.
    let after_word = matches!(i.checked_sub(3).map(|at| &tokens[at]), Some(TokenTree::Ident(_)));
    match (before(2), before(1)) {
        (Some(':'), Some(':')) => {
            after_word || matches!(i.checked_sub(3).map(|at| &tokens[at]), Some(TokenTree::Punct(p)) if p.as_char() == '>')
        }
        (_, Some('.')) => before(2) != Some('.'),
        _ => false,
    }
}

/// Collects the path that starts at `i`; a group at its end (`a::{b, c}`) gives one path for each entry.
fn path(tokens: &[TokenTree], start: usize, module: &[String], facts: &mut Facts) {
    let line = tokens[start].span().start().line;
    let mut parts = vec![tokens[start].to_string()];
    let mut at = start + 1;
    while let [TokenTree::Punct(a), TokenTree::Punct(b), next, ..] = &tokens[at.min(tokens.len())..] {
        if (a.as_char(), b.as_char()) != (':', ':') {
            break;
        }
        match next {
            TokenTree::Ident(word) => parts.push(word.to_string()),
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
                return branches(group, &parts, module, facts);
            }
            _ => break,
        }
        at += 3;
    }
    facts.uses.push(Use { line, path: resolve(&parts, module) });
}

fn branches(group: &Group, prefix: &[String], module: &[String], facts: &mut Facts) {
    let tokens: Vec<TokenTree> = group.stream().into_iter().collect();
    for entry in tokens.split(|t| matches!(t, TokenTree::Punct(p) if p.as_char() == ',')) {
        let mut inner = Facts::default();
        if !entry.is_empty() {
            path(entry, 0, &[], &mut inner);
        }
        facts.uses.extend(inner.uses.into_iter().map(|found| {
            let whole: Vec<String> = prefix.iter().cloned().chain(found.path).collect();
            Use { line: found.line, path: resolve(&whole, module) }
        }));
    }
}

/// `super::x` seen from `module` as `crate::…::x`.
fn resolve(parts: &[String], module: &[String]) -> Vec<String> {
    let up = parts.iter().skip_while(|p| *p == "self").take_while(|p| *p == "super").count();
    let selves = parts.iter().take_while(|p| *p == "self").count();
    if up + selves == 0 {
        return parts.to_vec();
    }
    let base = &module[..module.len().saturating_sub(up)];
    let rest = &parts[up + selves..];
    ["crate".to_owned()].into_iter().chain(base.iter().cloned()).chain(rest.iter().cloned()).collect()
}

struct Functions<'f>(&'f mut Facts);

impl Functions<'_> {
    fn add(&mut self, name: &syn::Ident, span: proc_macro2::Span) {
        let (from, to) = (span.start().line, span.end().line);
        self.0.functions.push((name.to_string(), from, to + 1 - from));
    }
}

fn tests_only(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|a| a.path().is_ident("cfg") && a.parse_args::<syn::Ident>().is_ok_and(|word| word == "test"))
}

impl<'ast> Visit<'ast> for Functions<'_> {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !tests_only(&item.attrs) {
            syn::visit::visit_item_mod(self, item);
        }
    }
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        if !tests_only(&item.attrs) {
            self.add(&item.sig.ident, item.sig.span().join(item.block.span()).unwrap_or(item.span()));
            syn::visit::visit_item_fn(self, item);
        }
    }
    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.add(&item.sig.ident, item.sig.span().join(item.block.span()).unwrap_or(item.span()));
        syn::visit::visit_impl_item_fn(self, item);
    }
    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        self.add(&item.sig.ident, item.span());
        syn::visit::visit_trait_item_fn(self, item);
    }
}
