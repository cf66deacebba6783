//! The steps of workers after each event.

use super::*;
use crate::domain::{Stream, Window};

fn window(from: u32, to: u32) -> Window {
    let day = |day| Day::from_ymd_opt(2025, 1, day).unwrap();
    Window::new(day(from), day(to)).unwrap()
}

fn task(from: u32, to: u32) -> Task {
    Task::of_backfill(window(from, to))
}

fn backfill() -> Backfill {
    let project = "main".parse().unwrap();
    Backfill { backfill_id: 1, project, stream: Stream::Submission, days: window(1, 31) }
}

fn left() -> Conclusion {
    Conclusion::because(ProjectOutcome::Partial, "why".to_owned())
}

fn claims(fence: i64) -> HeldClaims {
    [fence].into_iter().collect()
}

fn held_by_others(fence: i64) -> StepEnd {
    StepEnd::Next(NextWindow::Held(claims(fence)))
}

fn held_by_this() -> StepEnd {
    StepEnd::Next(NextWindow::Held(HeldClaims::default()))
}

fn none_left() -> StepEnd {
    StepEnd::Next(NextWindow::NoneLeft { has_records: true })
}

fn ended(task: Task, end: WindowEnd) -> StepEnd {
    StepEnd::Window(task, end)
}

fn complete(task: Task) -> StepEnd {
    ended(task, WindowEnd::Read(Proof::Complete))
}

#[track_caller]
fn assert_reads(step: Option<Step<'_>>, wanted: Task) {
    match step {
        Some(Step::Read(task, _)) => assert_eq!(task, wanted),
        step => panic!("{step:?}"),
    }
}

/// The first days that the next claim leaves out, and whether nothing is in flight.
#[track_caller]
fn claimed_except(step: Option<Step<'_>>) -> (Vec<Day>, bool) {
    match step {
        Some(Step::ClaimNext { except, is_idle, .. }) => (except, is_idle),
        step => panic!("{step:?}"),
    }
}

/// The queue of two windows, of which another process holds the first.
fn with_one_held(leaves_held: bool) -> WindowQueue<'static> {
    let tasks = [task(1, 2), task(2, 3)].into();
    let mut queue = WindowQueue::new(WantedWindows::Tasks(tasks), leaves_held);
    assert_reads(queue.next(true), task(1, 2));
    queue.note(StepEnd::Held(task(1, 2), claims(7)));
    assert_reads(queue.next(true), task(2, 3));
    queue.note(complete(task(2, 3)));
    assert!(queue.next(true).is_none());
    queue
}

#[test]
fn a_window_that_another_process_reads_is_waited_for() {
    let mut queue = with_one_held(false);
    assert_eq!(queue.held(), Some(claims(7)));
    queue.note_woken(Woken::Ready);
    assert_eq!(queue.held(), None);
    assert_reads(queue.next(true), task(1, 2));
    queue.note(ended(task(1, 2), WindowEnd::ReadElsewhere));
    assert!(queue.next(true).is_none());
    assert_eq!(queue.end().worst, Conclusion::of(ProjectOutcome::Complete));
}

#[test]
fn a_holder_without_progress_leaves_the_project_partial() {
    let mut queue = with_one_held(false);
    queue.note_woken(Woken::InVain);
    assert!(queue.next(true).is_none());
    assert_eq!(queue.held(), None);
    assert_eq!(queue.end().worst.outcome, ProjectOutcome::Partial);
}

#[test]
fn a_daemon_leaves_a_window_to_the_process_that_reads_it() {
    let queue = with_one_held(true);
    assert_eq!(queue.held(), None);
    assert_eq!(queue.end().worst, Conclusion::of(ProjectOutcome::Complete));
}

#[test]
fn a_window_whose_claim_is_lost_is_tried_once_more() {
    let tasks = [task(1, 2)].into();
    let mut queue = WindowQueue::new(WantedWindows::Tasks(tasks), false);
    for _ in 0..2 {
        assert_reads(queue.next(true), task(1, 2));
        queue.note(ended(task(1, 2), WindowEnd::Lost(left())));
    }
    assert!(queue.next(true).is_none());
    assert_eq!(queue.end().worst, left());
}

#[test]
fn windows_of_a_backfill_are_claimed_one_at_a_time_until_none_is_left() {
    let backfill = backfill();
    let mut queue = WindowQueue::new(WantedWindows::Backfill(&backfill), false);
    assert_eq!(claimed_except(queue.next(true)), (vec![], true));
    assert!(queue.next(false).is_none(), "the answer is awaited");
    queue.note(none_left());
    assert!(queue.next(true).is_none());
    assert_eq!(queue.end().worst, Conclusion::of(ProjectOutcome::Complete));
}

#[test]
fn a_window_that_failed_is_not_claimed_again_but_its_halves_are() {
    let backfill = backfill();
    let mut queue = WindowQueue::new(WantedWindows::Backfill(&backfill), false);
    queue.note(ended(task(9, 31), WindowEnd::Left(left())));
    assert_eq!(claimed_except(queue.next(false)), (vec![window(9, 31).from()], false));
    queue.note(none_left());
    // Halves come from windows that are in flight, also after no other was left.
    queue.note(ended(task(9, 31), WindowEnd::Halved(window(9, 20), window(20, 31))));
    assert_eq!(claimed_except(queue.next(true)), (vec![], true));
}

#[test]
fn a_window_that_fails_while_it_is_claimed_is_released() {
    let backfill = backfill();
    let mut queue = WindowQueue::new(WantedWindows::Backfill(&backfill), false);
    assert_eq!(claimed_except(queue.next(false)), (vec![], false));
    queue.note(ended(task(9, 31), WindowEnd::Left(left())));
    queue.note(StepEnd::Next(NextWindow::Claimed(Claim::example(window(9, 31)))));
    assert!(matches!(queue.next(true), Some(Step::Release(_))));
    queue.note(StepEnd::Released);
    assert_eq!(claimed_except(queue.next(true)), (vec![window(9, 31).from()], true));
    queue.note(none_left());
    assert_eq!(queue.end().worst, left());
}

#[test]
fn an_answer_is_outdated_if_a_window_ended_meanwhile() {
    let backfill = backfill();
    let mut queue = WindowQueue::new(WantedWindows::Backfill(&backfill), false);
    assert_eq!(claimed_except(queue.next(false)), (vec![], false));
    queue.note(ended(task(1, 9), WindowEnd::Halved(window(1, 5), window(5, 9))));
    queue.note(held_by_others(2));
    assert_eq!(queue.held(), None);
    assert_eq!(claimed_except(queue.next(false)), (vec![], false));
    queue.note(held_by_others(2));
    assert_eq!(queue.held(), Some(claims(2)));
    // The end of a window of this process may have freed another.
    queue.note(complete(task(5, 9)));
    assert_eq!(claimed_except(queue.next(true)), (vec![], true));
}

#[test]
fn windows_that_this_process_reads_are_not_waited_for() {
    let backfill = backfill();
    let mut queue = WindowQueue::new(WantedWindows::Backfill(&backfill), false);
    assert_eq!(claimed_except(queue.next(false)), (vec![], false));
    queue.note(held_by_this());
    assert_eq!(queue.held(), None);
    assert!(queue.next(false).is_none(), "they are in flight");
    // If nothing is in flight, the claims are stale.
    assert_eq!(claimed_except(queue.next(true)), (vec![], true));
}

#[test]
fn a_dropped_backfill_is_not_read_on() {
    let backfill = backfill();
    let mut queue = WindowQueue::new(WantedWindows::Backfill(&backfill), false);
    queue.note(StepEnd::Next(NextWindow::Dropped));
    queue.note(ended(task(1, 9), WindowEnd::Lost(left())));
    assert!(queue.next(true).is_none());
    assert!(queue.end().is_dropped);
}

#[test]
fn unverified_windows_are_read_again_once_records_prove_the_filter() {
    let tasks = [task(1, 2), task(2, 3)].into();
    let mut queue = WindowQueue::new(WantedWindows::Tasks(tasks), false);
    let empty = || WindowEnd::Read(Proof::EmptyUnverified(Unverified::Filter));
    assert_reads(queue.next(true), task(1, 2));
    assert_reads(queue.next(false), task(2, 3));
    queue.note(ended(task(1, 2), empty()));
    assert!(queue.next(false).is_none());
    assert!(queue.waits_for_proof());
    queue.note(complete(task(2, 3)));
    assert_reads(queue.next(true), task(1, 2));
    queue.note(ended(task(1, 2), empty()));
    assert!(queue.next(true).is_none() && !queue.waits_for_proof());
    assert_eq!(queue.end().unverified.len(), 1);
}
