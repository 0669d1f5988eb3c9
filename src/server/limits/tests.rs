use super::*;

#[test]
fn the_defaults_can_be_kept() {
    assert_eq!(Limits::default().validate(), Ok(()));
}

#[test]
fn what_must_not_be_zero_is_named() {
    type Change = fn(&mut Limits);
    let cases: [(&str, Change); 9] = [
        ("max-connections", |limits| limits.max_connections = 0),
        ("max-connections-per-address", |limits| limits.max_connections_per_address = Some(0)),
        ("accept-rate-per-address", |limits| limits.accept_rate_per_address = Some(0)),
        ("memory-limit", |limits| limits.memory_limit = 0),
        ("max-frame", |limits| limits.max_frame = 0),
        ("frame-timeout", |limits| limits.frame_timeout = Duration::ZERO),
        ("idle-timeout", |limits| limits.idle_timeout = Duration::ZERO),
        ("write-timeout", |limits| limits.write_timeout = Duration::ZERO),
        ("exit-on-idle", |limits| limits.exit_on_idle = Some(Duration::ZERO)),
    ];
    for (name, change) in cases {
        let mut limits = Limits::default();
        change(&mut limits);
        assert_eq!(limits.validate(), Err(LimitError::Zero(name)));
        let text = format!("--{name} must be more than 0");
        assert_eq!(LimitError::Zero(name).to_string(), text);
    }
}

#[test]
fn what_may_be_zero_may() {
    let limits =
        Limits { output_limit: 0, drain_timeout: Duration::ZERO, log_rate: 0, ..Limits::default() };
    assert_eq!(limits.validate(), Ok(()));
    assert_eq!(limits.low_water(), 0);
}

#[test]
fn bounds_are_the_last_values_allowed() {
    let most = Limits {
        max_connections: Limits::MAX_CONNECTIONS_BOUND,
        max_frame: Limits::MAX_FRAME_BOUND,
        output_limit: Limits::MAX_FRAME_BOUND,
        ..Limits::default()
    };
    assert_eq!(most.validate(), Ok(()));
    let over = [
        ("max-connections", Limits { max_connections: most.max_connections + 1, ..most.clone() }),
        ("max-frame", Limits { max_frame: most.max_frame + 1, ..most.clone() }),
        ("output-limit", Limits { output_limit: most.output_limit + 1, ..most.clone() }),
    ];
    for (name, limits) in over {
        let error = limits.validate().unwrap_err();
        assert_eq!(error, LimitError::OverBound(name, 1 << 30));
        assert_eq!(error.to_string(), format!("--{name} must be at most 1073741824"));
    }
}
