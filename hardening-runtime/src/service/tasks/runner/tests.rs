use std::sync::Mutex;
use std::time::Duration;

use hardening_spec::DurationRange;

use super::super::{BackgroundTask, Stopping, TaskFuture};
use super::*;
use crate::service::setup::MissingProvision;
use crate::settings::Settings;

type Run = fn(&Provided, Stopping) -> Result<TaskFuture, MissingProvision>;

const RANGE: DurationRange = DurationRange { from: Duration::from_secs(1), to: Duration::from_mins(1) };

const fn task(name: &'static str, order: u32, run: Run) -> BackgroundTask {
    let (module, krate, file) = ("test", "test", file!());
    BackgroundTask { name, restart: Some(RANGE), order, module, krate, file, line: line!(), run }
}

fn begin(tasks: &[&'static BackgroundTask]) -> (Arc<Tasks>, Running) {
    let tasks = Arc::new(Tasks::new(tasks, &Settings::default()));
    let running = Running::begin(&tasks, &Arc::default());
    (tasks, running)
}

fn metrics(tasks: &Tasks) -> String {
    let mut out = String::new();
    tasks.render(&mut out);
    out
}

static BEGAN: Mutex<Vec<Instant>> = Mutex::new(Vec::new());
static FAILING: BackgroundTask = task("failing", 0, |_, _| {
    Ok(Box::pin(async {
        let runs = {
            let mut began = BEGAN.lock().unwrap();
            began.push(Instant::now());
            began.len()
        };
        match runs {
            1..=4 => panic!("no connection with password=hunter2"),
            5 => Err("refused".to_owned()),
            6 => {
                tokio::time::sleep(Duration::from_mins(1)).await;
                Err("refused".to_owned())
            }
            _ => Ok(()),
        }
    }))
});

#[tokio::test(start_paused = true)]
async fn a_task_that_fails_begins_again_after_growing_pauses_until_it_ran_well() {
    let (tasks, mut running) = begin(&[&FAILING]);
    let text = metrics(&tasks);
    assert!(text.contains("background_task_restarts_total{task=\"failing\",reason=\"panic\"} 0"), "{text}");
    assert!(running.supervisors.join_next().await.is_some());
    let began = BEGAN.lock().unwrap().clone();
    let pauses: Vec<f64> = began.windows(2).map(|pair| (pair[1] - pair[0]).as_secs_f64()).collect();
    for (at, (pause, whole)) in pauses.iter().zip([1.0, 2.0, 4.0, 8.0, 16.0]).enumerate() {
        assert!((whole / 2.0 - 0.01..=whole + 0.01).contains(pause), "{at}: {pauses:?}");
    }
    assert!((60.49..=61.01).contains(&pauses[5]), "after a minute the first pause again: {pauses:?}");
    let text = metrics(&tasks);
    for line in [
        "background_task_up{task=\"failing\"} 1",
        "background_task_restarts_total{task=\"failing\",reason=\"panic\"} 4",
        "background_task_restarts_total{task=\"failing\",reason=\"error\"} 2",
    ] {
        assert!(text.lines().any(|written| written == line), "{line} not in {text}");
    }
    let told = tasks.describe(true).to_string();
    assert!(told.contains("\"state\":\"done\"") && !told.contains("hunter2"), "{told}");
}

static WAITS: BackgroundTask = task("waits", 0, |_, _| Ok(Box::pin(async { Err("refused".to_owned()) })));

#[tokio::test(start_paused = true)]
async fn a_task_that_waits_for_its_restart_is_down_and_ends_at_once() {
    let (tasks, mut running) = begin(&[&WAITS]);
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert!(metrics(&tasks).contains("background_task_up{task=\"waits\"} 0"));
    assert_eq!(tasks.unfinished(), ["task waits"]);
    let began = Instant::now();
    running.stop(began + Duration::from_secs(5)).await;
    assert_eq!((began.elapsed(), tasks.unfinished().len()), (Duration::ZERO, 0));
}

static ONCE: BackgroundTask = BackgroundTask { restart: None, ..WAITS };

#[tokio::test(start_paused = true)]
async fn a_task_that_is_never_begun_again_stays_down() {
    let (tasks, mut running) = begin(&[&ONCE]);
    assert!(running.supervisors.join_next().await.is_some());
    let text = metrics(&tasks);
    assert!(text.contains("background_task_up{task=\"waits\"} 0"), "{text}");
    assert!(text.contains("background_task_restarts_total{task=\"waits\",reason=\"error\"} 0"), "{text}");
    // It failed long before the end.
    running.stop(Instant::now() + Duration::from_secs(3)).await;
    assert_eq!(tasks.failed_at_the_end(), Vec::<String>::new());
}

static ENDED: Mutex<Vec<(&str, bool)>> = Mutex::new(Vec::new());

async fn polite(name: &'static str, stop: Stopping) -> Result<(), String> {
    stop.draining().await;
    let early = stop.is_requested();
    stop.requested().await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    ENDED.lock().unwrap().push((name, early));
    if name == "producer" { Err("cannot flush".to_owned()) } else { Ok(()) }
}

static CONSUMER: BackgroundTask =
    task("consumer", 2, |_, stop| Ok(Box::pin(polite("consumer", stop)) as TaskFuture));
static HANGS: BackgroundTask = task("hangs", 1, |_, _| Ok(Box::pin(std::future::pending()) as TaskFuture));
static PRODUCER: BackgroundTask =
    task("producer", 0, |_, stop| Ok(Box::pin(polite("producer", stop)) as TaskFuture));

#[tokio::test(start_paused = true)]
async fn i_65_tasks_stop_by_their_order_and_one_that_hangs_takes_no_turn_from_the_others() {
    let (tasks, mut running) = begin(&[&CONSUMER, &HANGS, &PRODUCER]);
    tasks.drain();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(ENDED.lock().unwrap().len(), 0, "requests may still need them");
    let began = Instant::now();
    running.stop(began + Duration::from_secs(3)).await;
    assert_eq!(*ENDED.lock().unwrap(), [("consumer", false), ("producer", false)]);
    let took = began.elapsed().as_millis();
    assert!((1_640..=1_660).contains(&took), "0.1 s, half of what is left, 0.1 s: {took}");
    assert_eq!(tasks.unfinished(), ["task hangs"]);
    assert_eq!(tasks.failed_at_the_end(), ["task producer: cannot flush"]);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_is_switched_off_is_none() {
    let mut settings = Settings::default();
    settings.tasks.push(crate::settings::Task {
        enabled: Some(false),
        ..crate::settings::Task::new("waits".to_owned())
    });
    assert_eq!(Tasks::new(&[&WAITS, &HANGS], &settings).0.len(), 1);
}
