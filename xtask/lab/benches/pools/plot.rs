//! `--plot`: when a pool pays, as three plots with logarithmic axes.

use std::error::Error;
use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;
use std::thread;
use std::time::Duration;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::harness::step;
use crate::machine;
use crate::peers;
use crate::progress::progress;
use crate::report::Figure;
use crate::trial::{Candidate, Trial};

struct Plot {
    file: &'static str,
    title: &'static str,
    description: &'static str,
    x: &'static str,
    y: &'static str,
    legend: SeriesLabelPosition,
    xs: &'static [u32],
    lines: Vec<Line>,
}

struct Line {
    /// For the legend; none if empty.
    name: &'static str,
    /// Whether it is computed: what cannot be beaten.
    is_ideal: bool,
    y: Box<dyn Fn(u32) -> f64>,
}

fn measured(name: &'static str, y: impl Fn(u32) -> f64 + 'static) -> Line {
    let (is_ideal, y) = (false, Box::new(y));
    Line { name, is_ideal, y }
}

fn ideal(name: &'static str, y: impl Fn(u32) -> f64 + 'static) -> Line {
    let (is_ideal, y) = (true, Box::new(y));
    Line { name, is_ideal, y }
}

/// Legible on white and on black.
const GREY: RGBColor = RGBColor(128, 136, 144);
const COLOURS: [RGBColor; 4] = [
    RGBColor(59, 130, 246),
    RGBColor(234, 88, 12),
    RGBColor(22, 163, 74),
    RGBColor(168, 85, 247),
];

/// Measures for about a minute and writes the plots into the lab's folder.
///
/// # Errors
///
/// If a plot cannot be drawn or written.
pub fn plot(quick: bool) -> Result<(), Box<dyn Error>> {
    for plot in [job_duration(), batch_size(), workers()] {
        draw(&plot, if quick { 1 } else { 5 })?;
    }
    progress("");
    Ok(())
}

fn cores(workers: u32) -> f64 {
    let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    f64::from(workers).min(cores as f64)
}

fn candidates() -> impl Iterator<Item = Candidate> {
    let basic = Candidate::step(step("basic"));
    peers::of_threads().into_iter().chain([basic])
}

fn job_duration() -> Plot {
    let names = ["the Book's", "threadpool", "basic", "par_iter"];
    let of_name = |name| candidates().find(|candidate| candidate.name == name);
    let candidates = names.map(|name| of_name(name).expect("it is one of them"));
    let mut lines = Vec::from(candidates.map(|candidate| {
        measured(candidate.name, move |ns| {
            let jobs = (100_000_000 / (ns as usize + 300)).min(200_000);
            candidate.measure(Trial::new(2, jobs, [ns.into(); 2]))
        })
    }));
    let at_best = |ns| f64::from(ns) / cores(2);
    lines.push(ideal("ideal: a plain loop on each core", at_best));
    Plot {
        file: "job-length.svg",
        title: "Cost per job over the duration of the job, 2 workers",
        description: "Below a microsecond a job costs what the pool costs, whatever it does; from \
                      ten microseconds on every pool is close to the ideal.",
        x: "duration of a job, ns",
        y: "ns a job",
        legend: SeriesLabelPosition::UpperLeft,
        xs: &[10, 30, 100, 300, 1_000, 3_000, 10_000, 30_000, 100_000],
        lines,
    }
}

fn batch_size() -> Plot {
    let kinds = [
        (1e3, "jobs of 1000 ns", "ideal, for each"),
        (1e2, "jobs of 100 ns", ""),
        (1e1, "jobs of 10 ns", ""),
    ];
    let mut lines = Vec::new();
    for (ns, name, of_ideal) in kinds {
        lines.push(measured(name, move |size| {
            let batch = Candidate::new(name, move |trial| {
                trial.play(step("basic"), move |batch| {
                    (0..size).for_each(|_| _ = trial.work(batch));
                })
            });
            let batches = 100_000 / size as usize;
            batch.measure(Trial::new(2, batches, [ns; 2])) / f64::from(size)
        }));
        lines.push(ideal(of_ideal, move |_| ns / cores(2)));
    }
    Plot {
        file: "batch-size.svg",
        title: "Cost per job over the jobs submitted at a time, basic, 2 workers",
        description: "Short jobs submitted by the dozen cost little more than the ideal.",
        x: "jobs in a batch",
        y: "ns a job",
        legend: SeriesLabelPosition::LowerLeft,
        xs: &[1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024],
        lines,
    }
}

fn workers() -> Plot {
    let waiting = Candidate::new("jobs that wait 1 ms", |trial| {
        trial.play(step("basic"), |_| thread::sleep(Duration::from_millis(1)))
    });
    let mut lines = vec![measured(waiting.name, move |workers| {
        let jobs = 50 * workers as usize;
        1e6 / waiting.measure(Trial::new(workers as usize, jobs, [0.0; 2]))
    })];
    let kinds = [
        (1e6, 100, "jobs that compute 1 ms"),
        (1e4, 10_000, "jobs that compute 10 us"),
        (1e3, 100_000, "jobs that compute 1 us"),
    ];
    for (ns, jobs, name) in kinds {
        let basic = Candidate::step(step("basic"));
        lines.push(measured(name, move |workers| {
            ns / basic.measure(Trial::new(workers as usize, jobs, [ns; 2]))
        }));
    }
    lines.push(ideal("ideal for jobs that compute", cores));
    Plot {
        file: "workers.svg",
        title: "Throughput over the number of workers, basic",
        description: "For jobs that wait, each worker adds to the throughput; for jobs that \
                      compute, only as many workers as there are cores do.",
        x: "workers",
        y: "times a plain loop",
        legend: SeriesLabelPosition::UpperLeft,
        xs: &[1, 2, 4, 8, 16, 32, 64, 128],
        lines,
    }
}

/// The median of some rounds for each line at each x.
fn measure(plot: &Plot, rounds: usize) -> Vec<Vec<(f64, f64)>> {
    let mut figures = vec![vec![Figure::default(); plot.xs.len()]; plot.lines.len()];
    for round in 1..=rounds {
        for (place, x) in plot.xs.iter().enumerate() {
            for (line, figures) in plot.lines.iter().zip(&mut figures) {
                progress(format_args!(
                    "{}, round {round}: {} {x}",
                    plot.file, line.name
                ));
                figures[place].rounds.push((line.y)(*x));
            }
        }
    }
    let xs = || plot.xs.iter().copied().map(f64::from);
    let points = |line: Vec<Figure>| xs().zip(line.iter().map(Figure::median)).collect();
    figures.into_iter().map(points).collect()
}

/// Measures, draws and writes a plot.
fn draw(plot: &Plot, rounds: usize) -> Result<(), Box<dyn Error>> {
    let lines = measure(plot, rounds);
    let values = |of: fn(&(f64, f64)) -> f64| {
        let values = Figure::from_iter(lines.iter().flatten().map(of));
        values.min()..values.max()
    };
    let mut svg = String::new();
    let canvas = SVGBackend::with_string(&mut svg, (840, 480)).into_drawing_area();
    let (x, y) = (values(|point| point.0), values(|point| point.1));
    let grey = |size| ("sans-serif", size).into_font().color(&GREY);

    let mut chart = ChartBuilder::on(&canvas)
        .caption(plot.title, grey(20))
        .margin(12)
        .margin_right(28)
        .x_label_area_size(64)
        .y_label_area_size(72)
        .build_cartesian_2d(x.log_scale(), (y.start * 0.8..y.end * 1.25).log_scale())?;
    chart
        .configure_mesh()
        .axis_style(GREY)
        .bold_line_style(GREY.mix(0.25))
        .light_line_style(TRANSPARENT)
        .label_style(grey(14))
        .axis_desc_style(grey(15))
        .x_desc(plot.x)
        .y_desc(plot.y)
        .x_label_formatter(&f64::to_string)
        .y_label_formatter(&f64::to_string)
        .draw()?;

    let mut colours = COLOURS.iter();
    for (Line { name, is_ideal, .. }, points) in plot.lines.iter().zip(&lines) {
        let points = points.iter().copied();
        let style = match is_ideal {
            true => GREY.stroke_width(1),
            false => colours.next().unwrap_or(&GREY).stroke_width(3),
        };
        let drawn = match is_ideal {
            true => chart.draw_series(DashedLineSeries::new(points, 5, 4, style))?,
            false => chart.draw_series(LineSeries::new(points, style))?,
        };
        if !name.is_empty() {
            let sample = move |(x, y)| PathElement::new([(x, y), (x + 20, y)], style);
            drawn.label(*name).legend(sample);
        }
    }
    chart
        .configure_series_labels()
        .position(plot.legend.clone())
        .margin(16)
        .label_font(grey(15))
        .draw()?;
    let seen = format!("Seen on {}.", machine::description());
    let below = Pos::new(HPos::Left, VPos::Bottom);
    canvas.draw_text(&seen, &grey(12).pos(below), (12, 474))?;
    canvas.present()?;
    drop((chart, canvas));

    // A name and a description for those who cannot see it.
    let (title, description) = (plot.title, plot.description);
    let (head, rest) = svg.split_once('>').ok_or("the plot has no head")?;
    let svg = format!(
        "{head} role=\"img\" aria-labelledby=\"title description\">\n\
         <title id=\"title\">{title}</title>\n<desc id=\"description\">{description}</desc>{rest}"
    );
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(plot.file);
    fs::write(&file, svg)?;
    Ok(())
}
