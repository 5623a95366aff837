package access

import (
	"fmt"

	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// A Reason is one source of a role and what became of it. The role it was implied by, if any, has its own reasons at Node.
type Reason struct {
	Role    iam.RoleID `json:"role"`
	Layer   Layer      `json:"layer"`
	Effect  Effect     `json:"effect"`
	Node    iam.NodeID `json:"node"`              // where the fact stands: the assignment, the role above, the setting
	Group   string     `json:"group,omitempty"`   // assigned through this group
	From    iam.RoleID `json:"from,omitempty"`    // implied by this role
	Setting string     `json:"setting,omitempty"` // named by this setting, set at Node, or by its default in layer builtin
	text    string
	chain   string
}

// String is the reason in words, as in "through group sales_team at loans".
func (r Reason) String() string { return r.text }

// Chain is String and, of a role that another implies, why that one is held, up to an assignment: "implied by role org_admin at bank,
// which is assigned at bank".
func (r Reason) Chain() string { return r.chain }

// reasons lists the sources of node i.
func (ev *evaluation) reasons(i int) []Reason {
	out := make([]Reason, 0, len(ev.at(i)))
	for k := range ev.at(i) {
		e := &ev.at(i)[k]
		at := ev.path[e.at]
		r := Reason{Layer: ev.m.layers[e.layer], Effect: e.effect, Node: at.ID, Setting: e.setting}
		if e.role != nil {
			r.Role = e.role.ID
		} else {
			r.Role = e.custom.ID
		}
		if e.from != nil {
			r.From = e.from.ID
		}
		switch {
		case e.layer == public:
			r.Setting = ev.levels[i].Public.Setting
			r.text = fmt.Sprintf("%s is open to anyone (%s: %s)", at.Name, r.Setting, ev.levels[i].value(at, r.Setting))
		case e.group != nil:
			r.Group = e.group.Name
			r.text = fmt.Sprintf("through group %s at %s", e.group.Name, at.Name)
		case e.from == nil:
			r.text = "assigned at " + at.Name
		case e.setting == "":
			r.text = fmt.Sprintf("implied by role %s at %s", e.from.ID, at.Name)
		case e.layer == builtin:
			r.text = fmt.Sprintf("default of %s for role %s, which nobody set", e.setting, e.from.ID)
		default:
			r.text = fmt.Sprintf("%s of %s for role %s", e.setting, at.Name, e.from.ID)
		}
		r.chain = r.text + ev.because(e)
		out = append(out, r)
	}
	return out
}

// because says why the role that e is implied by is held, "" when e is implied by none.
func (ev *evaluation) because(e *entry) string {
	if e.from == nil {
		return ""
	}
	for i, r := range ev.reasons(e.above) {
		if r.Effect == EffectCounts && ev.at(e.above)[i].role == e.from {
			return ", which is " + r.chain
		}
	}
	return ""
}

// An Explanation says how a decision came about and what would change it.
type Explanation struct {
	Decision   Decision       `json:"decision"`
	Permission iam.Permission `json:"permission"`
	Subject    iam.Subject    `json:"subject"`
	Steps      []Step         `json:"steps"` // the node asked about first, then upward
	Needs      []Need         `json:"needs"` // what would permit it, whether held or not
}

// A Step is what the subject holds at one node on the way.
type Step struct {
	Node       iam.NodeID   `json:"node"`
	Name       string       `json:"name"`
	Level      iam.Level    `json:"level"`
	Roles      []iam.RoleID `json:"roles"`
	Permits    bool         `json:"permits"`              // a role held here carries the permission
	Decided    Layer        `json:"decided,omitempty"`    // the layer that decided, where the model lets one decide
	Restricted Restriction  `json:"restricted,omitempty"` // suspended, external_users or disabled
	CutAt      iam.NodeID   `json:"restricted_at,omitempty"`
	Reasons    []Reason     `json:"reasons"`
}

// A Need is a role that would permit what was asked, and who could give it: whoever holds one of Assign at the node (WhoCan).
type Need struct {
	Role   iam.RoleID `json:"role"`
	Node   iam.NodeID `json:"node"`
	Level  iam.Level  `json:"level"`
	Held   bool       `json:"held"`
	Assign Right      `json:"assign"`
	Change Right      `json:"change"`
}

// Explain answers Decide with everything that led to the answer. Whoever may read it decides about access: it tells about nodes that
// the subject may not know.
func (m *Model) Explain(f Facts, s iam.Subject, p iam.Permission, n iam.NodeID) (Explanation, error) {
	if !m.HasPermission(p) {
		return Explanation{}, refuseUnknownPermission(m, p)
	}
	ev, ok := m.evaluate(f, s, n)
	if !ok {
		return Explanation{}, refuseNode()
	}
	ex := Explanation{Decision: m.decision(f, s, p, n), Permission: p, Subject: s, Steps: []Step{}, Needs: []Need{}}
	bit := m.permOf[p]
	for i := ev.last(); i >= 0; i-- {
		ex.Steps = append(ex.Steps, ev.step(i, bit))
		for _, ro := range m.roles {
			if ro.level == ev.levels[i] && ro.perms.has(bit) {
				ex.Needs = append(ex.Needs, Need{ro.ID, ev.path[i].ID, ro.level.ID, ev.roles[i].has(ro), ro.assign.Right, ro.change.Right})
			}
		}
	}
	return ex, nil
}

func (ev *evaluation) step(i, bit int) Step {
	st := Step{Node: ev.path[i].ID, Name: ev.path[i].Name, Level: ev.levels[i].ID, Roles: ev.appendRoles([]iam.RoleID{}, i), Reasons: ev.reasons(i)}
	for _, l := range ev.m.decide {
		if ev.chosen[i]&l != 0 {
			st.Decided = ev.m.layers[layerIn(l)]
		}
	}
	if c := ev.cut[i]; c.by != "" {
		st.Restricted, st.CutAt = c.by, c.node.ID
	}
	for k := range ev.at(i) {
		e := &ev.at(i)[k]
		switch {
		case e.effect != EffectCounts:
		case e.role != nil:
			st.Permits = st.Permits || e.role.perms.has(bit)
		default:
			s := ev.m.customSet(e.custom)
			st.Permits = st.Permits || s.has(bit)
		}
	}
	return st
}

// RightToAssign says what it takes to give a role at n to somebody who holds nothing there, false when n's level has no such role.
// A custom role takes what the role takes that it was copied from.
func (m *Model) RightToAssign(r Roster, n iam.NodeID, id iam.RoleID) (Right, bool) {
	st, err := m.approach(r, Actor{Authority: ByOperator}, n)
	if err != nil {
		return Right{}, false
	}
	g, ok := st.grantable(id)
	return g.assign.Right, ok
}
