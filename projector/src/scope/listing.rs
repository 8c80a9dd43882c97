//! Listings by something else than the id: an agent's tasks, a framework's offers and filters.

use log_schema::{AgentId, FrameworkId, JobId, OfferId, TaskId};

use super::{Direction, Page, Pick, Range, Scope};
use crate::{
    Error,
    row::{AgentRow, FilterRow, FrameworkRow, JobRow, OfferRow, Phase, Row, TaskRow, View},
};

impl Scope {
    /// The tasks that hold resources of an agent: those of jobs first, then those of frameworks.
    pub fn tasks_on(&self, agent: &AgentId, after: Option<&TaskId>, limit: usize) -> Result<Page<TaskRow>, Error> {
        self.listed(View::TasksByAgent, agent.as_str(), after, limit)
    }

    /// The offers that a framework holds, by number.
    pub fn offers_to(
        &self,
        framework: &FrameworkId,
        after: Option<&OfferId>,
        limit: usize,
    ) -> Result<Page<OfferRow>, Error> {
        self.listed(View::OffersByFramework, framework.as_str(), after, limit)
    }

    /// The filters of a framework that count, by agent.
    pub fn filters_of(
        &self,
        framework: &FrameworkId,
        after: Option<&AgentId>,
        limit: usize,
    ) -> Result<Page<FilterRow>, Error> {
        let Some(row) = self.get::<FrameworkRow>(framework)? else {
            return Ok(Page { rows: Vec::new(), next: None });
        };
        let after = after.map(|agent| (framework.clone(), agent.clone()));
        let pick = Pick::<FilterRow>::of_framework(framework).after(after).limit(limit);
        let counts = |filter: &FilterRow| {
            let agent = self.get::<AgentRow>(&filter.agent).ok().flatten();
            agent.is_some_and(|agent| filter.counts(&row, &agent))
        };
        self.page_where(&pick, counts)
    }

    /// Where a task of a job stands: its row's phase, or what follows from its job where it has no
    /// row yet. None where the job never had such a task.
    pub fn phase_of(&self, job: &JobId, index: u32) -> Result<Option<Phase>, Error> {
        if let Some(task) = self.get::<TaskRow>(&TaskId::of_job(job, index))? {
            return Ok(Some(task.phase));
        }
        let job = self.get::<JobRow>(job)?.filter(|job| index < job.count_max);
        Ok(job.map(|job| job.unnamed_phase(index)))
    }

    /// The rows that a second listing names under `owner`.
    fn listed<R: Row>(&self, index: View, owner: &str, after: Option<&R::Id>, limit: usize) -> Result<Page<R>, Error> {
        let mut prefix = vec![index as u8];
        prefix.extend_from_slice(owner.as_bytes());
        prefix.push(0);
        let mut range = Range::of(&prefix, Direction::Forwards);
        if let Some(id) = after {
            let mut behind = prefix.clone();
            R::write_key(id, &mut behind);
            range.skip_to_behind(&behind);
        }
        let mut page = Page { rows: Vec::new(), next: None };
        self.scan(index, &range, |key, _| {
            if page.rows.len() >= limit {
                page.next = page.rows.last().map(R::id);
                return Ok(false);
            }
            let row_key = [&[R::VIEW as u8], &key[prefix.len()..]].concat();
            page.rows.extend(self.store.read_key::<R>(R::VIEW, &row_key, self.as_of)?);
            Ok(true)
        })?;
        Ok(page)
    }
}
