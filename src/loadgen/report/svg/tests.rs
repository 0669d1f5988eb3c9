use super::*;

fn chart(values: &[Option<f64>]) -> String {
    let points: Vec<(f64, Option<f64>)> =
        values.iter().enumerate().map(|(at, value)| (at as f64, *value)).collect();
    let known = || values.iter().flatten().copied();
    Chart {
        title: "a title",
        description: "a <description>".to_owned(),
        x: Axis::fitting("x", points.iter().map(|(x, _)| *x), |value| value.to_string()),
        y: Axis::log_axis("y", known(), |value| value.to_string()),
        lines: vec![Line { name: "a line", points }],
        hints: vec![(0.0, "here".to_owned())],
        values: Table::new("a title", &["x", "a line"]),
        shade: None,
    }
    .html("id")
}

#[test]
fn a_gap_breaks_the_line_and_what_stands_alone_is_marked() {
    let svg = chart(&[Some(1.0), Some(2.0), None, Some(3.0)]);
    let path = svg.split(" d=\"").nth(1).unwrap().split('"').next().unwrap();
    assert_eq!((path.matches('M').count(), path.matches('L').count()), (2, 1), "{path}");
    // Twice, as the chart is drawn in two sizes.
    assert_eq!(svg.matches("<circle").count(), 6);
}

#[test]
fn it_can_be_read_without_seeing_it() {
    let svg = chart(&[Some(1.0)]);
    assert!(svg.contains("<title id=\"id-wide-title\">a title</title>"));
    assert!(svg.contains("<desc id=\"id-narrow-desc\">a &lt;description&gt;</desc>"));
    assert!(svg.contains("<title>here</title>"));
}

#[test]
fn a_wide_range_is_drawn_by_powers_of_ten_and_a_narrow_one_evenly() {
    let ticks = |values: &[f64]| {
        let axis = Axis::log_axis("y", values.iter().copied(), |value| value.to_string());
        axis.ticks.into_iter().map(|(_, name)| name).collect::<Vec<_>>()
    };
    assert_eq!(ticks(&[15.0, 900.0]), ["10", "20", "50", "100", "200", "500", "1000"]);
    assert_eq!(ticks(&[30.0, 90.0]), ["0", "20", "40", "60", "80", "100"]);
    assert_eq!(ticks(&[1.0, 1e6]), ["1", "10", "100", "1000", "10000", "100000", "1000000"]);
}

#[test]
fn nothing_is_drawn_outside() {
    let svg = chart(&[Some(0.0), Some(1e300), Some(f64::NAN), Some(f64::INFINITY), None]);
    let values = svg.split(['M', 'L', ' ', '"']).filter_map(|word| word.parse::<f64>().ok());
    assert!(values.into_iter().all(|value| (-1.0..=760.0).contains(&value)), "{svg}");
}
