use super::*;

fn backend() -> Backend {
    let backend = Backend::new(PerSlot::of(|_| SocketAddr::from(([127, 0, 0, 1], 1))), 7);
    Slot::ALL.into_iter().for_each(|slot| backend.seen(slot, true));
    backend
}

fn served(backend: &Backend, count: usize) -> PerSlot<usize> {
    let slots: Vec<Slot> = (0..count).filter_map(|_| backend.choose()).map(|(slot, _)| slot).collect();
    PerSlot::of(|slot| slots.iter().filter(|one| **one == slot).count())
}

#[test]
fn users_are_shared_exactly_as_the_weights_say() {
    let backend = backend();
    for (blue, green) in [(9, 1), (1, 1), (3, 1), (0, 1)] {
        let told = backend.answer(&format!("set server web/blue weight {blue};set server web/green weight {green}"));
        assert_eq!(told, "\n\n");
        let rounds = 10;
        assert_eq!(served(&backend, rounds * (blue + green)), PerSlot { blue: rounds * blue, green: rounds * green });
    }
}

#[test]
fn nobody_is_sent_to_a_slot_that_is_down_or_in_drain() {
    let backend = backend();
    backend.answer("set server web/blue state drain");
    assert_eq!(served(&backend, 10), PerSlot { blue: 0, green: 10 });
    backend.seen(Slot::Green, false);
    assert_eq!(backend.choose(), None);
    assert_eq!(backend.percent(Slot::Green), None);
    backend.answer("set server web/blue state ready");
    assert_eq!(served(&backend, 10), PerSlot { blue: 10, green: 0 });
}

#[test]
fn answers_are_counted_by_what_they_were() {
    let backend = backend();
    assert!(backend.choose().is_some() && backend.choose().is_some());
    assert!(backend.answer("show stat web 6 -1").contains("\nweb,blue,1,0,1,0,0,0,0,0,0,0,0,0,0,2,,\n"));
    let took = Duration::from_millis(3);
    backend.ended(Slot::Blue, Outcome::Answered(503), took);
    for outcome in [Outcome::Answered(200), Outcome::Answered(999), Outcome::Unreached, Outcome::Broken] {
        backend.ended(Slot::Green, outcome, took);
    }
    let text = backend.answer("show stat web 6 -1");
    assert!(text.contains("\nweb,blue,0,0,1,0,0,3,0,0,0,0,1,0,0,2,,\n"), "{text}");
    assert!(text.contains("\nweb,green,0,0,1,1,1,3,0,1,0,0,0,1,0,2,,\n"), "{text}");
}

#[test]
fn what_is_not_known_is_refused_and_changes_nothing() {
    let backend = backend();
    let before = backend.answer("show servers state web");
    for (line, said) in [
        ("set server web/red weight 1", "No such server"),
        ("set server other/blue weight 1", "No such server"),
        ("set server web/blue weight 257", "Absolute weight"),
        ("set server web/blue weight -1", "Absolute weight"),
        ("set server web/blue state maint", "'set server"),
        ("show servers state other", "No such backend"),
        ("shutdown", "Unknown command"),
        ("", "Unknown command"),
    ] {
        assert!(backend.answer(line).starts_with(said), "{line}");
    }
    assert_eq!(backend.answer("show servers state web"), before);
}
