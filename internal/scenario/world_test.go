package scenario

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/access"
	"github.com/gatehouse-id/gatehouse/internal/apptest"
	"github.com/gatehouse-id/gatehouse/internal/iam"
)

// A seeded is a folder with a store that holds a table's facts.
type seeded struct {
	table *table
	dir   string
	paths map[string]string // of nodes, by their id in the table
}

// machineSecret is the secret of every machine of the tables.
const machineSecret = "a-secret-that-is-long-enough-for-a-keyed-hash"

// issuer is that of every broker here, wherever it listens.
const issuer = "http://127.0.0.1:8080"

// api is the audience that every table registers beside the admin API's.
const api = "https://api.example/"

// The development seed has an organization acme and a user owner: names of the tables that would meet them are others here.
func nodeName(id string) string {
	if id == "acme" {
		return "acme-inc"
	}
	return id
}

func userName(id string) string { return "t-" + id }

// seed starts a broker that applies the facts as configuration documents, and ends it.
func (tb *table) seed(t *testing.T) *seeded {
	t.Helper()
	s := &seeded{table: tb, dir: folder(t), paths: map[string]string{}}
	parent := map[string]string{}
	level := map[string]string{}
	for _, n := range tb.Facts.Nodes {
		parent[n.ID], level[n.ID] = n.Parent, n.Level
		s.paths[n.ID] = nodeName(n.ID)
		if n.Parent != "" && n.Level != "organization" {
			s.paths[n.ID] = s.paths[n.Parent] + "/" + nodeName(n.ID)
		}
	}
	organization := func(n string) string {
		for n != "" && level[n] != "organization" {
			n = parent[n]
		}
		return n
	}
	var docs []map[string]any
	doc := func(kind string, metadata, spec map[string]any) {
		docs = append(docs, map[string]any{"kind": kind, "metadata": metadata, "spec": spec})
	}
	doc("Audience", map[string]any{"name": "api"}, map[string]any{"identifier": api})
	doc("Client", map[string]any{"name": "app"}, map[string]any{
		"clientId": "app", "grantTypes": []string{"authorization_code"}, "redirectUris": []string{"http://127.0.0.1:5556/callback"},
		"audiences": []string{api, issuer + "/api/v1"}, "secrets": []map[string]any{{"name": "s", "value": machineSecret}},
	})
	for _, id := range slices.Sorted(maps.Keys(tb.subjects("user"))) {
		doc("User", map[string]any{"name": userName(id)}, map[string]any{})
	}
	at := map[string][]map[string]any{}
	clients := tb.subjects("client")
	home := map[string]string{}
	more := map[string][]map[string]any{}
	maker := tb.makers()
	for _, a := range tb.Facts.Assignments {
		if maker[a.Node] != "" {
			continue
		}
		kind, id, _ := strings.Cut(a.To, ":")
		switch kind {
		case "user":
			at[a.Node] = append(at[a.Node], map[string]any{"user": userName(id), "role": a.Role})
		case "group":
			at[a.Node] = append(at[a.Node], map[string]any{"group": id, "role": a.Role})
		case "client":
			home[id] = organization(a.Node)
			more[id] = append(more[id], map[string]any{"node": s.paths[a.Node], "role": a.Role})
		}
	}
	doc("User", map[string]any{"name": userName(keeper)}, map[string]any{})
	for _, n := range tb.Facts.Nodes {
		if maker[n.ID] != "" {
			continue
		}
		for _, role := range tb.unkept(n.ID, n.Level) {
			at[n.ID] = append(at[n.ID], map[string]any{"user": userName(keeper), "role": role})
		}
		kind, metadata, spec := "Node", map[string]any{"name": nodeName(n.ID)}, map[string]any{"level": n.Level, "assignments": at[n.ID]}
		if n.Level == "organization" {
			kind = "Organization"
			delete(spec, "level")
		}
		if n.Parent != "" {
			metadata["parent"] = s.paths[n.Parent]
		} else {
			spec["model"] = tb.Model
		}
		if len(n.Settings) > 0 {
			spec["settings"] = n.Settings
		}
		if n.Seats > 0 {
			spec["seats"] = n.Seats
		}
		doc(kind, metadata, spec)
	}
	for _, g := range tb.Facts.Groups {
		var members []string
		for _, m := range g.Members {
			members = append(members, userName(strings.TrimPrefix(m, "user:")))
		}
		doc("Group", map[string]any{"name": g.ID, "parent": s.paths[g.Node]}, map[string]any{"members": members})
	}
	for _, c := range tb.Facts.Custom {
		doc("CustomRole", map[string]any{"name": c.Name, "parent": s.paths[c.Node]},
			map[string]any{"base": customBase, "level": c.Level, "permissions": c.Can})
	}
	for _, id := range slices.Sorted(maps.Keys(clients)) {
		org := home[id]
		if org == "" { // it holds nothing yet
			for _, n := range tb.Facts.Nodes {
				if n.Level == "organization" {
					org = n.ID
					break
				}
			}
			home[id] = org
		}
		spec := map[string]any{
			"clientId": id, "audiences": []string{api, issuer + "/api/v1"}, "secrets": []map[string]any{{"name": "s", "value": machineSecret}}, "assignments": []any{},
		}
		for _, a := range more[id] {
			if a["node"] == s.paths[org] {
				spec["role"] = a["role"]
				continue
			}
			spec["assignments"] = append(spec["assignments"].([]any), a)
		}
		doc("Client", map[string]any{"name": id, "organization": s.paths[org]}, spec)
	}
	var text strings.Builder
	for _, d := range docs {
		line, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&text, "---\n%s\n", line)
	}
	b, err := apptest.TryStart(t, apptest.Data(s.dir), apptest.Set("issuer", issuer), apptest.Apply(apptest.File(t, "facts.yaml", text.String())))
	if err != nil {
		var refusal *iam.Error
		if errors.As(err, &refusal) { // its fields say what each document got wrong
			t.Log(refusal.Fields)
		}
		t.Fatal(err)
	}
	w := &world{t: t, Broker: b, seeded: s}
	for _, n := range tb.Facts.Nodes {
		if maker[n.ID] != "" {
			w.must(maker[n.ID], "POST", "/nodes/"+w.node(n.Parent)+"/operations/"+making, map[string]any{"name": n.ID})
		}
	}
	for _, a := range tb.Facts.Assignments {
		if maker[a.Node] != "" && a.Role != made {
			w.must("operator", "POST", "/nodes/"+w.node(a.Node)+"/assignments", w.assignment(a.To, a.Role))
		}
	}
	for _, f := range tb.Facts.Suspended {
		w.must("operator", "POST", "/nodes/"+w.node(f.Node)+"/members/"+w.name(f.User)+"/suspend", nil)
	}
	for id := range clients {
		if len(more[id]) == 0 { // a new client holds the role for those who join; this one holds nothing yet
			w.removeAll("operator", act{To: "client:" + id, On: home[id]})
		}
	}
	b.Stop()
	return s
}

// keeper holds what a node must have a holder of, where a table's facts name none: no such node can be made.
const keeper = "keeper"

// unkept returns the roles of a level that somebody must hold and nobody does at a node of the facts.
func (tb *table) unkept(node, level string) (out []string) {
	m, ok := access.Preset(tb.Model)
	if !ok {
		return nil
	}
	for _, r := range m.Level(iam.Level(level)).Roles {
		held := slices.ContainsFunc(tb.Facts.Assignments, func(a struct{ Node, Role, To string }) bool {
			return a.Node == node && a.Role == string(r.ID)
		})
		if r.Min > 0 && !held {
			out = append(out, string(r.ID))
		}
	}
	return out
}

// customBase is what the custom roles of the tables were copied from.
const customBase = "project_editor"

// A role that nobody gives comes with the operation that makes its node.
const (
	made   = "project_owner"
	making = "create_project"
)

// makers returns who makes which nodes by an operation. What others hold there comes after that.
func (tb *table) makers() map[string]string {
	out := map[string]string{}
	for _, a := range tb.Facts.Assignments {
		if a.Role == made {
			out[a.Node] = a.To
		}
	}
	return out
}

// subjects returns everybody of a kind whom a table names.
func (tb *table) subjects(kind string) map[string]bool {
	out := map[string]bool{}
	note := func(s string) {
		if k, id, _ := strings.Cut(s, ":"); k == kind {
			out[id] = true
		}
	}
	for _, a := range tb.Facts.Assignments {
		note(a.To)
	}
	for _, g := range tb.Facts.Groups {
		for _, m := range g.Members {
			note(m)
		}
	}
	for _, c := range tb.Checks {
		for _, a := range append([]act{c.act}, c.Do...) {
			note(a.Actor)
			note(a.To)
		}
		note(c.Who)
		for s := range c.Access {
			note(s)
		}
	}
	return out
}

// open starts a broker on a copy of the folder.
func (s *seeded) open(t *testing.T, options ...apptest.Option) *world {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(s.dir)); err != nil {
		t.Fatal(err)
	}
	own := *s
	own.paths = maps.Clone(s.paths)
	return &world{t: t, Broker: apptest.Start(t, append(options, apptest.Data(dir))...), seeded: &own}
}

// A world is a broker that holds a table's facts.
type world struct {
	*apptest.Broker
	*seeded
	t testing.TB

	mu     sync.Mutex
	tokens map[string]string
}

// node returns how a path of the API names a node of the table: with ':' between the names.
func (w *world) node(id string) string { return strings.ReplaceAll(w.path(id), "/", ":") }

func (w *world) path(id string) string {
	if p, ok := w.paths[id]; ok {
		return p
	}
	return id
}

// name returns how the API names a user, group or client of the table.
func (w *world) name(subject string) string {
	kind, id, _ := strings.Cut(subject, ":")
	if kind == "user" {
		return userName(id)
	}
	return id
}

// token returns a token for the admin API of "operator", or of a subject of the table by its own rights.
func (w *world) token(who string) string {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if t := w.tokens[who]; t != "" {
		return t
	}
	audience := w.Issuer + "/api/v1"
	kind, id, _ := strings.Cut(who, ":")
	var t string
	switch kind {
	case "operator":
		t = w.Token(apptest.Operator, w.Secret(apptest.Operator), "audience", audience)
	case "client":
		t = w.Token(id, machineSecret, "audience", audience)
	default:
		t = w.Person(userName(id), apptest.For("app", audience))
	}
	if w.tokens == nil {
		w.tokens = map[string]string{}
	}
	w.tokens[who] = t
	return t
}

// call calls the admin API below /api/v1, or the decision API with a path that begins with /access/v1.
func (w *world) call(who, method, path string, body any) apptest.Answer {
	w.t.Helper()
	a := w.bearer(w.token(who), method, path, body)
	if a.Status != http.StatusUnauthorized {
		return a
	}
	// Changes that lower somebody's access end tokens, the caller's own among them: he signs in anew, as every client does.
	w.mu.Lock()
	delete(w.tokens, who)
	w.mu.Unlock()
	return w.bearer(w.token(who), method, path, body)
}

// bearer is call with a token, and further headers: name, value, name, value.
func (w *world) bearer(token, method, path string, body any, headers ...string) apptest.Answer {
	w.t.Helper()
	if !strings.HasPrefix(path, "/access/v1/") {
		path = "/api/v1" + path
	}
	var r io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			w.t.Fatal(err)
		}
		r = strings.NewReader(string(data))
	}
	q, err := http.NewRequestWithContext(context.Background(), method, w.URL+path, r)
	if err != nil {
		w.t.Fatal(err)
	}
	q.Header.Set("Authorization", "Bearer "+token)
	for i := 0; i < len(headers); i += 2 {
		q.Header.Set(headers[i], headers[i+1])
	}
	if body != nil {
		q.Header.Set("Content-Type", "application/json")
	}
	return w.Do(q)
}

// must is call for what cannot be refused. It returns the answer's body, nil when it has none.
func (w *world) must(who, method, path string, body any) map[string]any {
	w.t.Helper()
	a := w.call(who, method, path, body)
	if a.Status >= 300 {
		w.t.Fatalf("%s: %s %s: %s", who, method, path, a)
	}
	if a.Body == "" {
		return nil
	}
	return a.JSON(w.t)
}

// code is the outcome of a change as the tables write it.
func code(w *world, a apptest.Answer) string {
	if a.Status < 300 {
		return "ok"
	}
	c, _ := a.JSON(w.t)["code"].(string)
	return c
}

// items reads a list whole.
func (w *world) items(who, path string) []map[string]any {
	w.t.Helper()
	var out []map[string]any
	for token := ""; ; {
		p := path
		if token != "" {
			p += map[bool]string{true: "&", false: "?"}[strings.Contains(p, "?")] + "page_token=" + token
		}
		a := w.call(who, "GET", p, nil)
		if a.Status != http.StatusOK {
			w.t.Fatalf("GET %s: %s", p, a)
		}
		page := a.JSON(w.t)
		for _, item := range page["items"].([]any) {
			out = append(out, item.(map[string]any))
		}
		if token, _ = page["next_page_token"].(string); token == "" {
			return out
		}
	}
}
