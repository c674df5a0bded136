//! `--plot`: when a pool pays, as three pictures.

use std::error::Error;
use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::contest::{Contender, median, range};
use crate::machine;
use crate::threads::{self, CAPACITY};
use crate::work::{Load, Spinner};

/// A picture with logarithmic axes.
struct Picture {
    file: &'static str,
    title: &'static str,
    description: &'static str,
    x: &'static str,
    y: &'static str,
    legend: SeriesLabelPosition,
    lines: Vec<Line>,
}

struct Line {
    name: String,
    colour: RGBColor,
    /// What cannot be beaten.
    ideal: bool,
    points: Vec<(f64, f64)>,
}

/// Legible on white and on black.
const GREY: RGBColor = RGBColor(128, 136, 144);
const COLOURS: [RGBColor; 4] = [
    RGBColor(59, 130, 246),
    RGBColor(234, 88, 12),
    RGBColor(22, 163, 74),
    RGBColor(168, 85, 247),
];

impl Line {
    fn measured(name: &str, colour: usize, points: Vec<(f64, f64)>) -> Self {
        Self {
            name: name.to_owned(),
            colour: COLOURS[colour],
            ideal: false,
            points,
        }
    }

    fn ideal(name: &str, points: Vec<(f64, f64)>) -> Self {
        Self {
            name: name.to_owned(),
            colour: GREY,
            ideal: true,
            points,
        }
    }
}

/// Measures for about a minute and writes the pictures into the lab's folder.
///
/// # Errors
///
/// If a picture cannot be drawn or written.
pub fn plot(spinner: Spinner, quick: bool, progress: impl Fn(&str)) -> Result<(), Box<dyn Error>> {
    let rounds = if quick { 1 } else { 5 };
    for picture in [job_length, batch_size, workers] {
        draw(&picture(spinner, rounds, &progress))?;
    }
    Ok(())
}

const TWO: NonZeroUsize = NonZeroUsize::new(2).expect("2 is not 0");

fn cores(workers: usize) -> f64 {
    let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    cores.min(workers) as f64
}

fn job_length(spinner: Spinner, rounds: usize, progress: &dyn Fn(&str)) -> Picture {
    let lengths = [10, 30, 100, 300, 1_000, 3_000, 10_000, 30_000, 100_000];
    let contenders = ["the Book's", "threadpool", "basic", "par_iter"];
    let all = || threads::STEPS.into_iter().chain(threads::PEERS);
    let contenders = contenders.map(|name| all().find(|one| one.name == name));
    let contenders = contenders.map(|one| one.expect("all of them are contenders"));

    let measure = |length: u32, contender: &Contender| {
        progress(&format!("job length: {} {length} ns", contender.name));
        let load = spinner.load(length.into());
        let jobs = (100_000_000 / (u64::from(length) + 300)).min(200_000);
        contender.measure(load, TWO, jobs)
    };
    let points = sweep(&lengths, &contenders, rounds, measure);
    let ideal = lengths.map(|length| (f64::from(length), f64::from(length) / cores(2)));
    let mut lines = vec![Line::ideal(
        "ideal: a plain loop on each core",
        ideal.to_vec(),
    )];
    for ((colour, contender), points) in contenders.iter().enumerate().zip(points) {
        lines.push(Line::measured(contender.name, colour, points));
    }
    Picture {
        file: "job-length.svg",
        title: "Cost per job over the length of the job, 2 workers",
        description: "Below a microsecond a job costs what the pool costs, whatever it does; from \
                      ten microseconds on every pool is close to the ideal.",
        x: "length of a job, ns",
        y: "ns a job",
        legend: SeriesLabelPosition::UpperLeft,
        lines,
    }
}

fn batch_size(spinner: Spinner, rounds: usize, progress: &dyn Fn(&str)) -> Picture {
    let sizes = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024];
    let lengths = [1_000, 100, 10];
    let measure = |size: u32, length: &u32| {
        progress(&format!("batch size: {size} of {length} ns"));
        let jobs = 100_000;
        let start = Instant::now();
        batched(spinner.load((*length).into()), jobs, u64::from(size));
        start.elapsed().as_nanos() as f64 / jobs as f64
    };
    let points = sweep(&sizes, &lengths, rounds, measure);
    let mut lines = Vec::new();
    for (colour, (length, points)) in lengths.into_iter().zip(points).enumerate() {
        let ideal = f64::from(length) / cores(2);
        let name = format!("jobs of {length} ns");
        lines.push(Line::measured(&name, colour, points));
        let ideal = sizes.map(|size| (size.into(), ideal)).to_vec();
        let name = if colour == 0 { "ideal, for each" } else { "" };
        lines.push(Line::ideal(name, ideal));
    }
    Picture {
        file: "batch-size.svg",
        title: "Cost per job over the jobs handed in at a time, basic, 2 workers",
        description: "Short jobs handed in by the dozen cost little more than the ideal.",
        x: "jobs in a batch",
        y: "ns a job",
        legend: SeriesLabelPosition::LowerLeft,
        lines,
    }
}

/// Through `basic`, so many jobs at a time.
fn batched(load: Load, jobs: u64, size: u64) -> u64 {
    let mut sum = 0;
    let pool = basic::Pool {
        workers: TWO,
        capacity: CAPACITY,
    };
    let batches = (0..jobs)
        .step_by(size as usize)
        .map(|first| first..jobs.min(first + size));
    let work = |_, batch: std::ops::Range<u64>| batch.map(|job| load.work(job)).sum::<u64>();
    pool.run(batches, work, |result| sum += result)
        .expect("threads start");
    sum
}

fn workers(spinner: Spinner, rounds: usize, progress: &dyn Fn(&str)) -> Picture {
    let workers = [1, 2, 4, 8, 16, 32, 64, 128];
    let kinds = [
        ("jobs that wait 1 ms", 1e6, None), // so many that each worker gets some
        ("jobs that compute 1 ms", 1e6, Some(100)),
        ("jobs that compute 10 us", 1e4, Some(10_000)),
        ("jobs that compute 1 us", 1e3, Some(100_000)),
    ];
    let measure = |workers: u32, (name, ns, jobs): &(&str, f64, Option<u64>)| {
        progress(&format!("workers: {workers}, {name}"));
        let all = jobs.unwrap_or(50 * u64::from(workers));
        let workers = NonZeroUsize::new(workers as usize).expect("not 0");
        let start = Instant::now();
        match jobs {
            Some(jobs) => _ = threads::basic(spinner.load(*ns), workers, *jobs),
            None => wait(Duration::from_nanos(*ns as u64), workers, all),
        }
        all as f64 * ns / start.elapsed().as_nanos() as f64
    };
    let points = sweep(&workers, &kinds, rounds, measure);
    let ideal = workers.map(|workers| (workers.into(), cores(workers as usize)));
    let mut lines = vec![Line::ideal("ideal for jobs that compute", ideal.to_vec())];
    for ((colour, kind), points) in kinds.into_iter().enumerate().zip(points) {
        lines.push(Line::measured(kind.0, colour, points));
    }
    Picture {
        file: "workers.svg",
        title: "Throughput over the number of workers, basic",
        description: "For jobs that wait, each worker adds to the throughput; for jobs that \
                      compute, only as many workers as there are cores do.",
        x: "workers",
        y: "times a plain loop",
        legend: SeriesLabelPosition::UpperLeft,
        lines,
    }
}

/// Through `basic`, jobs that do not compute but wait.
fn wait(time: Duration, workers: NonZeroUsize, jobs: u64) {
    let pool = basic::Pool {
        workers,
        capacity: CAPACITY,
    };
    pool.run(0..jobs, |_, _| thread::sleep(time), |()| {})
        .expect("threads start");
}

/// The median of some rounds for each of `lines` at each of `xs`.
fn sweep<L>(
    xs: &[u32],
    lines: &[L],
    rounds: usize,
    measure: impl Fn(u32, &L) -> f64,
) -> Vec<Vec<(f64, f64)>> {
    let mut samples = vec![vec![Vec::new(); xs.len()]; lines.len()];
    for _ in 0..rounds {
        for (place, x) in xs.iter().enumerate() {
            for (line, samples) in lines.iter().zip(&mut samples) {
                samples[place].push(measure(*x, line));
            }
        }
    }
    let medians = samples.iter().map(|samples| {
        let points = xs.iter().zip(samples);
        points
            .map(|(x, samples)| (f64::from(*x), median(samples)))
            .collect()
    });
    medians.collect()
}

/// Draws `picture` and writes it into the lab's folder.
fn draw(picture: &Picture) -> Result<(), Box<dyn Error>> {
    let mut svg = String::new();
    let canvas = SVGBackend::with_string(&mut svg, (840, 480)).into_drawing_area();
    let values = |of: fn(&(f64, f64)) -> f64| {
        let points = picture.lines.iter().flat_map(|line| &line.points);
        let (min, max) = range(&points.map(of).collect::<Vec<_>>());
        min..max
    };
    let (x, y) = (values(|point| point.0), values(|point| point.1));
    let grey = |size| ("sans-serif", size).into_font().color(&GREY);

    let mut chart = ChartBuilder::on(&canvas)
        .caption(picture.title, grey(20))
        .margin(12)
        .margin_right(28)
        .x_label_area_size(64)
        .y_label_area_size(72)
        .build_cartesian_2d(x.log_scale(), (y.start * 0.8..y.end * 1.25).log_scale())?;
    let number = |value: &f64| format!("{value}");
    chart
        .configure_mesh()
        .axis_style(GREY)
        .bold_line_style(GREY.mix(0.25))
        .light_line_style(TRANSPARENT)
        .label_style(grey(14))
        .axis_desc_style(grey(15))
        .x_desc(picture.x)
        .y_desc(picture.y)
        .x_label_formatter(&number)
        .y_label_formatter(&number)
        .draw()?;

    for line in &picture.lines {
        let style = line.colour.stroke_width(if line.ideal { 1 } else { 3 });
        let points = line.points.iter().copied();
        let drawn = match line.ideal {
            true => chart.draw_series(DashedLineSeries::new(points, 5, 4, style))?,
            false => chart.draw_series(LineSeries::new(points, style))?,
        };
        if !line.name.is_empty() {
            drawn
                .label(&line.name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], style));
        }
    }
    chart
        .configure_series_labels()
        .position(picture.legend.clone())
        .margin(16)
        .label_font(grey(15))
        .draw()?;
    let seen = format!("Seen on {}.", machine::description());
    let below = Pos::new(HPos::Left, VPos::Bottom);
    canvas.draw_text(&seen, &grey(12).pos(below), (12, 474))?;
    canvas.present()?;
    drop((chart, canvas));

    // A name and a description for those who cannot see it.
    let Picture {
        title, description, ..
    } = picture;
    let (head, rest) = svg.split_once('>').ok_or("the picture has no head")?;
    let svg = format!(
        "{head} role=\"img\" aria-labelledby=\"title description\">\n\
         <title id=\"title\">{title}</title>\n<desc id=\"description\">{description}</desc>{rest}"
    );
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(picture.file);
    fs::write(&file, svg)?;
    Ok(())
}
