//! `swim-bench [--seeds N] [--hours H] [PART…]`: muster's failure detector beside foca 2.0 and beside the Lifeguard
//! model with memberlist's LAN figures, in one simulator on the same seeds. Parts: crash, steady, slow, heal, leave,
//! speed. The goals stand behind muster's figures; exit code 1 if one is missed.

mod foca_node;
mod scenario;
mod subject;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use scenario::{crash, heal, leave, slow, steady};
use subject::{Fast, Foca, Lifeguard, Slow, Subject};

static MISSED: AtomicU64 = AtomicU64::new(0);

struct Options {
    seeds: u64,
    hours: f64,
    parts: Vec<String>,
}

fn options() -> Options {
    let mut options = Options { seeds: 100, hours: 200.0, parts: Vec::new() };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--seeds" => options.seeds = arguments.next().and_then(|n| n.parse().ok()).unwrap_or(100),
            "--hours" => options.hours = arguments.next().and_then(|n| n.parse().ok()).unwrap_or(200.0),
            _ => options.parts.push(argument),
        }
    }
    options
}

fn main() {
    let options = options();
    let parts: [(&str, fn(&Options)); 6] = [
        ("crash", crashes),
        ("steady", steadies),
        ("slow", slows),
        ("heal", heals),
        ("leave", leaves),
        ("speed", speed),
    ];
    for (name, part) in parts {
        if options.parts.is_empty() || options.parts.iter().any(|wanted| wanted == name) {
            let began = Instant::now();
            part(&options);
            println!("({name}: {:.0} s)\n", began.elapsed().as_secs_f64());
        }
    }
    let missed = MISSED.load(Ordering::Relaxed);
    println!("{missed} goals missed");
    std::process::exit(i32::from(missed > 0));
}

/// One result a seed, on all cores.
fn each_seed<T: Send>(seeds: u64, run: impl Fn(u64) -> T + Sync) -> Vec<T> {
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get()) as u64;
    let run = &run;
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..cores)
            .map(|core| {
                scope.spawn(move || {
                    (0..seeds).filter(|seed| seed % cores == core).map(run).collect::<Vec<_>>()
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    })
}

fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = ((sorted.len() as f64 * share).ceil() as usize).clamp(1, sorted.len()) - 1;
    sorted[at]
}

/// A figure with its goal.
fn held(value: f64, goal: f64, unit: &str) -> String {
    let mark = if value <= goal + 1e-9 { "ok" } else { "MISSED" };
    if value > goal + 1e-9 {
        MISSED.fetch_add(1, Ordering::Relaxed);
    }
    format!("{value:.2} (≤ {goal}{unit} {mark})")
}

/// The others are measured for so many node-hours at most.
const PEER_HOURS: f64 = 40.0;
/// Rows in which deaths may happen, or bytes are what is looked at, take so many node-hours at most.
const LOSSY_HOURS: f64 = 200.0;

const SIZES: [u32; 4] = [3, 10, 100, 1000];

fn seeds_for(options: &Options, size: u32) -> u64 {
    match size {
        1000 => (options.seeds / 10).max(3),
        _ => options.seeds,
    }
}

fn crashes(options: &Options) {
    println!(
        "### A crash: first death median / p99 s · all know after it p99 s · runs of seeds incomplete after 90 s\n"
    );
    println!("| N, loss | {} | {} | {} |\n|---|---|---|---|", Fast::NAME, Lifeguard::NAME, Foca::NAME);
    let goals = [(2.8, 3.8, 0.1, 0.5), (2.9, 4.5, 0.3, 0.5), (5.2, 7.0, 0.5, 0.7), (8.0, 10.0, 0.8, 1.2)];
    for (size, goal) in SIZES.into_iter().zip(goals) {
        for loss in [0.0, 0.1, 0.3] {
            let seeds = seeds_for(options, size);
            let ours = crash_figures::<Fast>(seeds, size, loss);
            let spread = if loss > 0.2 { goal.3 } else { goal.2 };
            let first = match loss > 0.2 {
                true => format!("{:.2} / {:.2}", ours.0, ours.1),
                false => format!("{} / {}", held(ours.0, goal.0, ""), held(ours.1, goal.1, "")),
            };
            let ours =
                format!("{first} · {} · {} of {seeds}", held(ours.2, spread, ""), held(ours.3, 0.0, ""));
            let other = |(first, last, all, open): (f64, f64, f64, f64)| {
                format!("{first:.2} / {last:.2} · {all:.2} · {open} of {seeds}")
            };
            let lifeguard = other(crash_figures::<Lifeguard>(seeds, size, loss));
            let foca =
                if size < 1000 { other(crash_figures::<Foca>(seeds, size, loss)) } else { "not run".into() };
            println!("| {size}, {:.0} % | {ours} | {lifeguard} | {foca} |", loss * 100.0);
        }
    }
}

fn crash_figures<S: Subject>(seeds: u64, size: u32, loss: f64) -> (f64, f64, f64, f64) {
    let runs = each_seed(seeds, |seed| crash::<S>(seed, size, loss));
    let firsts: Vec<f64> = runs.iter().map(|run| run.first).collect();
    let times: Vec<f64> = runs.iter().filter(|run| run.is_complete).map(|run| run.all).collect();
    let open = runs.iter().filter(|run| !run.is_complete).count();
    let all = if times.is_empty() { f64::INFINITY } else { quantile(&times, 0.99) };
    (quantile(&firsts, 0.5), quantile(&firsts, 0.99), all, open as f64)
}

fn steadies(options: &Options) {
    println!(
        "### Nobody crashes: false deaths per node-hour · bytes per node and second, with IP, UDP and AEAD\n"
    );
    println!(
        "| N, loss | node-hours | {} | {} | {} |\n|---|---|---|---|---|",
        Fast::NAME,
        Lifeguard::NAME,
        Foca::NAME
    );
    let deaths = [[0.0, 0.0, 0.05, 0.5], [0.0, 0.0, 0.0, 0.1], [0.0, 0.0, 0.0, 0.05], [0.0, 0.0, 0.0, 0.05]];
    let bytes = [(250.0, 500.0), (300.0, 700.0), (400.0, 1500.0), (800.0, 3000.0)];
    for ((size, deaths), bytes) in SIZES.into_iter().zip(deaths).zip(bytes) {
        for (loss, most) in [0.0, 0.1, 0.2, 0.3].into_iter().zip(deaths) {
            let hours = if size == 1000 { options.hours / 4.0 } else { options.hours };
            let hours = if loss > 0.1 { hours.min(LOSSY_HOURS) } else { hours };
            let seeds = if size == 1000 { 2 } else { 20 };
            let seconds = hours * 3600.0 / f64::from(size) / seeds as f64;
            let ours = steady_figures::<Fast>(seeds, size, (loss, seconds));
            let limit = if loss == 0.0 {
                Some(bytes.0)
            } else if loss == 0.2 {
                Some(bytes.1)
            } else {
                None
            };
            let cost =
                limit.map_or_else(|| format!("{:.0}", ours.1), |limit| held(ours.1.round(), limit, ""));
            let ours = format!("{} · {cost}", held(ours.0, most, ""));
            let other = |(deaths, bytes): (f64, f64)| format!("{deaths:.2} · {bytes:.0}");
            let seconds = seconds.min(PEER_HOURS * 3600.0 / f64::from(size) / seeds as f64);
            let lifeguard = other(steady_figures::<Lifeguard>(seeds, size, (loss, seconds)));
            let foca = if size < 1000 {
                other(steady_figures::<Foca>(seeds, size, (loss, seconds)))
            } else {
                "not run".into()
            };
            println!("| {size}, {:.0} % | {hours:.0} | {ours} | {lifeguard} | {foca} |", loss * 100.0);
        }
    }
}

fn steady_figures<S: Subject>(seeds: u64, size: u32, (loss, seconds): (f64, f64)) -> (f64, f64) {
    let runs = each_seed(seeds, |seed| steady::<S>(seed, size, (loss, seconds)));
    let hours: f64 = runs.iter().map(|run| run.node_hours).sum();
    let deaths: u64 = runs.iter().map(|run| run.deaths).sum();
    let bytes: f64 = runs.iter().map(|run| run.bytes).sum();
    (deaths as f64 / hours, bytes / (hours * 3600.0))
}

fn slows(options: &Options) {
    println!(
        "### Slow members, 128 nodes, two minutes: deaths among the healthy, a run · deaths that concern the slow\n"
    );
    println!(
        "| slow, stall/awake s | {} | {} | {} | {} |\n|---|---|---|---|---|",
        Fast::NAME,
        Slow::NAME,
        Lifeguard::NAME,
        Foca::NAME
    );
    for (number, stall, awake) in
        [(4, 4.0, 1.0), (4, 16.0, 1.0), (8, 8.0, 0.5), (16, 16.0, 0.1), (32, 16.0, 0.1)]
    {
        let seeds = (options.seeds / 10).max(2);
        let ours = slow_figures::<Fast>(seeds, number, (stall, awake));
        let ours = format!("{} · {:.0}", held(ours.0, 0.0, ""), ours.1);
        let other = |(healthy, slow): (f64, f64)| format!("{healthy:.1} · {slow:.0}");
        let default = other(slow_figures::<Slow>(seeds, number, (stall, awake)));
        let lifeguard = other(slow_figures::<Lifeguard>(seeds, number, (stall, awake)));
        let foca = other(slow_figures::<Foca>(seeds, number, (stall, awake)));
        println!("| {number}, {stall}/{awake} | {ours} | {default} | {lifeguard} | {foca} |");
    }
}

fn slow_figures<S: Subject>(seeds: u64, number: u32, stall: (f64, f64)) -> (f64, f64) {
    let runs = each_seed(seeds, |seed| slow::<S>(seed, (128, number), stall));
    let count = runs.len() as f64;
    (
        runs.iter().map(|run| run.0 as f64).sum::<f64>() / count,
        runs.iter().map(|run| run.1 as f64).sum::<f64>() / count,
    )
}

fn heals(options: &Options) {
    println!(
        "### A cut of 90 s heals: seconds to one full view, median / p99 · runs not whole after two minutes\n"
    );
    println!("| N | {} | {} | {} |\n|---|---|---|---|", Fast::NAME, Lifeguard::NAME, Foca::NAME);
    for (size, goal) in SIZES.into_iter().zip([2.0, 5.0, 10.0, 30.0]) {
        let seeds = if size == 1000 { 2 } else { options.seeds / (1 + u64::from(size) / 100) };
        let ours = optional(each_seed(seeds, |seed| heal::<Fast>(seed, size)));
        let ours =
            format!("{:.2} / {} · {} of {seeds}", ours.0, held(ours.1, goal, ""), held(ours.2, 0.0, ""));
        let other =
            |(median, last, open): (f64, f64, f64)| format!("{median:.2} / {last:.2} · {open} of {seeds}");
        let lifeguard = if size < 1000 {
            other(optional(each_seed(seeds, |seed| heal::<Lifeguard>(seed, size))))
        } else {
            "not run".into()
        };
        let foca = if size < 1000 {
            other(optional(each_seed(seeds, |seed| heal::<Foca>(seed, size))))
        } else {
            "not run".into()
        };
        println!("| {size} | {ours} | {lifeguard} | {foca} |");
    }
}

fn optional(times: Vec<Option<f64>>) -> (f64, f64, f64) {
    let known: Vec<f64> = times.iter().flatten().copied().collect();
    let open = times.len() - known.len();
    if known.is_empty() {
        return (f64::INFINITY, f64::INFINITY, open as f64);
    }
    (quantile(&known, 0.5), quantile(&known, 0.99), open as f64)
}

fn leaves(options: &Options) {
    println!(
        "### A goodbye: seconds until all have seen it, median / p99 · runs in which not all had after a minute\n"
    );
    println!("| N, loss | {} | {} | {} |\n|---|---|---|---|", Fast::NAME, Lifeguard::NAME, Foca::NAME);
    for (size, goal) in SIZES.into_iter().zip([0.2, 0.3, 0.6, 1.0]) {
        for loss in [0.0, 0.1] {
            let seeds = seeds_for(options, size);
            let ours = optional(each_seed(seeds, |seed| leave::<Fast>(seed, size, loss)));
            let ours =
                format!("{:.2} / {} · {} of {seeds}", ours.0, held(ours.1, goal, ""), held(ours.2, 0.0, ""));
            let other = |(median, last, open): (f64, f64, f64)| {
                format!("{median:.2} / {last:.2} · {open} of {seeds}")
            };
            let lifeguard = other(optional(each_seed(seeds, |seed| leave::<Lifeguard>(seed, size, loss))));
            let foca = if size < 1000 {
                other(optional(each_seed(seeds, |seed| leave::<Foca>(seed, size, loss))))
            } else {
                "not run".into()
            };
            println!("| {size}, {:.0} % | {ours} | {lifeguard} | {foca} |", loss * 100.0);
        }
    }
}

fn speed(_: &Options) {
    println!("### The simulator: one virtual minute of 1000 nodes on one core, without their start\n");
    let mut world = Fast::cluster(1, 1000);
    let began = Instant::now();
    world.run(Duration::from_secs(60));
    println!("{} s, {} datagrams", held(began.elapsed().as_secs_f64(), 3.0, ""), world.datagrams);
}
