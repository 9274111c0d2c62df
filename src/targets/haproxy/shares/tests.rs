use super::*;
use proptest::prelude::*;

fn up(initial: &[u32]) -> Vec<Member> {
    initial.iter().map(|initial| Member { initial: *initial, usable: true }).collect()
}

fn weigh(green_percent: u8, blue: Vec<Member>, green: Vec<Member>) -> (Vec<u16>, Vec<u16>) {
    let split = Split::to(Slot::Green, green_percent).unwrap();
    let PerSlot { blue, green } = weights(split, &PerSlot { blue, green }).unwrap();
    (blue, green)
}

#[test]
fn shares_are_exact_and_even_where_they_can_be() {
    for (percent, blue, green, expected) in [
        (10, up(&[1]), up(&[1]), (vec![9], vec![1])),
        (50, up(&[1]), up(&[1]), (vec![1], vec![1])),
        (37, up(&[1]), up(&[1]), (vec![63], vec![37])),
        (10, up(&[1, 1]), up(&[1, 1]), (vec![9, 9], vec![1, 1])),
        (50, up(&[1, 1]), up(&[1, 1, 1]), (vec![3, 3], vec![2, 2, 2])),
        (50, up(&[200, 100]), up(&[1]), (vec![2, 1], vec![3])),
        // All to one: the initial weights, or the same for each where they say nothing.
        (100, up(&[1, 1]), up(&[100, 50]), (vec![0, 0], vec![100, 50])),
        (0, up(&[0, 0]), up(&[7]), (vec![1, 1], vec![0])),
        // One of the slot is meant to get nothing.
        (50, up(&[0, 5]), up(&[5]), (vec![0, 1], vec![1])),
        // 99 to 1 over four: not all of them can have one, because the other would need 396. The share is exact.
        (1, up(&[1]), up(&[1, 1, 1, 1]), (vec![198], vec![1, 1, 0, 0])),
    ] {
        assert_eq!(weigh(percent, blue, green), expected, "{percent}");
    }
}

#[test]
fn a_server_that_is_down_takes_no_part_until_all_is_decided() {
    let half = || vec![Member { initial: 1, usable: true }, Member { initial: 1, usable: false }];
    assert_eq!(weigh(10, half(), up(&[1, 1])), (vec![18, 0], vec![1, 1]));
    assert_eq!(weigh(0, half(), half()), (vec![1, 1], vec![0, 0]), "it may come back when nothing depends on it");
    let down = || vec![Member { initial: 1, usable: false }];
    let split = |percent| Split::to(Slot::Green, percent).unwrap();
    assert_eq!(weights(split(1), &PerSlot { blue: up(&[1]), green: down() }), Err(Slot::Green));
    assert_eq!(weights(split(99), &PerSlot { blue: down(), green: up(&[1]) }), Err(Slot::Blue));
    assert!(weights(split(100), &PerSlot { blue: down(), green: up(&[1]) }).is_ok());
}

fn slot() -> impl Strategy<Value = Vec<Member>> {
    let member = (0..=256_u32, prop::bool::weighted(0.8)).prop_map(|(initial, usable)| Member { initial, usable });
    prop::collection::vec(member, 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..Default::default() })]

    #[test]
    fn sums_are_always_exactly_as_asked(percent in 0..=100_u8, blue in slot(), green in slot()) {
        let split = Split::to(Slot::Green, percent).unwrap();
        let slots = PerSlot { blue, green };
        match weights(split, &slots) {
            Err(slot) => {
                prop_assert!(split.percent(slot) > 0);
                prop_assert!(!slots.get(slot).iter().any(|m| m.usable));
            }
            Ok(weights) => {
                let serving = PerSlot::of(|slot| {
                    let pairs = weights.get(slot).iter().zip(slots.get(slot));
                    pairs.filter(|(_, m)| m.usable).map(|(w, _)| u64::from(*w)).sum::<u64>()
                });
                for slot in Slot::ALL {
                    prop_assert_eq!(weights.get(slot).len(), slots.get(slot).len());
                    prop_assert!(weights.get(slot).iter().all(|w| u64::from(*w) <= MOST));
                }
                if let Some(whole) = split.whole() {
                    prop_assert!(*serving.get(whole) > 0);
                    prop_assert!(weights.get(whole.other()).iter().all(|w| *w == 0));
                } else {
                    let product = |slot: Slot| serving.get(slot) * u64::from(split.percent(slot.other()));
                    prop_assert!(serving.blue > 0 && serving.green > 0);
                    prop_assert_eq!(product(Slot::Blue), product(Slot::Green));
                    for slot in Slot::ALL {
                        let mut idle = weights.get(slot).iter().zip(slots.get(slot)).filter(|(_, m)| !m.usable);
                        prop_assert!(idle.all(|(w, _)| *w == 0));
                    }
                }
            }
        }
    }
}
