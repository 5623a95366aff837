package directory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/access"
	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// Explain says how a decision came about, why a role cannot be given, or why a token was denied. Whoever asks about himself learns
// of the nodes that he may know; about others it takes the right to review access at the node.
func (s *Service) Explain(ctx context.Context, by By, in apiv1.ExplainQuestion) (out apiv1.Explanation, err error) {
	q := s.inquire(ctx, by)
	switch {
	case in.Assign != nil && in.Resource == nil && in.RequestID == "":
		out.Assignment, err = q.explainAssignment(*in.Assign)
	case in.RequestID != "" && in.Resource == nil && in.Assign == nil:
		out.Denial, err = q.explainDenial(in.RequestID)
	case in.Resource != nil && in.Assign == nil && in.RequestID == "":
		out.Access, err = q.explain(in)
	default:
		err = iam.Errorf(iam.Invalid, "want one of resource, assign and request_id")
	}
	return out, q.settle(err)
}

func (q *inquiry) explain(in apiv1.ExplainQuestion) (*apiv1.AccessExplanation, error) {
	if err := checkSubject(in.Subject); err != nil {
		return nil, err
	}
	at, err := q.site(*in.Resource)
	if err != nil {
		return nil, err
	}
	sub, err := q.subject(at, in.Subject)
	if err != nil {
		return nil, err
	}
	if err := q.entitled(at, sub); err != nil {
		return nil, err
	}
	p := iam.Permission(in.Action)
	if p == "" {
		p = at.m.Level(at.Level).See[0]
	}
	out, err := q.explainAccess(at, sub, p)
	if err != nil {
		return nil, err
	}
	out.Subject = apiv1.Subject{Type: string(sub.Kind), ID: sub.ID}
	if in.Subject != nil {
		out.Subject = *in.Subject // as it was named: an answer does not tell whom the name belongs to
	}
	if !out.Decision {
		if out.Migration, err = q.s.PendingMigration(q.ctx, sub, at.ID); err != nil {
			return nil, err
		}
		if g := out.Migration; g != nil {
			if !q.reviews(at) {
				g.Migration, g.Number, g.Node, g.Reason = "", 0, "", "" // the plan is not for whoever it is about
			}
			out.Findings = append(out.Findings, fmt.Sprintf("migration pending: the role %s of %s waits to be brought over (%s)", g.Old, g.Source, g.State))
		}
	}
	if in.AccessRev != "" {
		if out.Token, err = q.tokenAge(at, sub, in.AccessRev); err != nil {
			return nil, err
		}
	}
	return &out, nil
}

// explainAccess explains one decision to whoever may ask for it.
func (q *inquiry) explainAccess(at *site, sub iam.Subject, p iam.Permission) (out apiv1.AccessExplanation, err error) {
	as, disabled, err := q.effective(sub)
	if err != nil {
		return out, err
	}
	ex, err := at.m.Explain(q, as, p, at.ID)
	if err != nil {
		return out, err
	}
	out = apiv1.AccessExplanation{
		AccessDecision: decision(ex.Decision), Action: string(p), Node: pathText(at.path), DecidedBy: string(ex.Steps[0].Decided),
		Findings: []string{}, Steps: []apiv1.AccessStep{}, Changes: []apiv1.AccessChange{},
	}
	if disabled {
		out.Findings = append(out.Findings, fmt.Sprintf("the account of the %s is switched off, so it has what anyone has", sub.Kind))
	}
	all := q.reviews(at)
	for _, st := range ex.Steps {
		if all || q.knows(st.Node) {
			out.Steps = append(out.Steps, q.step(st, all))
		}
	}
	out.Findings = append(out.Findings, q.findings(at, sub, ex, out)...)
	if ex.Decision != access.Allow {
		out.Changes = q.changes(at, as, ex)
	}
	return out, nil
}

// knows reports whether the asker may know of a node on the way.
func (q *inquiry) knows(id iam.NodeID) bool {
	at, err := q.siteOf(id)
	return err == nil && q.sees(at)
}

func (q *inquiry) step(st access.Step, all bool) apiv1.AccessStep {
	out := apiv1.AccessStep{
		Node: pathText(q.Path(st.Node)), Level: string(st.Level), Roles: texts(st.Roles), Permits: st.Permits, DecidedBy: string(st.Decided),
		Restricted: string(st.Restricted), Reasons: []apiv1.AccessReason{},
	}
	if st.CutAt != "" && (all || q.knows(st.CutAt)) {
		out.RestrictedAt = pathText(q.Path(st.CutAt))
	}
	for _, r := range st.Reasons {
		if all || q.knows(r.Node) {
			out.Reasons = append(out.Reasons, q.reason(r))
		}
	}
	return out
}

// findings says in words what led to a decision.
func (q *inquiry) findings(at *site, sub iam.Subject, ex access.Explanation, shown apiv1.AccessExplanation) []string {
	var out []string
	restricted, sources := ex.Steps[0].Restricted, false
	for _, st := range shown.Steps {
		for _, r := range st.Reasons {
			sources = true
			switch access.Effect(r.Effect) {
			case access.EffectCounts:
				out = append(out, fmt.Sprintf("role %s at %s counts: %s", r.Role, st.Node, r.Text))
			case access.EffectOutranked:
				out = append(out, fmt.Sprintf("role %s at %s (%s) does not count: layer %s decides before layer %s", r.Role, st.Node, r.Text, st.DecidedBy, r.Layer))
			case access.EffectLower:
				out = append(out, fmt.Sprintf("role %s at %s (%s) does not count: a higher one does", r.Role, st.Node, r.Text))
			case access.EffectCut:
				out = append(out, fmt.Sprintf("role %s at %s (%s) does not count: %s", r.Role, st.Node, r.Text, restrictionText(access.Restriction(st.Restricted))))
			}
		}
	}
	if restricted != "" && !sources {
		out = append(out, restrictionText(restricted))
	}
	if !sources && ex.Decision != access.Allow {
		out = append(out, fmt.Sprintf("no role is assigned to the %s at %s or above it", sub.Kind, shown.Node))
		if sub.Kind == iam.SubjectUser && q.reviews(at) {
			out = append(out, q.groupFinding(at))
		}
	}
	if ex.Decision != access.Allow {
		out = append(out, fmt.Sprintf("no role held there carries the permission %s", ex.Permission))
	}
	return out
}

func restrictionText(r access.Restriction) string {
	switch r {
	case access.RestrictSuspended:
		return "access is suspended"
	case access.RestrictExternalUsers:
		return "people without a role in the organization are blocked"
	}
	return "a node on the way is switched off"
}

// groupFinding names the groups that have access to a node, of which the subject is in none.
func (q *inquiry) groupFinding(at *site) string {
	var names []string
	for _, n := range at.path {
		for _, a := range q.Holders(n.ID) {
			if a.Subject.Kind == iam.SubjectGroup {
				names = append(names, q.groupName(at, iam.GroupID(a.Subject.ID)))
			}
		}
	}
	if len(names) == 0 {
		return "no group has access"
	}
	slices.Sort(names)
	names = slices.Compact(names)
	more := ""
	if len(names) > maxNamed {
		more = fmt.Sprintf(" and %d others", len(names)-maxNamed)
		names = names[:maxNamed]
	}
	return "in none of the groups with access: " + strings.Join(names, ", ") + more
}

func (q *inquiry) groupName(at *site, id iam.GroupID) string {
	if g := q.Group(id); g != nil {
		return g.Name
	}
	for _, n := range at.path {
		if l := at.m.Level(n.Level); l != nil {
			for _, g := range l.Groups.System {
				if strings.Replace(g.Name, nodePlace, string(n.ID), 1) == string(id) {
					return strings.Replace(g.Name, nodePlace, n.Name, 1)
				}
			}
		}
	}
	return string(id)
}

// maxNamed is how many subjects an explanation names of those who could change something.
const maxNamed = 10

// maxTried is how many of those who hold the right an explanation tries, to find those whom nothing else keeps from using it.
const maxTried = 1000

// changes says what would permit what was asked, and who could do it.
func (q *inquiry) changes(at *site, sub iam.Subject, ex access.Explanation) []apiv1.AccessChange {
	out := []apiv1.AccessChange{}
	if st := ex.Steps[0]; st.Restricted != "" {
		return append(out, q.liftRestriction(at, sub, st))
	}
	for _, n := range ex.Needs {
		if n.Held || sub.Kind == iam.SubjectAnonymous || !q.reviews(at) && !q.knows(n.Node) {
			continue
		}
		if !slices.Contains(at.m.Assignable(q, n.Node, sub.Kind), n.Role) {
			continue
		}
		right := n.Assign
		if at.m.Level(n.Level).Exclusive && len(q.Roles(n.Node, sub)) > 0 {
			right = n.Change
		}
		c := apiv1.AccessChange{
			Change: fmt.Sprintf("give role %s at %s", n.Role, pathText(q.Path(n.Node))), Role: string(n.Role), Node: pathText(q.Path(n.Node)), Needs: texts(right.AnyOf),
		}
		c.Who, c.More = q.able(at.m, n.Node, right.AnyOf, func(a access.Actor) error {
			_, err := at.m.Assign(q, a, n.Node, sub, n.Role)
			return err
		})
		out = append(out, c)
	}
	return out
}

func (q *inquiry) liftRestriction(at *site, sub iam.Subject, st access.Step) apiv1.AccessChange {
	c := apiv1.AccessChange{Needs: []string{}, Who: []apiv1.AccessSubject{}}
	if q.reviews(at) || q.knows(st.CutAt) {
		c.Node = pathText(q.Path(st.CutAt))
	}
	switch st.Restricted {
	case access.RestrictSuspended:
		c.Change = "end the suspension"
		rights := at.m.Level(q.levelOf(st.CutAt)).Manage.Assign.AnyOf
		c.Needs = texts(rights)
		c.Who, c.More = q.able(at.m, st.CutAt, rights, func(a access.Actor) error { return at.m.Resume(q, a, st.CutAt, sub) })
	case access.RestrictExternalUsers:
		c.Change = "give a role in the organization, or let people in from outside"
		rights := at.m.Level(q.levelOf(st.CutAt)).Manage.Assign.AnyOf
		c.Needs = texts(rights)
		c.Who, c.More = q.able(at.m, st.CutAt, rights, func(a access.Actor) error {
			_, err := at.m.Assign(q, a, st.CutAt, sub, "")
			return err
		})
	default:
		c.Change = "an operator switches the node on again"
	}
	return c
}

func (q *inquiry) levelOf(id iam.NodeID) iam.Level {
	path := q.Path(id)
	return path[len(path)-1].Level
}

// able names some of those who hold one of the rights at a node and for whom a change would be allowed, and tells whether there may
// be others.
func (q *inquiry) able(m *access.Model, n iam.NodeID, anyOf []iam.Permission, change func(access.Actor) error) (who []apiv1.AccessSubject, more bool) {
	who = []apiv1.AccessSubject{}
	lines, err := m.WhoCanAfter(q, anyOf, n, iam.Subject{})
	if err != nil || len(anyOf) == 0 {
		return who, false
	}
	tried := 0
	for h := range lines {
		if h.Subject.Kind != iam.SubjectUser && h.Subject.Kind != iam.SubjectClient {
			continue
		}
		if tried++; tried > maxTried {
			return who, true
		}
		if change(access.Actor{Subject: h.Subject}) != nil {
			continue
		}
		if len(who) == maxNamed {
			return who, true
		}
		s, err := q.name(h.Subject)
		if _, disabled, fault := q.effective(h.Subject); err != nil || fault != nil || disabled {
			continue
		}
		who = append(who, s)
	}
	return who, false
}

// explainAssignment says what keeps an actor from giving a role.
func (q *inquiry) explainAssignment(in apiv1.AssignQuestion) (*apiv1.AssignmentExplanation, error) {
	for _, s := range []*apiv1.Subject{in.Actor, &in.Subject} {
		if err := checkSubject(s); err != nil {
			return nil, err
		}
	}
	at, err := q.site(apiv1.Resource{ID: in.Node})
	if err != nil {
		return nil, err
	}
	actor := q.by.Actor
	if in.Actor != nil {
		sub, err := q.subject(at, in.Actor)
		if err != nil {
			return nil, err
		}
		if err := q.entitled(at, sub); err != nil {
			return nil, err
		}
		actor = access.Actor{Subject: sub}
	}
	if !q.sees(at) {
		return nil, errNoSite
	}
	sub, err := q.subject(at, &in.Subject)
	if err != nil {
		return nil, err
	}
	if sub != q.by.Subject && !q.lists(at) {
		sub = iam.Subject{Kind: sub.Kind, ID: "nobody"} // what others hold is not for everybody: the answer is that about a newcomer
	}
	role := iam.RoleID(in.Role)
	if role == "" {
		role = at.m.Level(at.Level).JoinRole
	}
	out := &apiv1.AssignmentExplanation{
		Node: pathText(at.path), Role: string(role), Needs: []string{}, Who: []apiv1.AccessSubject{},
		Assignable: slices.Contains(at.m.Assignable(q, at.ID, sub.Kind), role),
	}
	_, refusal := at.m.Assign(q, actor, at.ID, sub, role)
	if out.Allowed = refusal == nil; !out.Allowed {
		if out.Code, out.Detail, err = told(refusal); err != nil {
			return nil, err
		}
	}
	right, ok := at.m.RightToAssign(q, at.ID, role)
	if !ok {
		return out, nil
	}
	out.Needs = texts(right.AnyOf)
	held := at.m.Permissions(q, actor.Subject, at.ID)
	out.Missing = actor.Authority == access.ByModel && !slices.ContainsFunc(right.AnyOf, func(p iam.Permission) bool { return slices.Contains(held, p) })
	out.Who, out.More = q.able(at.m, at.ID, right.AnyOf, func(a access.Actor) error {
		_, err := at.m.Assign(q, a, at.ID, sub, role)
		return err
	})
	return out, nil
}

// lists reports whether the asker may see who holds what at a node: who reviews access there, and who gives roles.
func (q *inquiry) lists(at *site) bool {
	return q.reviews(at) || len(at.m.AssignableBy(q, q.by.Actor, at.ID, iam.SubjectUser)) > 0
}

// told returns what a refusal says; a fault is returned as it is.
func told(err error) (code, message string, fault error) {
	var e *iam.Error
	if !errors.As(err, &e) || e.Kind == iam.Internal || e.Kind == iam.Unavailable {
		return "", "", err
	}
	return e.Code, e.Message, nil
}

// explainDenial says why a token request was denied, to those with a platform role, to the client itself, and to those who manage
// the clients of its organization. To anybody else there was no such request.
func (q *inquiry) explainDenial(id string) (*apiv1.TokenDenial, error) {
	none := iam.Errorf(iam.NotFound, "no denied token request has this id; they are kept for a day")
	if q.s.Denied == nil {
		return nil, none
	}
	d, err := q.s.Denied(q.ctx, id)
	if err != nil {
		return nil, err
	}
	if d == nil || !q.manages(iam.ClientID(d.Client)) {
		return nil, none
	}
	return d, nil
}

// manages reports whether the asker is a client, or may manage it.
func (q *inquiry) manages(id iam.ClientID) bool {
	if q.free() || q.by.Subject == id.Subject() {
		return true
	}
	c, err := q.s.Store.Client(q.ctx, id)
	if err != nil || c == nil || c.Organization == "" {
		return false
	}
	at, err := q.siteOf(c.Organization)
	return err == nil && at.m.ManageClients(q, q.by.Actor, at.ID) == nil
}

// tokenAge compares the access_rev of a token, "model.revision.facts", with the versions of what a decision rests on.
func (q *inquiry) tokenAge(at *site, sub iam.Subject, rev string) (*apiv1.TokenAge, error) {
	bad := iam.Errorf(iam.Invalid, "access_rev: want the claim of that name, as in floxhub.1.42")
	rest, last, ok := cutLast(rev)
	facts, err := strconv.ParseUint(last, 10, 64)
	if !ok || err != nil {
		return nil, bad
	}
	name, revision, ok := cutLast(rest)
	if !ok || name == "" {
		return nil, bad
	}
	if name != at.m.Name() || revision != strconv.Itoa(at.m.Revision()) {
		return &apiv1.TokenAge{Older: true, Detail: "the token was decided by another access model, or another revision of it"}, nil
	}
	holders := []iam.Subject{sub}
	if sub.Kind == iam.SubjectUser {
		for _, g := range q.Groups(iam.UserID(sub.ID)) {
			holders = append(holders, g.ID.Subject())
		}
	}
	var own, others []string
	for _, n := range at.path {
		if !q.reviews(at) && !q.knows(n.ID) {
			continue
		}
		switch name := pathText(q.Path(n.ID)); {
		case slices.ContainsFunc(holders, func(h iam.Subject) bool { return q.AssignedAfter(facts, n.ID, h) }):
			own = append(own, name)
		case q.ChangedAfter(facts, n.ID):
			others = append(others, name)
		}
	}
	switch {
	case len(own) > 0:
		return &apiv1.TokenAge{Older: true, Detail: "the token is older than the last change of what the subject holds at " + strings.Join(own, " and ") +
			": a new one says what holds now"}, nil
	case q.MovedAfter(facts, sub):
		return &apiv1.TokenAge{Older: true, Detail: "the token is older than the last change of the places and groups that the subject is in: a new one says what holds now"}, nil
	case len(others) > 0:
		return &apiv1.TokenAge{Older: true, Detail: "the token is older than the last change at " + strings.Join(others, " and ") +
			", of settings or of what somebody holds there: a new one says what holds now"}, nil
	}
	return &apiv1.TokenAge{Detail: "nothing that the decision rests on has changed since the token was issued"}, nil
}

func cutLast(s string) (before, after string, ok bool) {
	i := strings.LastIndexByte(s, '.')
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}
