//! Finds tasks and lists by JSON pointer.
//!
//! A pointer is followed from the outside in: each list knows its own, and a task's index is the next part of it. A
//! function's task is outside of that, under `/use/functions`; it is found where it is called.

use super::errors::{self, Error};
use crate::{Program, Task, TaskKind, TaskList};

const FUNCTIONS: &str = "/use/functions/";

/// Finds a task.
pub(super) fn task<'p>(program: &'p Program, pointer: &str) -> Result<&'p Task, Error> {
    let found = match (pointer.starts_with(FUNCTIONS), &program.list) {
        (true, list) => function(list, pointer).and_then(|task| task_within(task, pointer)),
        (false, list) => task_in(list, pointer),
    };
    found.ok_or_else(errors::misfit)
}

/// Finds a list.
pub(super) fn list<'p>(program: &'p Program, pointer: &str) -> Result<&'p TaskList, Error> {
    let found = match (pointer.starts_with(FUNCTIONS), &program.list) {
        (true, list) => function(list, pointer).and_then(|task| list_within(task, pointer)),
        (false, list) => list_in(list, pointer),
    };
    found.ok_or_else(errors::misfit)
}

fn task_in<'p>(list: &'p TaskList, pointer: &str) -> Option<&'p Task> {
    task_within(on_the_way(list, pointer)?, pointer)
}

fn list_in<'p>(list: &'p TaskList, pointer: &str) -> Option<&'p TaskList> {
    if list.pointer == pointer {
        return Some(list);
    }
    list_within(on_the_way(list, pointer)?, pointer)
}

fn task_within<'p>(task: &'p Task, pointer: &str) -> Option<&'p Task> {
    if task.pointer == pointer {
        return Some(task);
    }
    lists(task).find_map(|list| task_in(list, pointer))
}

fn list_within<'p>(task: &'p Task, pointer: &str) -> Option<&'p TaskList> {
    lists(task).find_map(|list| list_in(list, pointer))
}

/// The task of a list that a pointer leads through.
fn on_the_way<'p>(list: &'p TaskList, pointer: &str) -> Option<&'p Task> {
    let rest = pointer.strip_prefix(&list.pointer)?.strip_prefix('/')?;
    let index = rest.split('/').next()?.parse::<usize>().ok()?;
    list.tasks.get(index)
}

/// The task of the function that a pointer leads into, wherever it is called.
fn function<'p>(list: &'p TaskList, pointer: &str) -> Option<&'p Task> {
    list.tasks.iter().find_map(|task| called(task, pointer))
}

fn called<'p>(task: &'p Task, pointer: &str) -> Option<&'p Task> {
    match &task.kind {
        TaskKind::Function { task, .. } if leads_into(pointer, &task.pointer) => Some(task),
        TaskKind::Function { task, .. } => called(task, pointer),
        _ => lists(task).find_map(|list| function(list, pointer)),
    }
}

fn leads_into(pointer: &str, whole: &str) -> bool {
    pointer
        .strip_prefix(whole)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The lists that a task has.
fn lists(task: &Task) -> impl Iterator<Item = &TaskList> {
    let (first, second) = match &task.kind {
        TaskKind::Do(list) => (Some(list), None),
        TaskKind::For(repeat) => (Some(&repeat.list), None),
        TaskKind::Fork(fork) => (Some(&fork.branches), None),
        TaskKind::Try(trial) => (Some(&trial.list), trial.handler.as_ref()),
        TaskKind::Set(_)
        | TaskKind::Switch(_)
        | TaskKind::Raise(_)
        | TaskKind::Wait(_)
        | TaskKind::Emit(_)
        | TaskKind::Listen(_)
        | TaskKind::Http(_)
        | TaskKind::Function { .. } => (None, None),
    };
    first.into_iter().chain(second)
}
