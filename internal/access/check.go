package access

import (
	"slices"
	"strings"

	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// check refuses a model that is well-formed but cannot mean what its author wants: a fault here would be a hole or a dead end later.
func (m *Model) check(r *reader) {
	if m.schema.Name == "" {
		r.fault("model", "required")
	}
	for _, l := range m.levels {
		m.checkLevel(r, l)
	}
	for _, ro := range m.roles {
		m.checkRole(r, ro)
	}
	m.checkClients(r)
	m.checkSeats(r)
	for i := range m.schema.Operations {
		m.checkOperation(r, &m.schema.Operations[i])
	}
	checkTokens(r, m.schema.Tokens)
	for _, mig := range m.schema.Migrations {
		for _, old := range mig.Roles {
			for _, c := range old.Choices {
				if ro := m.roleOf[c.Role]; ro == nil || ro.level.ID != c.At {
					r.fault("migrate."+mig.Source+"."+old.Old, "%q is not a role of level %q", c.Role, c.At)
				}
			}
		}
	}
}

// permission refuses permissions that no role carries: they could never be held, so they are a slip of the pen.
func (m *Model) permission(r *reader, path string, ps ...iam.Permission) {
	for _, p := range ps {
		if _, ok := m.permOf[p]; !ok {
			r.fault(path, "no role carries permission %q", p)
		}
	}
}

// carried reports whether some role at l or above carries one of s, which is where rights at l are searched.
func (m *Model) carried(l *level, s *permSet) bool {
	for ; l != nil; l = l.parent {
		if l.known.meets(s) {
			return true
		}
	}
	return false
}

func (m *Model) checkLevel(r *reader, l *level) {
	path := "levels." + string(l.ID)
	m.permission(r, path+".see", l.See...)
	if !m.carried(l, &l.see) {
		r.fault(path+".see", "no role at %s or above carries it, so nobody could ever see a node", l.ID)
	}
	if l.JoinRole != "" {
		if ro := m.roleOf[l.JoinRole]; ro == nil || ro.level != l {
			r.fault(path+".join_role", "%q is not a role of level %s", l.JoinRole, l.ID)
		} else if ro.assign.System || ro.assign.Config {
			r.fault(path+".join_role", "people cannot assign %s", l.JoinRole)
		}
	}
	for _, s := range l.Settings {
		at := path + ".settings." + s.Name
		m.permission(r, at+".change", s.Change)
		switch {
		case s.Node && s.Default != "":
			r.fault(at+".default", "a setting that names a node has no default")
		case s.Default != "" && !slices.Contains(s.Values, s.Default):
			r.fault(at+".default", "%q is not one of the values", s.Default)
		}
	}
	m.checkPublic(r, l, path+".public")
	m.checkRestrict(r, l, path+".restrict")
	for _, right := range []Right{l.Manage.Assign, l.Manage.Change, l.Manage.Revoke} {
		m.permission(r, path+".manage", right.AnyOf...)
	}
	m.permission(r, path+".groups.custom.create", l.Groups.Create...)
	for i, g := range l.Groups.System {
		m.checkSystemGroup(r, l, g, path+".groups.system["+itoa(i)+"]")
	}
	for key, ps := range map[string][]iam.Permission{"create": l.Admin.Create, "configure": l.Admin.Configure, "delete": l.Admin.Delete,
		"review": l.Admin.Review, "audit": l.Admin.Audit, "custom_roles": l.Admin.CustomRoles} {
		m.permission(r, path+".admin."+key, ps...)
	}
	if l.Exclusive {
		m.checkLadder(r, l)
	}
	for _, other := range m.levels {
		for _, kind := range l.Kinds {
			if other != l && (slices.Contains(other.Kinds, kind) || other.ID == iam.Level(kind)) {
				r.fault(path+".kinds", "%q is a kind or the name of level %s too", kind, other.ID)
			}
		}
	}
}

// checkLadder holds an exclusive level to what makes "the highest counts" safe: going down the file never gains a permission.
func (m *Model) checkLadder(r *reader, l *level) {
	for i := 1; i < len(l.Roles); i++ {
		high, low := m.roleOf[l.Roles[i-1].ID], m.roleOf[l.Roles[i].ID]
		if p := low.perms.beyond(&high.perms); p >= 0 {
			r.fault(rolePath(l.ID, high.ID), "stands above %s in the ladder but lacks its permission %s", low.ID, m.perms[p])
		}
	}
	for _, ro := range l.Roles {
		if ro.Duplicable {
			r.fault(rolePath(l.ID, ro.ID)+".duplicable", "a ladder has no place for a custom role")
		}
	}
}

func (m *Model) checkPublic(r *reader, l *level, path string) {
	if l.Public == nil {
		return
	}
	s := l.setting(l.Public.Setting)
	if s == nil || s.Node {
		r.fault(path+".setting", "%q is not a setting of level %s with a list of values", l.Public.Setting, l.ID)
		return
	}
	for value, id := range l.Public.Grants {
		if !slices.Contains(s.Values, value) {
			r.fault(path+".grants."+value, "%q is not a value of setting %s", value, s.Name)
		}
		for _, ims := range m.roleOf[id].implies {
			if len(ims) > 0 {
				r.fault(path+".grants."+value, "%s implies roles below: what anyone gets must stay at its node", id)
				break
			}
		}
	}
}

func (m *Model) checkRestrict(r *reader, l *level, path string) {
	for _, what := range l.Restrict {
		switch what {
		case RestrictSuspended:
		case RestrictExternalUsers:
			s := l.setting(string(RestrictExternalUsers))
			if s == nil || !slices.Contains(s.Values, blocked) {
				r.fault(path, "external_users needs a setting of that name with the value %s", blocked)
			}
		default:
			r.fault(path, "want suspended or external_users, got %q", what)
		}
	}
}

// checkSystemGroup refuses a group that could decide its own membership.
func (m *Model) checkSystemGroup(r *reader, l *level, g SystemGroup, path string) {
	prefix, suffix, ok := strings.Cut(g.Name, nodePlace)
	if !ok || strings.ContainsAny(prefix+suffix, "{} \t\n:/") || !validName(prefix) {
		r.fault(path+".name", "want letters, digits, _ and - around one {node}, and a letter first")
	}
	for _, at := range g.HoldsAt {
		below := m.levelOf[at]
		switch {
		case below == nil:
			r.fault(path+".holds_at", "level %q does not exist", at)
		case below == l:
			r.fault(path+".holds_at", "a role at %s would decide the membership of the group that holds it", at)
		case !below.within(l):
			r.fault(path+".holds_at", "level %s is not below %s", at, l.ID)
		}
	}
	if g.Preselect != "" && !slices.Contains(g.HoldsAt, g.Preselect) {
		r.fault(path+".preselect", "%q is not in holds_at", g.Preselect)
	}
}

func (m *Model) checkRole(r *reader, ro *role) {
	path := rolePath(ro.level.ID, ro.ID)
	for _, right := range []Right{ro.Manage.Assign, ro.Manage.Change, ro.Manage.Revoke} {
		m.permission(r, path+".manage", right.AnyOf...)
	}
	if len(ro.Holders) == 0 {
		r.fault(path+".holders", "nobody could hold it: want some of user, group, client")
	}
	for _, kind := range ro.Holders {
		if kind != iam.SubjectUser && kind != iam.SubjectGroup && kind != iam.SubjectClient {
			r.fault(path+".holders", "want user, group or client, got %q", kind)
		}
	}
	if ro.Max > 0 && ro.Min > ro.Max {
		r.fault(path+".min", "%d is more than max, %d", ro.Min, ro.Max)
	}
	if ro.Min > 0 {
		m.checkMin(r, ro, path+".min")
	}
}

// checkMin refuses a minimum that nobody could restore.
func (m *Model) checkMin(r *reader, ro *role, path string) {
	if !ro.mayHold(iam.SubjectUser) && !ro.mayHold(iam.SubjectClient) {
		r.fault(path, "counts users and clients, and neither may hold %s", ro.ID)
		return
	}
	switch {
	case ro.assign.Config:
	case ro.assign.System:
		for _, op := range m.schema.Operations {
			if op.CreatorGets == ro.ID {
				return
			}
		}
		r.fault(path, "nobody can assign %s: no operation gives it", ro.ID)
	case !m.carried(ro.level, &ro.assign.perms):
		r.fault(path, "nobody can assign %s: no role at %s or above carries the right to", ro.ID, ro.level.ID)
	}
}

func (m *Model) checkClients(r *reader) {
	c := m.schema.Clients
	if c == nil {
		return
	}
	if m.clients == nil {
		r.fault("clients.at", "level %q does not exist", c.At)
	}
	m.permission(r, "clients.manage", c.Manage...)
	if m.clientSee == (permSet{}) {
		r.fault("clients.manage", "required: nobody could manage clients")
	}
}

func (m *Model) checkSeats(r *reader) {
	s := m.schema.Seats
	if s == nil {
		return
	}
	if m.seats == nil {
		r.fault("seats.at", "level %q does not exist", s.At)
		return
	}
	if r.lines["seats.count"] == 0 || len(s.Resource) == 0 {
		r.fault("seats", "want at, count and resource")
	}
	for _, at := range s.Resource {
		if l := m.levelOf[at]; l == nil || !l.within(m.seats) {
			r.fault("seats.resource", "level %q is neither %s nor below it", at, s.At)
		}
	}
}

func (m *Model) checkOperation(r *reader, op *Operation) {
	path := "operations." + op.Name
	if len(op.Requires) == 0 {
		r.fault(path+".requires", "required: an operation that requires nothing is anybody's")
		return
	}
	target := m.levelOf[op.Requires[0].At]
	for i, q := range op.Requires {
		at := path + ".requires[" + itoa(i) + "]"
		l := m.levelOf[q.At]
		if l == nil {
			r.fault(at+".at", "level %q does not exist", q.At)
			return
		}
		if !l.within(target) && !target.within(l) {
			r.fault(at+".at", "levels %s and %s are not on one way", l.ID, target.ID)
			return
		}
		if l.within(target) {
			target = l
		}
		m.permission(r, at+".permission", q.Permission)
		s := m.set([]iam.Permission{q.Permission})
		if m.HasPermission(q.Permission) && !m.carried(l, &s) {
			r.fault(at+".permission", "no role at %s or above carries %s", l.ID, q.Permission)
		}
	}
	made := m.levelOfKind(op.Creates)
	if made != nil && made.parent != target {
		r.fault(path+".creates", "level %s is not right below %s, where the operation is carried out", made.ID, target.ID)
	}
	if op.CreatorGets == "" {
		return
	}
	if ro := m.roleOf[op.CreatorGets]; made == nil || ro == nil || ro.level != made {
		r.fault(path+".creator_gets", "%q is not a role of what the operation creates (%q)", op.CreatorGets, op.Creates)
	}
}

// levelOfKind returns the level whose nodes are of that kind, or that is called so.
func (m *Model) levelOfKind(kind string) *level {
	if l := m.levelOf[iam.Level(kind)]; l != nil {
		return l
	}
	for _, l := range m.levels {
		if slices.Contains(l.Kinds, kind) {
			return l
		}
	}
	return nil
}

func checkTokens(r *reader, t Tokens) {
	for _, c := range t.Claims {
		path := "tokens.claims." + c.Name
		// RFC 7519 §4.2: a name with a colon in it cannot meet a registered claim, nor one that Gatehouse makes.
		if !strings.Contains(c.Name, ":") || len(c.Name) > maxText {
			r.fault(path, "want a collision-resistant name such as an https URI")
		}
		if c.User == "" && c.Client == "" {
			r.fault(path, "want a source for user, client or both")
		}
		if !slices.Contains(userSources, c.User) {
			r.fault(path+".user", "want one of %v, got %q", userSources[1:], c.User)
		}
		if !slices.Contains(clientSources, c.Client) {
			r.fault(path+".client", "want one of %v, got %q", clientSources[1:], c.Client)
		}
	}
}

// The sources that there are for a kind of subject; "" leaves the claim out.
var (
	userSources   = []ClaimSource{"", SourceLogin, SourceOrganizationName, SourceOrganizationID}
	clientSources = []ClaimSource{"", SourceClientName, SourceClientID, SourceOrganizationName, SourceOrganizationID}
)

// blocked is the value of the external_users setting that cuts users without a role at the node.
const blocked = "blocked"
