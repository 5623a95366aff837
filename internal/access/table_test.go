package access_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/gatehouse-id/gatehouse/internal/access"
	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// A table is a file of testdata/checks: facts, and rows that each begin from them.
type table struct {
	Model string
	Facts struct {
		Nodes []struct {
			ID, Level, Parent string
			Settings          map[string]string
			Seats             int
		}
		Groups []struct {
			ID, Node string
			Members  []string
		}
		Custom []struct {
			Node, Level, Name string
			Can               []iam.Permission
		}
		Assignments []struct {
			Node, Role, To string
		}
		Suspended []struct{ User, Node string }
	}
	Checks []check
}

// An act is a change asked for.
type act struct {
	Actor, Op, Role, To, On, Key, Value, New, L, From string
	Give                                              []iam.Permission
}

// A check is a row: what was done before (do), and one question.
type check struct {
	act `yaml:",inline"`

	N          string
	Do         []act
	Who, Can   string
	Want       string
	Has, Lacks []iam.Permission
	Roles      *[]iam.RoleID
	Groups     *[]string
	Ask        []iam.NodeID
	Claims     string
	Access     map[string][]iam.RoleID
	Assignable *[]iam.RoleID
	Seats      *int
}

func readTables(t testing.TB) map[string]table {
	t.Helper()
	files, err := filepath.Glob("testdata/checks/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no check tables: %v", err)
	}
	out := map[string]table{}
	for _, f := range files {
		src, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		var tb table
		d := yaml.NewDecoder(strings.NewReader(string(src)))
		d.KnownFields(true)
		if err := d.Decode(&tb); err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		out[strings.TrimSuffix(filepath.Base(f), ".yaml")] = tb
	}
	return out
}

// Every row of the decision tables holds: the scenarios of the four systems that the presets model.
func TestDecisionTables(t *testing.T) {
	rows := 0
	for file, tb := range readTables(t) {
		m, ok := access.Preset(tb.Model)
		if !ok {
			t.Fatalf("%s: no preset %s", file, tb.Model)
		}
		for _, c := range tb.Checks {
			rows++
			t.Run(file+"/"+c.N, func(t *testing.T) {
				if fault := tb.run(m, c); fault != "" {
					t.Error(fault)
				}
			})
		}
	}
	if rows < 300 {
		t.Errorf("%d rows were run: some table is missing", rows)
	}
}

func subject(s string) iam.Subject {
	if s == "anyone" {
		s = "anonymous"
	}
	out, err := iam.ParseSubject(s)
	if err != nil {
		panic(err)
	}
	return out
}

func actor(s string) access.Actor {
	switch s {
	case "directory":
		return access.Actor{Authority: access.ByOperator}
	case "config":
		return access.Actor{Authority: access.ByConfiguration}
	}
	return access.Actor{Subject: subject(s)}
}

func (tb *table) memory() *access.Memory {
	mem := access.NewMemory()
	for _, n := range tb.Facts.Nodes {
		mem.AddNode(iam.Node{ID: iam.NodeID(n.ID), Parent: iam.NodeID(n.Parent), Level: iam.Level(n.Level), Name: n.ID, Settings: n.Settings})
		mem.PutSeatLimit(iam.NodeID(n.ID), n.Seats)
	}
	for _, g := range tb.Facts.Groups {
		var members []iam.UserID
		for _, u := range g.Members {
			members = append(members, iam.UserID(subject(u).ID))
		}
		mem.PutGroup(iam.Group{ID: iam.GroupID(g.ID), Node: iam.NodeID(g.Node), Name: g.ID}, members...)
	}
	for _, c := range tb.Facts.Custom {
		mem.PutCustomRole(access.CustomRole{ID: iam.RoleID(c.Name), Node: iam.NodeID(c.Node), Level: iam.Level(c.Level), Permissions: c.Can})
	}
	for _, a := range tb.Facts.Assignments {
		n, s := iam.NodeID(a.Node), subject(a.To)
		mem.PutAssignment(iam.Assignment{Node: n, Subject: s, Roles: append(slices.Clone(mem.Roles(n, s)), iam.RoleID(a.Role))})
	}
	for _, s := range tb.Facts.Suspended {
		mem.PutSuspension(iam.NodeID(s.Node), subject(s.User), true)
	}
	return mem
}

// perform asks for a change and, when it is granted, writes it.
func perform(m *access.Model, mem *access.Memory, a act) error {
	who, n, role := actor(a.Actor), iam.NodeID(a.On), iam.RoleID(a.Role)
	plan := func(p access.Plan, err error) error {
		if err == nil {
			mem.Apply(p)
		}
		return err
	}
	switch a.Op {
	case "assign":
		return plan(m.Assign(mem, who, n, subject(a.To), role))
	case "replace":
		return plan(m.Replace(mem, who, n, subject(a.To), iam.RoleID(a.From), role))
	case "remove":
		return plan(m.Remove(mem, who, n, subject(a.To), role))
	case "expel":
		return plan(m.Expel(mem, who, n, subject(a.To)))
	case "suspend", "resume":
		f := m.Suspend
		if a.Op == "resume" {
			f = m.Resume
		}
		err := f(mem, who, n, subject(a.To))
		if err == nil {
			mem.PutSuspension(n, subject(a.To), a.Op == "suspend")
		}
		return err
	case "set":
		err := m.Set(mem, who, n, a.Key, a.Value)
		if err == nil {
			mem.PutSetting(n, a.Key, a.Value)
		}
		return err
	case "copy":
		name := a.New
		if name == "" {
			name = "copy"
		}
		c, err := m.CreateRole(mem, who, access.CustomRole{ID: iam.RoleID(name), Node: n, Level: iam.Level(a.L), Base: role, Permissions: a.Give})
		if err == nil {
			mem.PutCustomRole(c)
		}
		return err
	case "edit":
		c, err := m.EditRole(mem, who, n, role, a.Give)
		if err == nil {
			mem.PutCustomRole(c)
		}
		return err
	case "delete":
		return m.DeleteRole(mem, who, n, role)
	case "group":
		err := m.CreateGroup(mem, who, n, a.New)
		if err == nil {
			mem.PutGroup(iam.Group{ID: iam.GroupID(a.New), Node: n, Name: a.New})
		}
		return err
	case "change_group":
		return m.ChangeGroup(mem, who, iam.GroupID(a.Role))
	case "join":
		_, err := m.AddMember(mem, who, iam.GroupID(a.Role), iam.UserID(subject(a.To).ID))
		if err == nil {
			g := mem.Group(iam.GroupID(a.Role))
			mem.PutGroup(*g, append(slices.Clone(mem.Members(g.ID)), iam.UserID(subject(a.To).ID))...)
		}
		return err
	case "clients":
		return m.ManageClients(mem, who, n)
	case "configure", "destroy", "review", "audit":
		v := map[string]access.Verb{"configure": access.Configure, "destroy": access.Delete, "review": access.Review, "audit": access.Audit}[a.Op]
		return m.Administer(mem, who, n, v)
	case "create":
		var first []iam.Assignment
		if a.To != "" {
			first = []iam.Assignment{{Subject: subject(a.To), Roles: []iam.RoleID{role}}}
		}
		err := m.CreateNode(mem, who, n, iam.Level(a.L), "", first)
		if err == nil {
			mem.AddNode(iam.Node{ID: iam.NodeID(a.New), Parent: n, Level: iam.Level(a.L), Name: a.New})
			for _, f := range first {
				mem.PutAssignment(iam.Assignment{Node: iam.NodeID(a.New), Subject: f.Subject, Roles: f.Roles})
			}
		}
		return err
	}
	out, err := m.Operate(mem, who, a.Op, n)
	if err == nil && out.Level != "" {
		mem.AddNode(iam.Node{ID: iam.NodeID(a.New), Parent: n, Level: out.Level, Kind: out.Kind, Name: a.New})
		if out.CreatorGets != "" {
			mem.PutAssignment(iam.Assignment{Node: iam.NodeID(a.New), Subject: who.Subject, Roles: []iam.RoleID{out.CreatorGets}})
		}
	}
	return err
}

// run returns what is wrong with a row, "" when it holds.
func (tb *table) run(m *access.Model, c check) string {
	mem := tb.memory()
	for i, a := range c.Do {
		if err := perform(m, mem, a); err != nil {
			return fmt.Sprintf("do[%d]: %v", i, err)
		}
	}
	n := iam.NodeID(c.On)
	asked := 0
	fault := ""
	expect := func(what string, got, want any) {
		asked++
		if fmt.Sprint(got) != fmt.Sprint(want) && fault == "" {
			fault = fmt.Sprintf("%s: got %v, want %v", what, got, want)
		}
	}
	if c.Op != "" {
		expect(c.Op, outcome(perform(m, mem, c.act)), c.Want)
	}
	if c.Can != "" {
		d, err := m.Decide(mem, subject(c.Who), iam.Permission(c.Can), n)
		if err != nil {
			return err.Error()
		}
		expect("decision", d, c.Want)
	}
	for _, p := range c.Has {
		expect(string(p), slices.Contains(m.Permissions(mem, subject(c.Who), n), p), true)
	}
	for _, p := range c.Lacks {
		expect(string(p), slices.Contains(m.Permissions(mem, subject(c.Who), n), p), false)
	}
	if c.Roles != nil {
		expect("roles", m.Roles(mem, subject(c.Who), n), *c.Roles)
	}
	if c.Groups != nil {
		expect("groups", m.Groups(mem, iam.UserID(subject(c.Who).ID), mem.Path(iam.NodeID(tb.Facts.Nodes[0].ID))[0].ID), *c.Groups)
	}
	if c.Claims != "" {
		expect("claims", claims(m, mem, c), c.Claims)
	}
	if c.Access != nil {
		got := map[string][]iam.RoleID{}
		for _, h := range m.Who(mem, n) {
			got[strings.Replace(h.Subject.String(), "anonymous", "anyone", 1)] = h.Roles
		}
		expect("who", got, c.Access)
	}
	if c.Assignable != nil {
		kind := iam.SubjectUser
		if c.Value != "" {
			kind = iam.SubjectKind(c.Value)
		}
		if c.Actor != "" {
			expect("assignable by "+c.Actor, m.AssignableBy(mem, actor(c.Actor), n, kind), *c.Assignable)
		} else {
			expect("assignable", m.Assignable(mem, n, kind), *c.Assignable)
		}
	}
	if c.Seats != nil {
		expect("seats", m.Seats(mem, n).Used, *c.Seats)
	}
	if asked == 0 {
		return "the row asks nothing"
	}
	return fault
}

func outcome(err error) string {
	if err == nil {
		return "ok"
	}
	return iam.CodeOf(err)
}

// claims writes an answer in the tables' notation, where roles are sorted by name.
func claims(m *access.Model, mem *access.Memory, c check) string {
	got, err := m.Claims(mem, access.Request{Subject: subject(c.Who), Organization: iam.NodeID(c.On), Nodes: c.Ask})
	if err != nil {
		return iam.CodeOf(err)
	}
	roles := slices.Clone(got.Roles)
	slices.Sort(roles)
	out := fmt.Sprintf("roles=%v groups=%v", roles, got.Groups)
	for _, d := range got.Details {
		out += fmt.Sprintf(" %s:%s=%v", d.Node.Level, d.Node.ID, d.Roles)
	}
	return out
}
