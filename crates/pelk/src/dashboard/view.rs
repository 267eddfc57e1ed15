//! Draws the dashboard.

use super::curve::Curve;
use super::state::State;
use crate::pace::{detail, duration};
use crate::values::{self, percent};
use pelk_report::table::significant;
use pelk_train::{MetricsRow, Scores};
use ratatui::Frame;
use ratatui::layout::{Alignment, Constraint, Layout, Rect};
use ratatui::style::{Color, Style, Stylize};
use ratatui::symbols::Marker;
use ratatui::text::{Line, Span};
use ratatui::widgets::{
    Axis, Block, BorderType, Cell, Chart, Dataset, Gauge, GraphType, Paragraph, Row, Table,
};

/// Colors for training and for the test images, among the sixteen that follow the terminal's theme.
const TRAIN: Color = Color::Cyan;
const TEST: Color = Color::Yellow;
/// Learning rate and speed are shown if this many rows remain for each chart.
const LEAST_CHART: u16 = 8;
/// Rows of the evaluations, with border and heading, and of the log.
const EVALUATIONS: u16 = 8;
const LINES: u16 = 4;

/// Draws the whole screen.
pub fn draw(frame: &mut Frame<'_>, state: &State) {
    let [title, gauge, now, charts, evaluations, lines, keys] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Fill(1),
        Constraint::Max(EVALUATIONS),
        Constraint::Max(LINES),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    let headline = &state.headline;
    frame.render_widget(Line::from(headline.title.as_str()).bold(), title);
    frame.render_widget(Line::from(headline.place.as_str()).dim().alignment(Alignment::Right), title);
    draw_gauge(frame, gauge, state);
    frame.render_widget(numbers(state), now);
    draw_charts(frame, charts, state);
    draw_evaluations(frame, evaluations, state);
    draw_lines(frame, lines, state);
    let advice = match state.stopping {
        true => Line::from("stopping and saving after this step (again: at once, without saving)").fg(TEST),
        false => Line::from(vec!["q".bold(), " save and stop".dim()]),
    };
    frame.render_widget(advice, keys);
}

fn draw_gauge(frame: &mut Frame<'_>, area: Rect, state: &State) {
    let (_, last) = state.headline.steps;
    let share = state.step as f64 / last.max(1) as f64;
    let label = match state.evaluating {
        Some((done, all)) => format!("step {}/{last}, evaluating {done}/{all}", state.step),
        None => format!("step {}/{last}, {:.0} %", state.step, 100.0 * share),
    };
    let gauge =
        Gauge::default().ratio(share.clamp(0.0, 1.0)).label(label).gauge_style(TRAIN).use_unicode(true);
    frame.render_widget(gauge, area);
}

/// The latest values in a line, the least important last, since a narrow terminal cuts them off.
fn numbers(state: &State) -> Line<'static> {
    let pace = &state.pace;
    if pace.images_per_second.is_nan() {
        return Line::from("the first step is under way").dim();
    }
    let mut spans: Vec<Span<'_>> = Vec::new();
    let named = |name: &str, value: String| [name.to_owned(), value];
    let mut values = vec![named("epoch", state.epoch.to_string()), named("loss", values::loss(pace.loss, 3))];
    values.extend(pace.details.iter().map(|&(name, value)| detail(name, value)));
    values.extend([
        named("left", duration(pace.seconds_left)),
        named("images/s", significant(pace.images_per_second)),
        named("learning rate", format!("{:.2e}", state.learning_rate)),
        named("elapsed", duration(pace.seconds())),
    ]);
    for [name, value] in values {
        spans.extend([Span::from(name).dim(), Span::from(format!(" {value}  "))]);
    }
    Line::from(spans)
}

fn draw_charts(frame: &mut Frame<'_>, area: Rect, state: &State) {
    let metric = state.headline.metric;
    let tests = |value: &dyn Fn(&MetricsRow) -> Option<f64>| -> Vec<(f64, f64)> {
        let points = state.rows.iter().filter_map(|row| Some((row.step as f64, value(row)?)));
        points.filter(|(_, value)| value.is_finite()).collect()
    };
    let shares =
        |curve: &Curve| curve.points().iter().map(|&(step, share)| (step, 100.0 * share)).collect::<Vec<_>>();
    let two = |area| Layout::horizontal([Constraint::Fill(1); 2]).spacing(1).areas::<2>(area);
    let show_all = area.height >= 2 * LEAST_CHART;
    let [above, below] =
        Layout::vertical([Constraint::Fill(3), Constraint::Fill(if show_all { 2 } else { 0 })]).areas(area);
    let [left, right] = two(above);
    draw_chart(frame, left, "loss", state.loss.points(), Some(("test", &tests(&|row| row.test.loss()))));
    let test = format!("test {}", metric.name());
    let values = tests(&|row| Some(100.0 * metric.of(&row.test)?));
    let name = if state.accuracy.points().is_empty() { metric.name() } else { "accuracy" };
    draw_chart(frame, right, &format!("{name}, %"), &shares(&state.accuracy), Some((&test, &values)));
    if show_all {
        let [left, right] = two(below);
        draw_chart(frame, left, "learning rate", state.rate.points(), None);
        draw_chart(frame, right, "images/s", state.speed.points(), None);
    }
}

/// A line of training values, and the evaluations' as a line with points, if any.
fn draw_chart(
    frame: &mut Frame<'_>,
    area: Rect,
    name: &str,
    train: &[(f64, f64)],
    test: Option<(&str, &[(f64, f64)])>,
) {
    let mut title = vec![Span::from(format!(" {name} "))];
    if let Some((test, _)) = test {
        title.extend([Span::from("training ").fg(TRAIN), Span::from(format!("{test} ")).fg(TEST)]);
    }
    let points = || train.iter().chain(test.map_or(&[][..], |(_, points)| points));
    let line = |points, color| {
        let line = Dataset::default().marker(Marker::Braille).graph_type(GraphType::Line);
        line.style(Style::from(color)).data(points)
    };
    let mut data = vec![line(train, TRAIN)];
    if let Some((_, points)) = test {
        data.push(line(points, TEST));
        // A single evaluation makes no line.
        data.push(Dataset::default().marker(Marker::Dot).style(Style::from(TEST)).data(points));
    }
    let steps = bounds(points().map(|(step, _)| *step), 0.0);
    let values = bounds(points().map(|(_, value)| *value), 0.05);
    let axis = |[low, high]: [f64; 2], text: &dyn Fn(f64) -> String| {
        let labels = [low, 0.5 * (low + high), high].map(|value| Span::from(text(value)).dim());
        Axis::default().style(Style::default().dark_gray()).bounds([low, high]).labels(labels)
    };
    let chart = Chart::new(data)
        .block(block().title(Line::from(title)))
        .x_axis(axis(steps, &|step| format!("{step:.0}")))
        .y_axis(axis(values, &short))
        .legend_position(None);
    frame.render_widget(chart, area);
}

/// The smallest and largest value, with this share of margin around them.
fn bounds(values: impl Iterator<Item = f64>, air: f64) -> [f64; 2] {
    let (low, high) = values
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (value.min(low), value.max(high)));
    match high - low {
        // No value.
        span if span < 0.0 => [0.0, 1.0],
        0.0 => [low - 0.5 * low.abs().max(1e-9), high + 0.5 * high.abs().max(1e-9)],
        // The values are not negative, but a margin could be.
        span if low >= 0.0 => [(low - air * span).max(0.0), high + air * span],
        span => [low - air * span, high + air * span],
    }
}

/// A value in a few characters.
fn short(value: f64) -> String {
    match value.abs() {
        size if size >= 1000.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 0.01 || size == 0.0 => format!("{value:.3}"),
        _ => format!("{value:.1e}"),
    }
}

fn block() -> Block<'static> {
    Block::bordered().border_type(BorderType::Rounded).border_style(Style::default().dark_gray())
}

fn draw_evaluations(frame: &mut Frame<'_>, area: Rect, state: &State) {
    let metric = state.headline.metric;
    let best = state.best().map(|row| row.step);
    let rows = state.rows.iter().rev().map(|row| {
        let cells = [
            row.epoch.to_string(),
            row.step.to_string(),
            values::loss(row.train_loss, 4),
            match row.test {
                Scores::Labels(scores) => values::loss(scores.loss, 4),
                Scores::Objects(_) => "-".to_owned(),
            },
            percent(metric.of(&row.test)),
            significant(row.images_per_second),
            if Some(row.step) == best { "best".to_owned() } else { String::new() },
        ];
        let style = if Some(row.step) == best { Style::default().bold() } else { Style::default() };
        Row::new(cells.map(|cell| Cell::from(Line::from(cell).right_aligned()))).style(style)
    });
    let test = format!("test {}", metric.name());
    let heading = ["epoch", "step", "train loss", "test loss", test.as_str(), "images/s", ""];
    let heading = heading.map(|name| Cell::from(Line::from(name.to_owned()).right_aligned()));
    let widths = [5, 9, 10, 9, 13, 9, 4].map(Constraint::Length);
    let table = Table::new(rows, widths).column_spacing(2).header(Row::new(heading).dim());
    frame.render_widget(table.block(block().title(" evaluations, latest first ")), area);
}

fn draw_lines(frame: &mut Frame<'_>, area: Rect, state: &State) {
    let block = block().title(" log ");
    let rows = usize::from(block.inner(area).height);
    let lines = state.lines();
    let skipped = lines.len().saturating_sub(rows);
    let lines: Vec<Line<'_>> = lines.skip(skipped).map(Line::from).collect();
    frame.render_widget(Paragraph::new(lines).block(block), area);
}

#[cfg(test)]
mod tests {
    use super::super::state::Headline;
    use super::*;
    use pelk_train::{LabelScores, Metric, Scores, StepDetail, StepReport};
    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use std::time::Duration;

    fn state() -> State {
        let headline = Headline {
            title: "pelk_atto on fashion-mnist".to_owned(),
            place: "runs/fashion-mnist · cpu".to_owned(),
            metric: Metric::Accuracy,
            steps: (0, 200),
        };
        State::new(headline, &[])
    }

    fn trained() -> State {
        let mut state = state();
        for step in 1..=100 {
            state.step(&StepReport {
                step,
                total_steps: 200,
                epoch: 1 + step / 50,
                loss: Some(2.0 / step as f64),
                gradient_norm: 1.0,
                skipped: false,
                detail: StepDetail::Accuracy(Some(0.75)),
                learning_rate: 1e-3,
                images: 128,
                time: Duration::from_millis(200),
                waited: Duration::ZERO,
            });
        }
        for (epoch, accuracy) in [(1, Some(0.875)), (2, None), (3, Some(0.8125))] {
            state.evaluated(&MetricsRow {
                epoch,
                step: 50 * epoch,
                learning_rate: 1e-3,
                train_loss: accuracy.map(|_| 0.5),
                test: Scores::Labels(LabelScores {
                    loss: accuracy.map(|_| 0.4375),
                    accuracy,
                    top5_accuracy: Some(1.0),
                    mean_iou: Some(0.7),
                }),
                ema: None,
                nonzeros: 1000,
                images_per_second: 640.0,
            });
        }
        state.line("a gradient overflowed");
        state
    }

    fn screen(state: &State, width: u16, height: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, state)).unwrap();
        let buffer = terminal.backend().buffer();
        let row = |y| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>();
        (0..height).map(|y| row(y) + "\n").collect()
    }

    #[test]
    fn all_that_is_known_is_on_the_screen() {
        let screen = screen(&trained(), 100, 40);
        for text in [
            "pelk_atto on fashion-mnist",
            "runs/fashion-mnist · cpu",
            "step 100/200, 50 %",
            "epoch 3",
            "accuracy 75.0 %",
            "learning rate 1.00e-3",
            "training test accuracy",
            "87.50 %",
            "a gradient overflowed",
            "q save and stop",
        ] {
            assert!(screen.contains(text), "{text:?} is missing:\n{screen}");
        }
        let best = screen.lines().find(|line| line.contains("best")).unwrap();
        assert!(best.contains("87.50 %"), "{best}");
        let nothing = screen.lines().find(|line| line.matches("none").count() == 3);
        assert!(nothing.is_some_and(|line| line.contains(" 100 ") && !line.contains("best")), "{screen}");
        let braille = |text: &str| text.chars().filter(|c| ('\u{2801}'..='\u{28ff}').contains(c)).count();
        assert!(braille(&screen) > 50, "curves are drawn:\n{screen}");
    }

    #[test]
    fn evaluating_and_stopping_are_shown() {
        let mut state = trained();
        (state.evaluating, state.stopping) = (Some((250, 10_000)), true);
        let screen = screen(&state, 80, 24);
        assert!(
            screen.contains("evaluating 250/10000") && screen.contains("stopping and saving"),
            "{screen}"
        );
    }

    #[test]
    fn any_size_and_an_empty_run_are_drawn() {
        for state in [state(), trained()] {
            for (width, height) in [(1, 1), (5, 3), (20, 10), (80, 24), (300, 90)] {
                screen(&state, width, height);
            }
        }
        assert!(screen(&state(), 80, 24).contains("the first step is under way"));
    }

    #[test]
    fn bounds_hold_all_values_and_are_never_empty() {
        assert_eq!(bounds([].into_iter(), 0.1), [0.0, 1.0]);
        assert_eq!(bounds([1.0, 3.0].into_iter(), 0.5), [0.0, 4.0]);
        for value in [0.0, -2.0, 1e-3] {
            let [low, high] = bounds([value].into_iter(), 0.0);
            assert!(low < value && value < high, "{value}");
        }
        assert_eq!(
            [1234.5, 12.34, 0.0, 0.123, 0.004].map(short),
            ["1234", "12.3", "0.000", "0.123", "4.0e-3"]
        );
    }
}
