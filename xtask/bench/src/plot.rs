//! `--plot`: when a pool pays, as three plots with logarithmic axes.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::case::{Candidate, Case, do_jobs};
use crate::machine::{self, progress};
use crate::peers;
use crate::report::spread;

struct Plot {
    file: &'static str,
    title: &'static str,
    description: &'static str,
    axes: [&'static str; 2],
    legend: SeriesLabelPosition,
    xs: &'static [u32],
    lines: &'static [Line],
}

/// A name for the legend, none if empty; a colour, grey for what cannot be beaten; and y for an x.
type Line = (&'static str, RGBColor, fn(f64) -> f64);

/// Legible on white and on black.
const GREY: RGBColor = RGBColor(128, 136, 144);
const BLUE: RGBColor = RGBColor(59, 130, 246);
const ORANGE: RGBColor = RGBColor(234, 88, 12);
const GREEN: RGBColor = RGBColor(22, 163, 74);
const PURPLE: RGBColor = RGBColor(168, 85, 247);

const PLOTS: [Plot; 3] = [
    Plot {
        file: "job-length.svg",
        title: "Cost per job over the duration of the job, 2 workers",
        description: "Below a microsecond a job costs what the pool costs, whatever it does; from \
                      ten microseconds on every pool is close to the ideal.",
        axes: ["duration of a job, ns", "ns a job"],
        legend: SeriesLabelPosition::UpperLeft,
        xs: &[10, 30, 100, 300, 1_000, 3_000, 10_000, 30_000, 100_000],
        lines: &[
            ("the Book's", BLUE, |ns| of_jobs(ns, peers::book)),
            ("threadpool", ORANGE, |ns| of_jobs(ns, peers::threadpool)),
            ("basic", GREEN, |ns| of_jobs(ns, basic)),
            ("par_iter", PURPLE, |ns| of_jobs(ns, peers::par_iter)),
            ("ideal: a plain loop on each core", GREY, |ns| {
                ns / cores(2.0)
            }),
        ],
    },
    Plot {
        file: "batch-size.svg",
        title: "Cost per job over the jobs submitted at a time, basic, 2 workers",
        description: "Short jobs submitted by the dozen cost little more than the ideal.",
        axes: ["jobs in a batch", "ns a job"],
        legend: SeriesLabelPosition::LowerLeft,
        xs: &[1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024],
        lines: &[
            ("jobs of 1000 ns", BLUE, |size| in_batches(size, 1e3)),
            ("ideal, for each", GREY, |_| 1e3 / cores(2.0)),
            ("jobs of 100 ns", ORANGE, |size| in_batches(size, 1e2)),
            ("", GREY, |_| 1e2 / cores(2.0)),
            ("jobs of 10 ns", GREEN, |size| in_batches(size, 1e1)),
            ("", GREY, |_| 1e1 / cores(2.0)),
        ],
    },
    Plot {
        file: "workers.svg",
        title: "Throughput over the number of workers, basic",
        description: "For jobs that wait, each worker adds to the throughput; for jobs that \
                      compute, only as many workers as there are cores do.",
        axes: ["workers", "times a plain loop"],
        legend: SeriesLabelPosition::UpperLeft,
        xs: &[1, 2, 4, 8, 16, 32, 64, 128],
        lines: &[
            ("jobs that wait 1 ms", BLUE, waiting),
            ("jobs that compute 1 ms", ORANGE, |n| gain(n, 1e6, 100)),
            ("jobs that compute 10 us", GREEN, |n| gain(n, 1e4, 10_000)),
            ("jobs that compute 1 us", PURPLE, |n| gain(n, 1e3, 100_000)),
            ("ideal for jobs that compute", GREY, cores),
        ],
    },
];

/// How many cores can be busy.
fn cores(workers: f64) -> f64 {
    workers.min(machine::cores() as f64)
}

/// Nanoseconds a job, if each works for `ns`.
fn cost(workers: f64, ns: f64, jobs: usize, run: impl Fn(Case) -> usize + 'static) -> f64 {
    let case = Case::new(workers as usize, jobs, [ns; 2]);
    Candidate::new("the plotted pool", run).measure(case)
}

fn of_jobs(ns: f64, run: fn(Case) -> usize) -> f64 {
    cost(2.0, ns, (1e8 / (ns + 300.0)).min(2e5) as usize, run)
}

fn basic(case: Case) -> usize {
    case.through("basic")
}

fn in_batches(size: f64, ns: f64) -> f64 {
    let run = move |case: Case| {
        let work = move |batch| (0..size as usize).for_each(|_| _ = case.work(batch));
        do_jobs("basic", case.script(), case.jobs, work)
    };
    cost(2.0, ns, (102_400.0 / size) as usize, run) / size
}

fn gain(workers: f64, ns: f64, jobs: usize) -> f64 {
    ns / cost(workers, ns, jobs, basic)
}

fn waiting(workers: f64) -> f64 {
    let wait = |_| thread::sleep(Duration::from_millis(1));
    let run = move |case: Case| do_jobs("basic", case.script(), case.jobs, wait);
    1e6 / cost(workers, 0.0, 50 * workers as usize, run)
}

/// Measures for about a minute and writes the plots into the lab's folder.
pub fn plot(quick: bool) -> Result<(), Box<dyn Error>> {
    let rounds = if quick { 1 } else { 5 };
    PLOTS.into_iter().try_for_each(|plot| draw(plot, rounds))
}

fn draw(plot: Plot, rounds: usize) -> Result<(), Box<dyn Error>> {
    let (file, lines) = (plot.file, plot.lines);
    let xs = Vec::from_iter(plot.xs.iter().copied().map(f64::from));
    let mut values = vec![Vec::new(); xs.len() * lines.len()];
    for round in 1..=rounds {
        for (place, values) in values.iter_mut().enumerate() {
            let (x, (name, _, y)) = (xs[place / lines.len()], lines[place % lines.len()]);
            progress(format_args!("{file}, round {round}: {name} {x}"));
            values.push(y(x));
        }
    }
    let ys = Vec::from_iter(values.iter().map(|rounds| spread(rounds)[1]));
    let ([left, _, right], [low, _, high]) = (spread(&xs), spread(&ys));
    let (x, y) = (left..right, low * 0.8..high * 1.25);

    let mut svg = String::new();
    let canvas = SVGBackend::with_string(&mut svg, (840, 480)).into_drawing_area();
    let grey = |size| ("sans-serif", size).into_font().color(&GREY);
    let mut chart = ChartBuilder::on(&canvas)
        .caption(plot.title, grey(20))
        .margin(12)
        .margin_right(28)
        .x_label_area_size(64)
        .y_label_area_size(72)
        .build_cartesian_2d(x.log_scale(), y.log_scale())?;
    chart
        .configure_mesh()
        .axis_style(GREY)
        .bold_line_style(GREY.mix(0.25))
        .light_line_style(TRANSPARENT)
        .label_style(grey(14))
        .axis_desc_style(grey(15))
        .x_desc(plot.axes[0])
        .y_desc(plot.axes[1])
        .x_label_formatter(&f64::to_string)
        .y_label_formatter(&f64::to_string)
        .draw()?;
    for (number, &(name, colour, _)) in lines.iter().enumerate() {
        let ys = ys.iter().skip(number).step_by(lines.len());
        let points = xs.iter().copied().zip(ys.copied());
        let style = colour.stroke_width(if colour == GREY { 1 } else { 3 });
        let drawn = match colour {
            GREY => chart.draw_series(DashedLineSeries::new(points, 5, 4, style)),
            _ => chart.draw_series(LineSeries::new(points, style)),
        }?;
        if !name.is_empty() {
            let sample = move |(x, y)| PathElement::new([(x, y), (x + 20, y)], style);
            drawn.label(name).legend(sample);
        }
    }
    chart
        .configure_series_labels()
        .position(plot.legend)
        .margin(16)
        .label_font(grey(15))
        .draw()?;
    let seen = format!("Seen on {}.", machine::description());
    let below = Pos::new(HPos::Left, VPos::Bottom);
    canvas.draw_text(&seen, &grey(12).pos(below), (12, 474))?;
    drop((chart, canvas));

    // A name and a description for those who cannot see it.
    let (title, description) = (plot.title, plot.description);
    let head = format!(
        " role=\"img\" aria-labelledby=\"title description\">\n\
         <title id=\"title\">{title}</title>\n<desc id=\"description\">{description}</desc>"
    );
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    Ok(fs::write(file, svg.replacen('>', &head, 1))?)
}
