package access_test

import (
	"errors"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/gatehouse-id/gatehouse/internal/access"
	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// Whatever the model and the facts, the engine answers as the definition read literally does.
func TestEngineAgreesWithDefinition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		o := oracle{w.m.Schema(), w.mem, map[question][]source{}}
		for _, s := range w.subjects {
			for _, n := range w.nodes {
				roles := w.m.Roles(w.mem, s, n)
				slices.Sort(roles)
				if want := sorted(o.effective(s, n)); !slices.Equal(roles, want) {
					t.Fatalf("roles of %s at %s: got %v, want %v\n%s", s, n, roles, want, w.source)
				}
				held := w.m.Permissions(w.mem, s, n)
				slices.Sort(held)
				if want := sorted(o.permissions(s, n)); !slices.Equal(held, want) {
					t.Fatalf("permissions of %s at %s: got %v, want %v\n%s", s, n, held, want, w.source)
				}
				for _, p := range w.permissions() {
					if got, err := w.m.Decide(w.mem, s, p, n); err != nil || got != o.decide(s, p, n) {
						t.Fatalf("decision on %s for %s at %s: got %s (%v), want %s", p, s, n, got, err, o.decide(s, p, n))
					}
				}
			}
		}
	})
}

// Claims, decisions, lists and explanations are the same answer in four forms.
func TestAnswersAgree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		for _, n := range w.nodes {
			w.checkLists(t, n)
			w.checkWhere(t, rapid.SampledFrom(w.subjects).Draw(t, "who"), rapid.SampledFrom(w.permissions()).Draw(t, "may"),
				rapid.SampledFrom(w.m.Schema().Levels).Draw(t, "level").ID, n)
			for _, s := range w.subjects {
				w.checkExplain(t, s, n)
				if w.mem.Path(n)[len(w.mem.Path(n))-1].Level == iam.LevelOrganization {
					w.checkClaims(t, s, n)
				}
			}
		}
	})
}

// checkLists holds Who and WhoCan to asking everybody one by one.
func (w *world) checkLists(t *rapid.T, n iam.NodeID) {
	listed := map[iam.Subject][]iam.RoleID{}
	for _, h := range w.m.Who(w.mem, n) {
		listed[h.Subject] = h.Roles
	}
	can := map[iam.Permission]map[iam.Subject]bool{}
	for _, p := range w.permissions() {
		can[p] = map[iam.Subject]bool{}
		lines, err := w.m.WhoCan(w.mem, p, n)
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range lines {
			can[p][h.Subject] = true
		}
	}
	anyone := subject("anyone")
	for _, s := range w.subjects {
		if s.Kind == iam.SubjectGroup {
			continue // listed by its members
		}
		roles := w.m.Roles(w.mem, s, n)
		// Who holds no more than anybody is listed only if something at the node or above is assigned to him.
		if got, ok := listed[s]; ok && !slices.Equal(got, roles) || !ok && len(roles) > 0 && !slices.Equal(roles, listed[anyone]) {
			t.Fatalf("who at %s lists %s with %v, holds %v\n%s", n, s, got, roles, w.source)
		}
		for _, p := range w.permissions() {
			d, _ := w.m.Decide(w.mem, s, p, n)
			// Whoever is not listed has what anyone has, unless a layer of his own decides before the public one.
			if allowed := d == access.Allow; can[p][s] && !allowed || allowed && !can[p][s] && !can[p][anyone] {
				t.Fatalf("who can %s at %s lists %s: %v, decision %s\n%s", p, n, s, can[p][s], d, w.source)
			}
		}
	}
}

// checkWhere holds Where to asking about every node one by one.
func (w *world) checkWhere(t *rapid.T, s iam.Subject, p iam.Permission, l iam.Level, root iam.NodeID) {
	var want []iam.NodeID
	for _, n := range w.nodes {
		path := w.mem.Path(n)
		below := slices.ContainsFunc(path, func(at *iam.Node) bool { return at.ID == root })
		if d, _ := w.m.Decide(w.mem, s, p, n); d == access.Allow && path[len(path)-1].Level == l && below {
			want = append(want, n)
		}
	}
	if got, err := w.m.Where(w.mem, s, p, l, root); err != nil || !slices.Equal(slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))) {
		t.Fatalf("where below %s %s may %s: got %v (%v), want %v", root, s, p, got, err, want)
	}
}

func (w *world) checkExplain(t *rapid.T, s iam.Subject, n iam.NodeID) {
	for _, p := range w.permissions() {
		ex, err := w.m.Explain(w.mem, s, p, n)
		if err != nil {
			t.Fatal(err)
		}
		d, _ := w.m.Decide(w.mem, s, p, n)
		permits := slices.ContainsFunc(ex.Steps, func(st access.Step) bool { return st.Permits })
		if ex.Decision != d || permits != (d == access.Allow) {
			t.Fatalf("explanation of %s for %s at %s: %+v, decision %s", p, s, n, ex, d)
		}
		for _, st := range ex.Steps {
			counts := map[iam.RoleID]bool{}
			for _, r := range st.Reasons {
				if r.Effect == access.EffectCounts {
					counts[r.Role] = true
				}
				if r.String() == "" {
					t.Fatalf("a reason without words: %+v", r)
				}
			}
			roles := slices.Sorted(slices.Values(st.Roles))
			if !slices.Equal(roles, slices.Sorted(maps.Keys(counts))) {
				t.Fatalf("%s at %s holds %v for reasons %+v", s, st.Node, st.Roles, st.Reasons)
			}
		}
	}
}

// checkClaims holds a token to the decisions that a resource server would ask for instead.
func (w *world) checkClaims(t *rapid.T, s iam.Subject, org iam.NodeID) {
	var roles []iam.RoleID
	for _, at := range w.mem.Path(org) {
		roles = append(roles, w.m.Roles(w.mem, s, at.ID)...)
	}
	for _, n := range w.nodes {
		got, err := w.m.Claims(w.mem, access.Request{Subject: s, Organization: org, Nodes: []iam.NodeID{n}, Entitlements: true})
		if err != nil {
			if code := iam.CodeOf(err); code != access.CodeAccessDenied && code != access.CodeInvalidDetails {
				t.Fatalf("claims of %s at %s: %v", s, org, err)
			}
			continue
		}
		if got.Roles == nil || !slices.Equal(got.Roles, roles) {
			t.Fatalf("claims of %s at %s: roles %v, want %v", s, org, got.Roles, roles)
		}
		if want := w.m.Permissions(w.mem, s, org); !slices.Equal(got.Entitlements, want) {
			t.Fatalf("claims of %s at %s: entitlements %v, want %v", s, org, got.Entitlements, want)
		}
		d := got.Details[0]
		if !slices.Equal(d.Roles, w.m.Roles(w.mem, s, n)) || !slices.Equal(d.Permissions, w.m.Permissions(w.mem, s, n)) || !w.m.Visible(w.mem, s, n) {
			t.Fatalf("claims of %s: detail %+v disagrees with the decisions at %s", s, d, n)
		}
	}
}

// Whatever people try, what a change gives to somebody at a node, its actor held there before: by roles of the model and by custom
// ones, made or edited.
func TestChangesNeverExceedTheirActors(t *testing.T) {
	granted := map[string]int{}
	// Grants of custom roles are rare among random changes, so more worlds are drawn until there was one.
	for range 20 {
		rapid.Check(t, func(t *rapid.T) {
			w := drawWorld(t)
			for range 12 {
				if what := w.change(t); what != "" {
					granted[what]++
				}
			}
		})
		if granted["model"] > 0 && granted["custom"] > 0 {
			break
		}
	}
	for _, what := range []string{"model", "custom"} {
		if granted[what] == 0 {
			t.Errorf("no change with a %s role was ever granted: the property was not put to the test", what)
		}
	}
}

// change lets one subject try one change; it returns what kind of role was given.
func (w *world) change(t *rapid.T) string {
	actor := access.Actor{Subject: rapid.SampledFrom(w.subjects[:3]).Draw(t, "actor")}
	to := rapid.SampledFrom(w.subjects[:4]).Draw(t, "to")
	n := rapid.SampledFrom(w.nodes).Draw(t, "at")
	path := w.mem.Path(n)
	l := w.m.Level(path[len(path)-1].Level)
	role, kind := rapid.SampledFrom(l.Roles).Draw(t, "give").ID, "model"
	could := w.m.Permissions(w.mem, actor.Subject, n)
	had := w.m.Permissions(w.mem, to, n)
	within := func(what string, ps []iam.Permission) {
		for _, p := range ps {
			if !slices.Contains(could, p) {
				t.Fatalf("%s %s with %s, which it lacks at %s\n%s", actor.Subject, what, p, n, w.source)
			}
		}
	}
	if !l.Exclusive && rapid.Bool().Draw(t, "custom") {
		c, err := w.m.CreateRole(w.mem, actor, access.CustomRole{ID: "made", Node: n, Level: l.ID, Base: role})
		if iam.CodeOf(err) == access.CodeNameTaken {
			c, err = w.m.EditRole(w.mem, actor, n, "made", w.m.RolePermissions(role))
		}
		if err != nil {
			w.refusal(t, err)
			return ""
		}
		within("made a role", c.Permissions)
		w.mem.PutCustomRole(c)
		role, kind = c.ID, "custom"
		had = w.m.Permissions(w.mem, to, n)
	}
	plan, err := w.m.Assign(w.mem, actor, n, to, role)
	if err != nil {
		w.refusal(t, err)
		return ""
	}
	w.mem.Apply(plan)
	if !slices.Contains(w.mem.Roles(n, to), role) {
		t.Fatalf("the plan %+v does not give %s", plan, role)
	}
	gained := slices.DeleteFunc(w.m.Permissions(w.mem, to, n), func(p iam.Permission) bool { return slices.Contains(had, p) })
	within("gave a role", gained)
	return kind
}

// refusal holds refusals to their shape: a known kind, a code, a sentence.
func (w *world) refusal(t *rapid.T, err error) {
	var e *iam.Error
	if !errors.As(err, &e) || e.Kind == iam.Internal || e.Message == "" {
		t.Fatalf("a refusal without kind or sentence: %#v", err)
	}
}
