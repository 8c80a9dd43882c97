//! Folds what happens to frameworks, filters and offers.

use std::collections::{BTreeMap, BTreeSet};

use log_schema::{
    FrameworkId, Resources,
    event::{
        FilterExpiredV1, FilterSetV1, FrameworkEndingV1, FrameworkRemovedV1, FrameworkSubscribedV1, OfferEnd,
        OfferEndedV1, OfferMadeV1, OffersRevivedV1, OffersSuppressedV1,
    },
};

use crate::state::{
    State,
    agents::AgentNo,
    frameworks::{Framework, FrameworkNo, Offer},
    timers::Due,
};

impl State {
    pub(crate) fn framework_subscribed(&mut self, event: &FrameworkSubscribedV1) {
        let number = self.frameworks.next_number();
        self.frameworks.insert(Framework {
            id: event.framework.clone(),
            number,
            role: event.role.clone(),
            owner: event.owner.clone(),
            ending: false,
            suppressed: false,
            filters: BTreeMap::new(),
            tasks: BTreeMap::new(),
            alive: BTreeSet::new(),
            active: 0,
            offers: BTreeSet::new(),
            used: Resources::default(),
        });
        self.wanting_changed(self.frameworks.wanting + 1);
    }

    pub(crate) fn framework_ending(&mut self, event: &FrameworkEndingV1) {
        let number = self.framework_no(&event.framework);
        self.drop_filters_of(number);
        let wanted = self.frameworks.get(number).wants_offers();
        self.frameworks.get_mut(number).ending = true;
        self.ending.insert(number);
        self.rescinding.remove(&number);
        if wanted {
            self.wanting_changed(self.frameworks.wanting - 1);
        }
    }

    pub(crate) fn framework_removed(&mut self, event: &FrameworkRemovedV1) {
        let number = self.framework_no(&event.framework);
        let framework = self.frameworks.remove(number);
        assert!(framework.active == 0 && framework.offers.is_empty(), "framework {} goes with work", event.framework);
        framework.tasks.values().filter_map(|task| task.forget).for_each(|timer| self.timers.cancel(timer));
        self.ending.remove(&number);
    }

    pub(crate) fn offers_suppressed(&mut self, event: &OffersSuppressedV1) {
        let number = self.framework_no(&event.framework);
        self.drop_filters_of(number);
        let framework = self.frameworks.get_mut(number);
        framework.suppressed = true;
        if !framework.offers.is_empty() {
            self.rescinding.insert(number);
        }
        self.wanting_changed(self.frameworks.wanting - 1);
    }

    pub(crate) fn offers_revived(&mut self, event: &OffersRevivedV1) {
        let number = self.framework_no(&event.framework);
        self.drop_filters_of(number);
        self.rescinding.remove(&number);
        let was_suppressed = std::mem::replace(&mut self.frameworks.get_mut(number).suppressed, false);
        self.wanting_changed(self.frameworks.wanting + u32::from(was_suppressed));
    }

    pub(crate) fn filter_set(&mut self, event: &FilterSetV1) {
        let number = self.framework_no(&event.framework);
        let agent = self.agent_no(&event.agent);
        let timer = self.timers.set(event.filter_ms, Due::FilterExpired(number, agent));
        match self.frameworks.get_mut(number).filters.insert(agent, timer) {
            Some(before) => self.timers.cancel(before),
            None => self.agents.get_mut(agent).filtered_by += 1,
        }
        self.refresh_offerable(agent);
    }

    pub(crate) fn filter_expired(&mut self, event: &FilterExpiredV1) {
        let number = self.framework_no(&event.framework);
        let agent = self.agent_no(&event.agent);
        self.drop_filter(number, agent);
    }

    pub(crate) fn offer_made(&mut self, event: &OfferMadeV1) {
        let framework = self.framework_no(&event.framework);
        let agent = self.agent_no(&event.agent);
        let resources = event.resources.clone();
        assert_eq!(event.offer.0, self.frameworks.newest_offer + 1, "offers are numbered in order");
        self.frameworks.newest_offer = event.offer.0;
        let host = self.agents.get_mut(agent);
        host.offered.try_add(&resources).expect("what is free is not offered");
        host.offers.insert(event.offer);
        if host.declined_by.contains(&framework) {
            // All that take it were offered it: another round begins.
            host.declined_by.clear();
        }
        self.take_room(agent, &resources);
        self.use_framework_share(framework, &resources, true);
        self.frameworks.get_mut(framework).offers.insert(event.offer);
        let timer = self.timers.set(self.parameters.offer_ttl_ms, Due::OfferTimedOut(event.offer));
        self.frameworks.offers.insert(event.offer, Offer { framework, agent, resources, timer });
    }

    pub(crate) fn offer_ended(&mut self, event: &OfferEndedV1) {
        let offer = self.frameworks.offers.remove(&event.offer).expect("an offer that ends stood");
        self.timers.cancel(offer.timer);
        let holder = self.frameworks.get_mut(offer.framework);
        holder.offers.remove(&event.offer);
        if holder.offers.is_empty() {
            self.rescinding.remove(&offer.framework);
        }
        self.use_framework_share(offer.framework, &offer.resources, false);
        let host = self.agents.get_mut(offer.agent);
        host.offers.remove(&event.offer);
        match event.reason {
            OfferEnd::Declined | OfferEnd::TimedOut => {
                host.declined_by.insert(offer.framework);
            }
            OfferEnd::Accepted
            | OfferEnd::NeededByJob
            | OfferEnd::AgentAway
            | OfferEnd::AgentChanged
            | OfferEnd::AgentSuspended
            | OfferEnd::FrameworkAway => {}
        }
        host.offered.try_sub(&offer.resources).expect("what an offer holds is offered");
        self.free_room(offer.agent, &offer.resources);
    }

    pub(crate) fn framework_no(&self, id: &FrameworkId) -> FrameworkNo {
        self.frameworks
            .number(id.as_str())
            .unwrap_or_else(|| panic!("an event names framework {id}, which is not there"))
    }

    /// Drops every filter that frameworks have on an agent.
    pub(crate) fn drop_filters_on(&mut self, agent: AgentNo) {
        let has_filter = |framework: &&Framework| framework.filters.contains_key(&agent);
        let with_filter: Vec<_> = self.frameworks.iter().filter(has_filter).map(|f| f.number).collect();
        with_filter.into_iter().for_each(|number| self.drop_filter(number, agent));
    }

    fn drop_filters_of(&mut self, number: FrameworkNo) {
        let agents: Vec<_> = self.frameworks.get(number).filters.keys().copied().collect();
        agents.into_iter().for_each(|agent| self.drop_filter(number, agent));
    }

    fn drop_filter(&mut self, number: FrameworkNo, agent: AgentNo) {
        let timer = self.frameworks.get_mut(number).filters.remove(&agent).expect("a filter that ends was set");
        self.timers.cancel(timer);
        self.agents.get_mut(agent).filtered_by -= 1;
        self.refresh_offerable(agent);
    }
}
