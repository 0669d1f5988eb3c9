use super::*;

fn at(micros: u64) -> Moment {
    Moment::START + Duration::from_micros(micros)
}

/// A look at `micros`, when the thread has used `used` microseconds of a processor.
fn look(absence: &mut Absence, micros: u64, used: u64) -> Option<u128> {
    let away = absence.look(at(micros), || Some(Duration::from_micros(used)));
    away.map(|away| away.as_millis())
}

#[test]
fn field_load_10_what_passes_in_a_turn_without_processor_time_is_absence() {
    let mut absence = Absence::default();
    absence.begin_turn(Duration::ZERO, at(100_000));
    assert_eq!(look(&mut absence, 102_000, 50_000), None, "it worked");
    assert_eq!(look(&mut absence, 110_000, 57_000), Some(1), "8 ms passed, and it worked for 7");
    assert_eq!(look(&mut absence, 150_000, 57_100), Some(39), "stopped");
    let delay = |absence: &Absence, is_open| absence.delay(is_open, at(151_000)).as_millis();
    assert_eq!((delay(&absence, false), delay(&absence, true)), (40, 51));
    // What came meanwhile is found by the next turn.
    absence.begin_turn(Duration::ZERO, at(151_000));
    assert_eq!((delay(&absence, false), delay(&absence, true)), (40, 40));
    absence.begin_turn(Duration::from_millis(5), at(151_000));
    assert_eq!((delay(&absence, false), delay(&absence, true)), (5, 5));
}

#[test]
fn field_load_10_to_wait_for_events_is_no_absence() {
    let mut absence = Absence::default();
    absence.begin_turn(Duration::ZERO, at(100_000));
    assert_eq!(look(&mut absence, 100_010, 10), None);
    absence.begin_turn(Duration::ZERO, at(900_000));
    assert_eq!(look(&mut absence, 900_500, 400), None);
    assert_eq!(absence.delay(false, at(900_500)), Duration::ZERO);
}

#[test]
fn field_load_10_the_clock_is_read_once_a_millisecond_at_most() {
    let mut absence = Absence::default();
    absence.begin_turn(Duration::ZERO, at(10_000));
    let mut readings = 0;
    for micros in 10_000..15_000 {
        absence.look(at(micros), || {
            readings += 1;
            Some(Duration::from_micros(micros))
        });
    }
    assert_eq!(readings, 5);
}
