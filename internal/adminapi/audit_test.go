package adminapi_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gatehouse-id/gatehouse/internal/apiv1"
	"github.com/gatehouse-id/gatehouse/internal/audit"
	"github.com/gatehouse-id/gatehouse/internal/kv"
)

// twoOrganizations makes acme, owned by ann, and rival, owned by rob.
func (b *broker) twoOrganizations() (acme, rival apiv1.Node) {
	b.t.Helper()
	api := b.as("operator")
	for _, name := range []string{"ann", "rob"} {
		check(b.t, errorOf(api.CreateUser(b.t.Context(), apiv1.NewUser{Name: name})))
	}
	made := make([]apiv1.Node, 2)
	for i, c := range []struct{ org, owner string }{{"acme", "ann"}, {"rival", "rob"}} {
		n, err := api.CreateOrganization(b.t.Context(), apiv1.NewNode{
			Name: c.org, NodeSpec: apiv1.NodeSpec{Model: "floxhub"}, Assignments: []apiv1.Assignment{{User: c.owner, Role: "owner"}},
		})
		check(b.t, err)
		made[i] = n
		b.person(c.owner, "")
	}
	return made[0], made[1]
}

// lines returns the lines of a node or stream, oldest first.
func (b *broker) lines(by, node, stream string) (out []apiv1.AuditEvent) {
	b.t.Helper()
	api := b.as(by)
	page := func(ctx context.Context, o apiv1.PageOptions) (apiv1.Page[apiv1.AuditEvent], error) {
		return api.ListAudit(ctx, node, stream, apiv1.AuditQuery{Order: "oldest"}, o)
	}
	for e, err := range apiv1.All(b.t.Context(), page) {
		check(b.t, err)
		out = append(out, e)
	}
	return out
}

func actions(lines []apiv1.AuditEvent) (out []string) {
	for _, e := range lines {
		out = append(out, e.Action)
	}
	return out
}

// Every change names who did it to what, where, and what it was before; no line has a secret or what is made of one.
func TestEveryChangeHasItsLine(t *testing.T) {
	b := start(t)
	ctx := t.Context()
	api := b.as("operator")
	org, _ := b.twoOrganizations()
	const imported = "an-imported-secret-of-some-forty-characters"
	made, err := api.CreateClient(ctx, apiv1.NewClient{Name: "bot", Organization: "acme", ClientSpec: apiv1.ClientSpec{ClientID: "bot"}})
	check(t, err)
	rotated, err := api.RotateSecret(ctx, "bot", apiv1.SecretRotation{Value: imported, Name: "second"})
	check(t, err)
	check(t, api.DeleteSecret(ctx, "bot", rotated.ID))
	check(t, errorOf(api.CreateUser(ctx, apiv1.NewUser{Name: "eve", UserSpec: apiv1.UserSpec{Email: "eve@example.org", Password: &apiv1.SecretRef{Value: "gravel tumble oat"}}})))
	check(t, errorOf(api.Assign(ctx, "acme", apiv1.Assignment{User: "eve", Role: "reader"})))
	check(t, errorOf(api.Assign(ctx, "acme", apiv1.Assignment{User: "eve", Role: "writer"})))
	check(t, api.Unassign(ctx, "acme", apiv1.Assignment{User: "eve"}))
	check(t, errorOf(api.Revoke(ctx, apiv1.NewRevocation{Kind: "client", ID: "bot"})))
	check(t, api.DeleteClient(ctx, "bot"))

	lines := b.lines("operator", "acme", "")
	want := []string{
		"node.create", "assignment.create", "client.create", "client_secret.create", "assignment.create", "client_secret.create", "client_secret.delete",
		"assignment.create", "assignment.change", "assignment.delete", "revocation.create", "client.update", "assignment.delete", "client.delete", "client_secret.delete",
	}
	got := actions(lines)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	for i, e := range lines {
		if e.Seq != uint64(i+1) || e.Stream != org.ID || e.Node != org.ID || e.Actor != "client:operator" || e.ActorName != "operator" ||
			e.Client != "operator" || e.RequestID == "" || e.Outcome != "done" || e.Time.IsZero() {
			t.Errorf("got %+v", e)
		}
	}
	i := slices.IndexFunc(lines, func(e apiv1.AuditEvent) bool { return e.Action == "assignment.change" })
	if e := lines[i]; string(e.Before) != `{"roles":["reader"]}` || string(e.After) != `{"roles":["writer"]}` || !strings.HasPrefix(e.Subject, "user:") {
		t.Errorf("got %s → %s of %s", e.Before, e.After, e.Subject)
	}
	platform := b.lines("operator", "", "platform")
	if !slices.Contains(actions(platform), "user.create") {
		t.Errorf("the platform's lines are %q", actions(platform))
	}
	all, err := json.Marshal(append(lines, platform...))
	check(t, err)
	c, err := b.hasher.Hash(ctx, imported)
	check(t, err)
	for _, secret := range []string{imported, made.Secret.Value, c, "v1$hmac", "argon2id", "gravel tumble", "eve@example.org"} {
		if bytes.Contains(all, []byte(secret)) {
			t.Errorf("the log holds %q", secret)
		}
	}
}

// The log of an organization is there for those who may read it, and does not exist for others; a stream is for the platform.
func TestLinesOfOthersDoNotExist(t *testing.T) {
	b := start(t)
	acme, rival := b.twoOrganizations()
	if got := b.lines("ann@", "acme", ""); len(got) < 2 {
		t.Errorf("the owner sees %d lines", len(got))
	}
	check(t, errorOf(b.as("operator").CreateUser(t.Context(), apiv1.NewUser{Name: "max"})))
	check(t, errorOf(b.as("operator").Assign(t.Context(), "acme", apiv1.Assignment{User: "max", Role: "reader"})))
	b.person("max", "")
	for _, rest := range []string{"", "/verify", "/anchor", "/export"} {
		for _, home := range []string{"/nodes/", "/organizations/"} {
			path := "/api/v1" + home + "acme/audit" + rest
			missing := b.send("GET", "/api/v1"+home+"nowhere/audit"+rest, "rob@", "")
			for _, a := range []answer{b.send("GET", path, "rob@", ""), b.send("GET", "/api/v1"+home+acme.ID+"/audit"+rest, "rob@", ""), b.send("GET", path, "stranger", "")} {
				if a.status != 404 || a.code() != missing.code() || a.status != missing.status {
					t.Errorf("%s by an outsider: got %d %s", path, a.status, a.body)
				}
			}
			if a := b.send("GET", path, "max@", ""); a.status != 403 {
				t.Errorf("%s by a reader: got %d %s", path, a.status, a.body)
			}
			if a := b.send("GET", path, "ann@", ""); a.status != 200 {
				t.Errorf("%s by the owner: got %d %s", path, a.status, a.body)
			}
		}
		if a := b.send("GET", "/api/v1/audit"+rest+"?stream="+rival.ID, "ann@", ""); a.status != 403 {
			t.Errorf("a stream by an owner: got %d %s", a.status, a.body)
		}
		if a := b.send("GET", "/api/v1/audit"+rest+"?stream="+rival.ID, "auditor", ""); a.status != 200 {
			t.Errorf("a stream by an auditor: got %d %s", a.status, a.body)
		}
	}
	for _, e := range b.lines("ann@", "acme", "") {
		if e.Stream != acme.ID || e.Node != acme.ID {
			t.Errorf("acme's owner sees %+v", e)
		}
	}
	page, err := b.as("ann@").ListAudit(t.Context(), "acme", "", apiv1.AuditQuery{At: rival.ID}, apiv1.PageOptions{})
	check(t, err)
	if len(page.Items) > 0 {
		t.Errorf("a filter by another's node finds %v", page.Items)
	}
}

// Filters select, in both orders, page by page.
func TestAuditFilters(t *testing.T) {
	b := start(t)
	ctx := t.Context()
	b.twoOrganizations()
	api := b.as("operator")
	for i := range 30 {
		role := []string{"reader", "writer"}[i%2]
		check(t, errorOf(api.Assign(ctx, "acme", apiv1.Assignment{User: "rob", Role: role})))
	}
	all := b.lines("ann@", "acme", "")
	var newest []uint64
	for o := (apiv1.PageOptions{PageSize: 7}); ; {
		page, err := api.ListAudit(ctx, "acme", "", apiv1.AuditQuery{}, o)
		check(t, err)
		for _, e := range page.Items {
			newest = append(newest, e.Seq)
		}
		if o.Token = page.NextPageToken; o.Token == "" {
			break
		}
	}
	slices.Reverse(newest)
	for i := range all {
		if len(newest) != len(all) || newest[i] != all[i].Seq {
			t.Fatalf("newest first: got %v, want those of %d lines", newest, len(all))
		}
	}
	rob, err := api.GetUser(ctx, "rob")
	check(t, err)
	for _, c := range []struct {
		q    apiv1.AuditQuery
		want int
	}{
		{apiv1.AuditQuery{Action: "assignment"}, 31}, {apiv1.AuditQuery{Action: "assignment.change"}, 29}, {apiv1.AuditQuery{Action: "assign"}, 0},
		{apiv1.AuditQuery{Subject: rob.ID}, 30}, {apiv1.AuditQuery{Actor: "operator"}, 32}, {apiv1.AuditQuery{Actor: "ann"}, 0},
		{apiv1.AuditQuery{Outcome: "refused"}, 0}, {apiv1.AuditQuery{After: 30}, 2}, {apiv1.AuditQuery{Since: all[0].Time, At: "acme"}, 32},
		{apiv1.AuditQuery{Until: all[0].Time}, 0}, {apiv1.AuditQuery{Since: time.Now().Add(time.Hour)}, 0},
	} {
		for _, order := range []string{"newest", "oldest"} {
			c.q.Order = order
			page, err := api.ListAudit(ctx, "acme", "", c.q, apiv1.PageOptions{})
			check(t, err)
			if len(page.Items) != c.want {
				t.Errorf("%+v: got %d lines, want %d", c.q, len(page.Items), c.want)
			}
		}
	}
}

// Whoever follows gets a line when it is written, not when the time is over.
func TestFollowingWaitsForALine(t *testing.T) {
	b := start(t)
	b.twoOrganizations()
	last := uint64(len(b.lines("ann@", "acme", "")))
	got := make(chan []apiv1.AuditEvent, 1)
	go func() {
		page, err := b.as("ann@").ListAudit(context.Background(), "acme", "", apiv1.AuditQuery{Order: "oldest", After: last, Wait: 30 * time.Second}, apiv1.PageOptions{})
		if err != nil {
			t.Error(err)
		}
		got <- page.Items
	}()
	check(t, errorOf(b.as("operator").Assign(t.Context(), "acme", apiv1.Assignment{User: "rob", Role: "reader"})))
	select {
	case items := <-got:
		if len(items) != 1 || items[0].Action != "assignment.create" {
			t.Errorf("got %v", actions(items))
		}
	case <-time.After(20 * time.Second):
		t.Error("nothing came")
	}
}

// An export can be checked by whoever has it; its CSV has no formula.
func TestExport(t *testing.T) {
	b := start(t)
	acme, _ := b.twoOrganizations()
	anchor, err := b.as("ann@").AnchorAudit(t.Context(), "acme", "")
	check(t, err)
	file := b.send("GET", "/api/v1/organizations/acme/audit/export", "ann@", "").body
	head, err := audit.ParseAnchor(anchor.Anchor)
	check(t, err)
	r, err := audit.CheckFile(strings.NewReader(file), head)
	check(t, err)
	if len(r.Faults) > 0 || r.Lines != anchor.Seq || r.Stream != acme.ID {
		t.Errorf("got %+v", r)
	}
	lines := strings.SplitAfter(file, "\n")
	r, err = audit.CheckFile(strings.NewReader(strings.Join(lines[:len(lines)-2], "")), head)
	check(t, err)
	if len(r.Faults) != 1 || r.Faults[0].Kind != audit.FaultAnchor {
		t.Errorf("a file without its last line: got %+v", r)
	}
	rows, err := csv.NewReader(strings.NewReader(b.send("GET", "/api/v1/nodes/acme/audit/export?format=csv", "ann@", "").body)).ReadAll()
	check(t, err)
	if len(rows) != int(anchor.Seq)+1 || rows[0][0] != "stream" {
		t.Errorf("got %v", rows)
	}
	var out bytes.Buffer
	w := audit.NewCSV(&out)
	check(t, w.Line(audit.Event{ActorName: "=cmd()", Code: "\tx", Subject: "@a", Action: "-1"}))
	check(t, w.Flush())
	for _, cell := range []string{"'=cmd()", "'@a", "'-1", "'\tx"} {
		if !strings.Contains(out.String(), cell) {
			t.Errorf("%q is not in %q", cell, out.String())
		}
	}
}

// Whoever can write the store alone cannot change what the log says without being found out, not even by a change that follows.
func TestTamperingIsFound(t *testing.T) {
	for name, c := range map[string]struct {
		tamper func(s *raw)
		want   string
		anchor bool
	}{
		"edit":    {func(s *raw) { s.edit(3, `"writer"`, `"owner"`) }, audit.FaultEdited, false},
		"delete":  {func(s *raw) { s.put(3, nil) }, audit.FaultMissing, false},
		"swap":    {func(s *raw) { x, y := s.get(3), s.get(4); s.put(3, y); s.put(4, x) }, audit.FaultOrder, false},
		"cut":     {func(s *raw) { s.put(6, nil) }, audit.FaultCut, false},
		"garbage": {func(s *raw) { s.put(4, []byte(`{"v":1,"l":7}`)) }, audit.FaultUnreadable, false},
		"double":  {func(s *raw) { s.put(9, s.get(6)) }, audit.FaultOrder, false},
		"no head": {func(s *raw) { s.putHead(nil) }, audit.FaultHead, false},
		"own head": {func(s *raw) {
			s.putHead(bytes.Replace(s.head(), []byte(`"seq":6`), []byte(`"seq":5`), 1))
			s.put(6, nil)
		}, audit.FaultHead, false},
		"rewritten": {func(s *raw) { s.rewrite(5) }, audit.FaultReplaced, false},
		"laundered": {func(s *raw) { s.putHead(s.headWith(s.rewrite(5))) }, audit.FaultHead, false},
		"set back":  {func(s *raw) { s.put(6, nil); s.put(5, nil); s.putHead(s.heads[4]) }, audit.FaultAnchor, true},
	} {
		t.Run(name, func(t *testing.T) {
			b := start(t)
			ctx := t.Context()
			acme, _ := b.twoOrganizations()
			api := b.as("operator")
			s := &raw{b: b, stream: acme.ID, heads: map[int][]byte{}}
			for i, role := range []string{"writer", "reader", "writer", "reader"} {
				check(t, errorOf(api.Assign(ctx, "acme", apiv1.Assignment{User: "rob", Role: role})))
				s.heads[i+3] = s.head()
			}
			anchor := ""
			if c.anchor {
				a, err := api.AnchorAudit(ctx, "acme", "")
				check(t, err)
				anchor = a.Anchor
			}
			sound, err := api.VerifyAudit(ctx, "acme", "", anchor)
			check(t, err)
			if len(sound.Faults) != 0 || sound.Lines != 6 {
				t.Fatalf("before: got %+v", sound)
			}
			c.tamper(s)
			for _, when := range []string{"at once", "after the next change"} {
				r, err := api.VerifyAudit(ctx, "acme", "", anchor)
				check(t, err)
				if len(r.Faults) == 0 || when == "at once" && !slices.ContainsFunc(r.Faults, func(f apiv1.AuditFault) bool { return f.Kind == c.want }) {
					t.Errorf("%s: got %+v, want %s", when, r, c.want)
				}
				check(t, errorOf(api.Assign(ctx, "acme", apiv1.Assignment{User: "rob", Role: "writer"})))
			}
		})
	}
}

// raw is the log of a stream as whoever has the store sees it. The first two lines are one record; each that follows is one.
type raw struct {
	b      *broker
	stream string
	heads  map[int][]byte
}

var (
	auditColl = &kv.Coll{Name: "audit", Indexed: true}
	headColl  = &kv.Coll{Name: "audithead", Indexed: true}
)

func (s *raw) key(seq int) kv.Key {
	return kv.Key{Coll: auditColl, ID: fmt.Sprintf("%s/%020d", s.stream, seq)}
}

func (s *raw) read(k kv.Key) []byte {
	s.b.t.Helper()
	items, err := s.b.engine.Get(context.Background(), "d", k)
	check(s.b.t, err)
	if items[0].Version == 0 {
		s.b.t.Fatalf("there is no %s", k.ID)
	}
	return items[0].Value
}

func (s *raw) write(k kv.Key, v []byte) {
	s.b.t.Helper()
	tx := kv.Tx{ID: kv.NewTxID(), Puts: []kv.Put{{Key: k, Value: v}}}
	if v == nil {
		tx.Puts, tx.Deletes = nil, []kv.Key{k}
	}
	_, err := s.b.engine.Apply(context.Background(), "d", tx)
	check(s.b.t, err)
}

func (s *raw) get(seq int) []byte    { return s.read(s.key(seq)) }
func (s *raw) put(seq int, v []byte) { s.write(s.key(seq), v) }
func (s *raw) head() []byte          { return s.read(kv.Key{Coll: headColl, ID: s.stream}) }
func (s *raw) putHead(v []byte)      { s.write(kv.Key{Coll: headColl, ID: s.stream}, v) }
func (s *raw) edit(seq int, a, b string) {
	s.b.t.Helper()
	old := s.get(seq)
	now := bytes.Replace(old, []byte(a), []byte(b), 1)
	if bytes.Equal(old, now) {
		s.b.t.Fatalf("%s is not in %s", a, old)
	}
	s.put(seq, now)
}

// headWith is the record of the end, with another hash.
func (s *raw) headWith(hash string) []byte {
	s.b.t.Helper()
	var head map[string]any
	check(s.b.t, json.Unmarshal(s.head(), &head))
	delete(head, "v")
	head["hash"] = hash
	data, err := json.Marshal(head)
	check(s.b.t, err)
	return append([]byte(`{"v":1,`), data[1:]...)
}

// rewrite replaces the lines from seq to the end by others that hang together, and returns the hash of the last.
func (s *raw) rewrite(seq int) string {
	s.b.t.Helper()
	line := func(n int) (e audit.Event) {
		var batch struct{ L []audit.Event }
		check(s.b.t, json.Unmarshal(s.get(n), &batch))
		return batch.L[0]
	}
	before := line(seq - 1)
	head := audit.Head{Stream: s.stream, Seq: before.Seq, Hash: before.Hash, Time: before.Time}
	for ; seq <= 6; seq++ {
		e := []audit.Event{line(seq)}
		e[0].Actor = "user:somebody-else"
		var err error
		head, err = audit.Chain(head, e)
		check(s.b.t, err)
		data, err := json.Marshal(map[string]any{"l": e})
		check(s.b.t, err)
		s.put(seq, append([]byte(`{"v":1,`), data[1:]...))
	}
	return head.Hash
}

// A change and its line are one: where the process ends, either both are there or neither is.
func TestNoChangeWithoutItsLine(t *testing.T) {
	b := start(t)
	b.twoOrganizations()
	api := b.as("operator")
	for n := range int64(3) {
		before := len(b.lines("operator", "acme", ""))
		b.engine.left.Store(n)
		_, err := api.Assign(t.Context(), "acme", apiv1.Assignment{User: "rob", Role: []string{"reader", "writer"}[n%2]})
		b.engine.left.Store(-1)
		held, listErr := api.ListAssignments(t.Context(), "acme", apiv1.PageOptions{})
		check(t, listErr)
		lines := b.lines("operator", "acme", "")
		if (len(lines) > before) != (n > 0) || n == 0 && err == nil {
			t.Errorf("after %d transactions: %d lines more, %v; held %v", n, len(lines)-before, err, held.Items)
		}
	}
}

// However many write at once, a stream has no fork and no gap.
func TestConcurrentChangesMakeOneChain(t *testing.T) {
	b := start(t)
	b.twoOrganizations()
	var all sync.WaitGroup
	for i := range 40 {
		all.Go(func() {
			check(t, errorOf(b.as("operator").CreateUser(context.Background(), apiv1.NewUser{Name: fmt.Sprintf("u%d", i)})))
		})
	}
	all.Wait()
	r, err := b.as("auditor").VerifyAudit(t.Context(), "", "platform", "")
	check(t, err)
	if lines := b.lines("operator", "", "platform"); len(r.Faults) > 0 || r.Lines != 42 || len(lines) != 42 {
		t.Errorf("got %+v and %d lines, want 42", r, len(lines))
	}
}

// What somebody may not do is told, once each up to thirty a minute, and then counted. What cannot be read, and who is not known, is not.
func TestRefusalsAreToldWithinBounds(t *testing.T) {
	b := start(t)
	b.twoOrganizations()
	before := len(b.lines("operator", "acme", ""))
	for range 100 {
		if a := b.send("GET", "/api/v1/organizations/acme/audit", "rob@", ""); a.status != 404 {
			t.Fatalf("got %d", a.status)
		}
	}
	b.send("GET", "/api/v1/organizations/acme/audit", "", "")
	b.send("PUT", "/api/v1/organizations/acme", "operator", "{")
	b.send("PUT", "/api/v1/organizations/acme", "operator", "{}", "If-Match", `"old"`)
	lines := b.lines("operator", "acme", "")[before:]
	if len(lines) != 30 {
		t.Fatalf("got %d lines, want 30: %v", len(lines), actions(lines))
	}
	if e := lines[0]; e.Outcome != "refused" || e.Code != "not_found" || e.Action != "list-audit-of-organization" || e.ActorName != "rob" {
		t.Errorf("got %+v", e)
	}
	check(t, b.refusals.Flush(t.Context(), true))
	lines = b.lines("operator", "acme", "")[before:]
	if e := lines[len(lines)-1]; len(lines) != 31 || string(e.After) != `{"more":70,"text":"and 70 more"}` {
		t.Errorf("got %d lines, the last %+v", len(lines), e)
	}
}

// Counts of refusals that cannot be written are not lost: they are told with the next, once.
func TestCountedRefusalsSurviveAnOutage(t *testing.T) {
	b := start(t)
	b.twoOrganizations()
	refuse := func() {
		if a := b.send("GET", "/api/v1/organizations/acme/audit", "rob@", ""); a.status != 404 {
			t.Fatalf("got %d", a.status)
		}
	}
	for range 40 {
		refuse()
	}
	b.engine.left.Store(0)
	if err := b.refusals.Flush(t.Context(), true); err == nil {
		t.Fatal("a flush without a store succeeded")
	}
	b.engine.left.Store(-1)
	refuse()
	check(t, b.refusals.Flush(t.Context(), true))
	check(t, b.refusals.Flush(t.Context(), true))
	more := 0
	for _, e := range b.lines("operator", "acme", "") {
		if e.Action == "refusals" {
			var counted struct{ More int }
			check(t, json.Unmarshal(e.After, &counted))
			more += counted.More
		}
	}
	if more != 11 {
		t.Errorf("%d refusals were told in counts, want 11", more)
	}
}

// A refusal is about the person whom the path names, in whatever way.
func TestRefusalsNamePeopleByID(t *testing.T) {
	b := start(t)
	b.twoOrganizations()
	ann, err := b.as("operator").GetUser(t.Context(), "ann")
	check(t, err)
	for _, call := range [][]string{{"ann", "operator"}, {ann.ID, "operator"}, {"me", "ann@"}} {
		if a := b.send("DELETE", "/api/v1/organizations/acme/members/"+call[0], call[1], ""); a.status != 409 {
			t.Errorf("%s by %s: got %d %s", call[0], call[1], a.status, a.body)
		}
		lines := b.lines("operator", "acme", "")
		if e := lines[len(lines)-1]; e.Outcome != "refused" || e.Subject != "user:"+ann.ID {
			t.Errorf("%s by %s: got %+v, want a refusal about %s", call[0], call[1], e, ann.ID)
		}
	}
}

// An operator's change inside an organization can be made to need an owner who asked for it, and the log has both.
func TestOwnersRequest(t *testing.T) {
	b := start(t)
	b.twoOrganizations()
	assign := func(role string, header ...string) answer {
		return b.send("POST", "/api/v1/organizations/acme/assignments", "operator", `{"user":"rob","role":"`+role+`"}`, header...)
	}
	const name = "Gatehouse-Requested-By"
	if a := assign("reader", name, "nobody"); a.status != 400 || a.code() != "unknown_reference" {
		t.Errorf("an unknown user: got %d %s", a.status, a.body)
	}
	if a := b.send("GET", "/api/v1/whoami", "ann@", "", name, "ann"); a.status != 400 {
		t.Errorf("no operator: got %d %s", a.status, a.body)
	}
	if a := assign("reader", name, "ann"); a.status != 200 {
		t.Errorf("got %d %s", a.status, a.body)
	}
	lines := b.lines("operator", "acme", "")
	if e := lines[len(lines)-1]; e.Actor != "client:operator" || e.RequestedBy == "" {
		t.Errorf("got %+v", e)
	}
	b.directory.OwnerRequest = true
	for _, header := range [][]string{nil, {name, "rob"}} {
		if a := assign("writer", header...); a.status != 403 || a.code() != "owner_request_required" {
			t.Errorf("with %v: got %d %s", header, a.status, a.body)
		}
	}
	if a := assign("owner", name, "rob"); a.status != 403 || a.code() != "owner_request_required" {
		t.Errorf("who becomes owner by the change itself: got %d %s", a.status, a.body)
	}
	if a := assign("writer", name, "ann"); a.status != 200 {
		t.Errorf("got %d %s", a.status, a.body)
	}
	check(t, errorOf(b.as("operator").CreateUser(t.Context(), apiv1.NewUser{Name: "kim"})))
	check(t, errorOf(b.as("operator").CreateOrganization(t.Context(), apiv1.NewNode{
		Name: "fresh", NodeSpec: apiv1.NodeSpec{Model: "floxhub"}, Assignments: []apiv1.Assignment{{User: "kim", Role: "owner"}},
	})))
}
