-- Transitions, rules before a row is written, workflows, and steps that insert or update.
\set ask hr.ask(uuid)
\set before hr.before_leave()
\set seen tally.trigger_page_view_events()
\set close tally.close(uuid,text)

INSERT INTO mutant (name, function, old, nth, new, change, suite, noticed) VALUES
('the state is not tested', :'ask', '(v_leave.state = ''draft'') IS NOT TRUE', 1, 'false', NULL, 'hr.states_test', 'ask is refused to what is asked'),
('the state is tested the wrong way', :'ask', '(v_leave.state = ''draft'') IS NOT TRUE', 1, '(v_leave.state = ''draft'') IS TRUE', NULL, 'hr.states_test', 'ask: draft → asked is made'),
('a transition leads elsewhere', :'ask', 'SET state = ''asked''', 1, 'SET state = ''cancelled''', NULL, 'hr.states_test', 'ask: draft → asked is made'),
('a transition tells another state', :'ask', 'RETURN ''asked''', 1, 'RETURN ''draft''', NULL, 'hr.states_test', 'ask: draft → asked is what it returns'),
('a guard is not asked', :'ask', 'days_left >= v_leave.days', 1, 'days_left IS NOT NULL', NULL, 'hr.states_test', 'ask is refused at %'),
('a guard begins one too late', :'ask', 'days_left >= v_leave.days', 1, 'days_left > v_leave.days', NULL, 'hr.states_test', 'ask is accepted at %'),
('a step of a transition is dropped', :'ask', 'SET asked_at = now()', 1, 'SET asked_at = t.asked_at', NULL, 'hr.states_test', 'ask: update: Leave SET asked_at = now()'),
('any change of a state passes', NULL, NULL, NULL, NULL, 'ALTER TABLE hr.leave DISABLE TRIGGER specql_state', 'hr.states_test', 'ask: no update makes agreed asked'),
('a field is set to another value', :'before', 'new.first_day + 1', 1, 'new.first_day + 2', NULL, 'hr.event_driven_test', 'leave sets days = %'),
('a field is not set', :'before', 'new.days := ', 1, 'old := ', NULL, 'hr.event_driven_test', 'leave sets days = %'),
('what is refused before a row is written is not', :'before', 'new.last_day >= new.first_day', 1, 'true', NULL, 'hr.event_driven_test', 'leave refuses %'),
('what is accepted before a row is written is not', :'before', 'new.last_day >= new.first_day', 1, 'new.last_day > new.first_day', NULL, 'hr.event_driven_test', 'leave accepts %'),
('a row that is there is left as it is', :'seen', 'visits = t.visits + ', 1, 'visits = t.visits + 0 * ', NULL, 'tally.event_driven_test', 'page_view: upsert: PageCount%'),
('a row that is there gets another value', :'seen', 'longest = e.seconds', 1, 'longest = e.seconds + 1', NULL, 'tally.event_driven_test', 'page_view: upsert: PageCount%'),
('a guard of a workflow is not asked', :'close', '(v_ticket.state = ''open'') IS NOT TRUE', 1, 'false', NULL, 'tally.workflow_test', 'close is refused at %'),
('a step of a workflow is dropped', :'close', 'note = p_reason', 1, 'note = t.note', NULL, 'tally.workflow_test', 'close: update: Ticket%');
