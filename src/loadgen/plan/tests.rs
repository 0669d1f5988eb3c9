use super::*;
use crate::loadgen::tests::plan;
use proptest::prelude::*;
use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, Ipv4Addr};

fn workers(of: usize) -> impl Iterator<Item = Worker> {
    (0..of).map(move |index| Worker { index, of })
}

fn spread_over(destinations: usize, sources: usize) -> Plan {
    let address = |last: usize| Ipv4Addr::new(127, 0, (last >> 8) as u8, last as u8);
    let to = |ip| SocketAddr::from((ip, 9999));
    Plan {
        destinations: (0..destinations).map(|last| to(address(last)).into()).collect(),
        sources: (0..sources).map(|last| IpAddr::from(address(1000 + last)).into()).collect(),
        ..plan()
    }
}

#[test]
fn the_kernel_chooses_where_no_source_is_named() {
    let plan = spread_over(2, 0);
    assert_eq!(plan.route(5), (None, &plan.destinations[1]));
}

#[test]
fn only_a_closed_loop_waits_for_answers() {
    let step = Step { rate: 1.0, duration: Duration::MAX };
    for (pace, is_open) in [
        (Pace::Closed, false),
        (Pace::Rates(vec![step]), true),
        (Pace::Herd(Duration::from_secs(1)), true),
    ] {
        assert_eq!(Plan { pace, ..plan() }.is_open_loop(), is_open);
    }
}

#[test]
fn a_connection_for_each_request_is_made_on_demand() {
    for (lifetime, on_demand) in [
        (Lifetime::Run, false),
        (Lifetime::Time(Duration::ZERO), false),
        (Lifetime::Requests(1), true),
        (Lifetime::Requests(2), false),
    ] {
        assert_eq!(Plan { lifetime, ..plan() }.connects_on_demand(), on_demand);
    }
}

#[test]
fn a_plan_survives_the_way_to_a_worker() {
    let steps = vec![Step { rate: 0.1 + 0.2, duration: Duration::MAX }];
    let plan = Plan { pace: Pace::Rates(steps), ..spread_over(3, 2) };
    let sent = serde_json::to_string(&plan).unwrap();
    assert_eq!(serde_json::from_str::<Plan>(&sent).unwrap(), plan);
}

proptest! {
    #[test]
    fn shares_add_up_and_differ_by_one_at_most(
        total in 0usize..1_000_000,
        requests in 0u64..u64::MAX,
        of in 1usize..100,
    ) {
        let shares: Vec<usize> = workers(of).map(|worker| worker.share(total)).collect();
        prop_assert_eq!(shares.iter().sum::<usize>(), total);
        prop_assert!(shares[0] - shares[of - 1] <= 1);
        let shares: Vec<u64> =
            workers(of).map(|worker| worker.share_of_requests(requests)).collect();
        prop_assert_eq!(shares.iter().sum::<u64>(), requests);
        prop_assert!(shares[0] - shares[of - 1] <= 1);
    }

    #[test]
    fn shares_of_the_crowd_add_up(
        (active, idle) in (0usize..5000, 0usize..5000),
        (slow_readers, slow_writers) in (0usize..50, 0usize..50),
        of in 1usize..20,
    ) {
        let slow_rate = 3;
        let connections =
            ConnectionCounts { active, idle, slow_readers, slow_writers, slow_rate };
        let shares: Vec<ConnectionCounts> =
            workers(of).map(|worker| worker.share_of_connections(connections)).collect();
        let sum = |part: fn(&ConnectionCounts) -> usize| shares.iter().map(part).sum::<usize>();
        prop_assert_eq!(sum(|share| share.active), active);
        prop_assert_eq!(sum(|share| share.idle), idle);
        prop_assert_eq!(sum(|share| share.slow_readers), slow_readers);
        prop_assert_eq!(sum(|share| share.slow_writers), slow_writers);
        prop_assert_eq!(sum(ConnectionCounts::total), connections.total());
        prop_assert!(shares.iter().all(|share| share.slow_rate == 3));
    }

    #[test]
    fn no_two_connections_have_the_same_number(of in 1usize..10, each in 1usize..50) {
        let numbers: BTreeSet<u64> = workers(of)
            .flat_map(|worker| (0..each).map(move |local| worker.connection(local)))
            .collect();
        prop_assert_eq!(numbers, BTreeSet::from_iter(0..(of * each) as u64));
    }

    #[test]
    fn every_pair_of_addresses_is_used_alike(
        destinations in 1usize..10,
        sources in 1usize..20,
        connections in 1u64..2000,
    ) {
        let plan = spread_over(destinations, sources);
        let mut used = HashMap::new();
        for number in 0..connections {
            *used.entry(format!("{:?}", plan.route(number))).or_insert(0u64) += 1;
        }
        let most = connections.div_ceil((destinations * sources) as u64);
        prop_assert!(used.values().all(|&count| count == most || count == most - 1));
        prop_assert_eq!(used.len() as u64, connections.min((destinations * sources) as u64));
    }
}
