//! Whose lines may go on: the workspaces share the slots, and the one that holds the fewest is next.
//!
//! # Motivation
//!
//! Were all lines equal, a workspace with a thousand endpoints would have a thousand times the slots of one with one, and
//! all of them when its receivers hang.
//!
//! # Theory of operation
//!
//! A slot that comes free goes to the workspace that holds the fewest, and of those to the one that has waited for the
//! longest; within a workspace its lines take turns. A few slots are kept for others: however many one workspace could use,
//! the first delivery of another starts at once.

use std::collections::{BTreeSet, HashMap, VecDeque};
use wire::{EndpointId, WorkspaceId};

/// The workspaces that have something in their lines.
#[derive(Debug)]
pub(super) struct Tenants {
    /// The slots that one may hold.
    most: usize,
    /// How little room of its own makes a workspace one that a sweep leaves out until it has more.
    worth: usize,
    by_workspace: HashMap<WorkspaceId, Tenant>,
    /// Those with lines that may be able to go on: how many slots each holds, and its place among equals.
    turns: BTreeSet<(usize, u64, WorkspaceId)>,
    /// The next place.
    place: u64,
    /// How many slots could be taken at once.
    claims: usize,
    /// How many workspaces have little room of their own.
    pressing: usize,
}

/// One workspace.
#[derive(Debug, Default)]
pub(super) struct Tenant {
    /// The slots it holds.
    pub(super) running: usize,
    /// Its deliveries that wait.
    pub(super) waiting: usize,
    /// Of those, how many only lack a slot.
    pub(super) startable: usize,
    /// Its lines that may be able to go on, each at most once.
    pub(super) ready: VecDeque<EndpointId>,
    place: u64,
}

impl Tenant {
    fn claims(&self, most: usize) -> usize {
        self.startable.min(most.saturating_sub(self.running))
    }

    fn is_pressing(&self, most: usize, worth: usize) -> bool {
        self.running + self.startable + worth > most
    }

    fn is_idle(&self) -> bool {
        self.running == 0 && self.waiting == 0 && self.ready.is_empty()
    }
}

impl Tenants {
    pub(super) fn new(most: usize, worth: usize) -> Self {
        Self {
            most,
            worth,
            by_workspace: HashMap::new(),
            turns: BTreeSet::new(),
            place: 0,
            claims: 0,
            pressing: 0,
        }
    }

    /// Changes one workspace, and follows the change.
    pub(super) fn change(&mut self, workspace: &WorkspaceId, change: impl FnOnce(&mut Tenant)) {
        let (most, worth) = (self.most, self.worth);
        let mut tenant = self.by_workspace.remove(workspace).unwrap_or_default();
        self.turns
            .remove(&(tenant.running, tenant.place, workspace.clone()));
        self.claims -= tenant.claims(most);
        self.pressing -= usize::from(tenant.is_pressing(most, worth));
        let was_ready = !tenant.ready.is_empty();
        change(&mut tenant);
        if tenant.is_idle() {
            return;
        }
        if !was_ready {
            tenant.place = self.place;
            self.place += 1;
        }
        self.claims += tenant.claims(most);
        self.pressing += usize::from(tenant.is_pressing(most, worth));
        if !tenant.ready.is_empty() {
            self.turns
                .insert((tenant.running, tenant.place, workspace.clone()));
        }
        self.by_workspace.insert(workspace.clone(), tenant);
    }

    /// The line whose turn it is, taken off its place.
    pub(super) fn next(&mut self) -> Option<EndpointId> {
        // Nobody holds fewer slots than the first.
        let (running, _, workspace) = self.turns.first()?;
        if *running >= self.most {
            return None;
        }
        let workspace = workspace.clone();
        let place = self.place;
        self.place += 1;
        let mut next = None;
        self.change(&workspace, |tenant| {
            next = tenant.ready.pop_front();
            // Behind its equals.
            tenant.place = place;
        });
        next
    }

    /// How many deliveries of a workspace wait.
    pub(super) fn waiting(&self, workspace: &WorkspaceId) -> usize {
        self.by_workspace
            .get(workspace)
            .map_or(0, |tenant| tenant.waiting)
    }

    /// How many slots could be taken at once.
    pub(super) const fn claims(&self) -> usize {
        self.claims
    }

    /// Whether a workspace has as good as all that it may have.
    pub(super) const fn is_any_pressing(&self) -> bool {
        self.pressing > 0
    }

    /// The workspaces that can use no slot more: few, since nobody's share is small.
    pub(super) fn full(&self) -> Vec<WorkspaceId> {
        if self.pressing == 0 {
            return Vec::new();
        }
        let is_full = |tenant: &Tenant| tenant.running + tenant.startable >= self.most;
        let full = self.by_workspace.iter().filter(|(_, tenant)| is_full(tenant));
        full.map(|(workspace, _)| workspace.clone()).collect()
    }
}
