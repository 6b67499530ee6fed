//! The table and the plot of `docs/metastability.md`.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::{END, FAULT, LOAD, Run};

const BEGIN: &str = "<!-- table -->\n";
const END_OF_TABLE: &str = "<!-- end of table -->";

/// Writes both, when asked to.
pub(crate) fn write(runs: &[Run]) {
    if !std::env::var("HARDENING_DOCS").is_ok_and(|mode| mode == "write") {
        return;
    }
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let page = docs.join("metastability.md");
    let text = fs::read_to_string(&page).expect("docs/metastability.md");
    let (before, rest) = text.split_once(BEGIN).expect("the table's begin");
    let (_, after) = rest.split_once(END_OF_TABLE).expect("the table's end");
    fs::write(&page, format!("{before}{BEGIN}{}{END_OF_TABLE}{after}", table(runs))).expect("the page");
    fs::write(docs.join("metastability.svg"), plot(runs)).expect("the plot");
}

fn table(runs: &[Run]) -> String {
    let mut out = "| | answers/s in the fault | 1 s after | 3 s after | 40 s after | executions/s in the fault | back after |\n|---|---|---|---|---|---|---|\n".to_owned();
    let (fault, end) = (FAULT.end as usize, END as usize);
    for run in runs {
        let back = run.after_fault().map_or("**never**".to_owned(), |seconds| format!("{seconds} s"));
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} | {back} |",
            run.name,
            run.goodput[fault - 2],
            run.goodput[fault + 1],
            run.goodput[fault + 3],
            run.goodput[end - 1],
            run.work[fault - 2],
        );
    }
    out
}

/// Goodput over time, one line for each run.
fn plot(runs: &[Run]) -> String {
    const COLOURS: [&str; 11] = [
        "#1b6e3c", "#58a06f", "#2c6fbb", "#7a5195", "#c98500", "#d9480f", "#c92a2a", "#868e96", "#0b7285",
        "#364fc7", "#a9e34b",
    ];
    let (width, height, left, top) = (900.0, 360.0, 50.0, 20.0);
    let x = |second: f64| left + second / END as f64 * (width - left - 20.0);
    let y = |answers: f64| top + (1.0 - answers / (LOAD as f64 * 1.3)) * (height - top - 40.0);
    let rows = runs.len() as f64;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {}\" font-family=\"sans-serif\" font-size=\"12\">\n<title>Answers a second before, during and after an overload</title>\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n",
        height + rows * 18.0 + 10.0
    );
    let _ = writeln!(
        out,
        "<rect x=\"{:.1}\" y=\"{top}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"#f1f3f5\"/><text x=\"{:.1}\" y=\"{:.1}\">a fifth of the capacity</text>",
        x(FAULT.start as f64),
        x(FAULT.end as f64) - x(FAULT.start as f64),
        height - top - 40.0,
        x(FAULT.start as f64) + 4.0,
        top + 14.0
    );
    for answers in [0, 200, 400, 600, 800, 1000] {
        let at = y(f64::from(answers));
        let _ = writeln!(
            out,
            "<line x1=\"{left}\" x2=\"{}\" y1=\"{at:.1}\" y2=\"{at:.1}\" stroke=\"#dee2e6\"/><text x=\"8\" y=\"{:.1}\">{answers}/s</text>",
            width - 20.0,
            at + 4.0
        );
    }
    for second in (0..=END).step_by(10) {
        let _ = writeln!(
            out,
            "<text x=\"{:.1}\" y=\"{}\">{second} s</text>",
            x(second as f64) - 8.0,
            height - 22.0
        );
    }
    for (at, (run, colour)) in runs.iter().zip(COLOURS).enumerate() {
        let points: Vec<String> = run
            .goodput
            .iter()
            .enumerate()
            .map(|(second, answers)| format!("{:.1},{:.1}", x(second as f64 + 0.5), y(*answers as f64)))
            .collect();
        let row = height + at as f64 * 18.0;
        let _ = writeln!(
            out,
            "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.8\" points=\"{}\"/>\n<line x1=\"{left}\" x2=\"{}\" y1=\"{row:.1}\" y2=\"{row:.1}\" stroke=\"{colour}\" stroke-width=\"3\"/><text x=\"{}\" y=\"{:.1}\">{}</text>",
            points.join(" "),
            left + 30.0,
            left + 40.0,
            row + 4.0,
            run.name
        );
    }
    out + "</svg>\n"
}
