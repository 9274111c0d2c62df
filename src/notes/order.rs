//! One order for commits, whoever listed them: topological, as git-cliff's CLI (libgit2, `GIT_SORT_TOPOLOGICAL`) walks.
//!
//! Source: libgit2 `revwalk.c`, `sort_in_topological_order` with a last-in-first-out queue. The order depends on the parents
//! alone, so that git, the compare API and a push payload give the same notes.

use std::collections::HashMap;

/// A commit's id and those of its parents; parents outside the list are ignored.
#[derive(Clone, Copy, Debug)]
pub struct Node<'a> {
    pub id: &'a str,
    pub parents: &'a [&'a str],
}

/// Positions in `nodes`, newest first, each id once (its first place counts); children stand before their parents.
/// Tips come in the order of the list.
pub fn topological(nodes: &[Node<'_>]) -> Vec<usize> {
    let mut place: HashMap<&str, usize> = HashMap::with_capacity(nodes.len());
    for (at, node) in nodes.iter().enumerate() {
        place.entry(node.id).or_insert(at);
    }
    let is_first = |at: usize| nodes.get(at).and_then(|n| place.get(n.id)) == Some(&at);
    let firsts: Vec<usize> = (0..nodes.len()).filter(|at| is_first(*at)).collect();
    let parents = |at: usize| nodes.get(at).into_iter().flat_map(|n| n.parents).filter_map(|p| place.get(p).copied());
    let mut children = vec![0usize; nodes.len()];
    for parent in firsts.iter().flat_map(|at| parents(*at)) {
        children[parent] += 1;
    }
    let mut ready: Vec<usize> = firsts.iter().rev().copied().filter(|at| children[*at] == 0).collect();
    let mut order = Vec::with_capacity(firsts.len());
    while let Some(at) = ready.pop() {
        order.push(at);
        for parent in parents(at) {
            children[parent] -= 1;
            if children[parent] == 0 {
                ready.push(parent);
            }
        }
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(graph: &[(&str, &[&str])]) -> String {
        let nodes: Vec<Node<'_>> = graph.iter().map(|(id, parents)| Node { id, parents }).collect();
        topological(&nodes).into_iter().map(|at| nodes[at].id).collect()
    }

    #[test]
    fn the_last_parent_of_a_merge_comes_first() {
        // m merges the branch x-y into a-b.
        let graph: [(&str, &[&str]); 6] =
            [("m", &["b", "y"]), ("y", &["x"]), ("b", &["a"]), ("x", &["r"]), ("a", &["r"]), ("r", &[])];
        assert_eq!(order(&graph), "myxbar");
    }

    #[test]
    fn unknown_parents_and_repeats_do_no_harm() {
        assert_eq!(order(&[("c", &["b"]), ("b", &["a", "a"]), ("c", &["b"]), ("a", &["gone"])]), "cba");
        assert_eq!(order(&[("x", &[]), ("y", &[])]), "xy");
        assert_eq!(order(&[]), "");
    }

    proptest::proptest! {
        #[test]
        fn children_stand_before_parents(links in proptest::collection::vec((0usize..40, 0usize..40), 0..80), shuffle in 0usize..40) {
            let names: Vec<String> = (0..40).map(|n| format!("c{n}")).collect();
            let mut parents: Vec<Vec<&str>> = vec![Vec::new(); 40];
            for (a, b) in links {
                if a != b { parents[a.min(b)].push(&names[a.max(b)]); }
            }
            let mut nodes: Vec<Node<'_>> = names.iter().zip(&parents).map(|(id, parents)| Node { id, parents }).collect();
            nodes.rotate_left(shuffle);
            let order = topological(&nodes);
            proptest::prop_assert_eq!(order.len(), 40);
            let rank: HashMap<&str, usize> = order.iter().enumerate().map(|(rank, at)| (nodes[*at].id, rank)).collect();
            for node in &nodes {
                for parent in node.parents {
                    proptest::prop_assert!(rank[node.id] < rank[parent]);
                }
            }
        }
    }
}
