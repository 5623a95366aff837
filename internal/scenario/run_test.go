package scenario

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/gatehouse-id/gatehouse/internal/access"
	"github.com/gatehouse-id/gatehouse/internal/apptest"
	"github.com/gatehouse-id/gatehouse/internal/iam"
	"github.com/gatehouse-id/gatehouse/internal/token"
)

// run asks a row's question.
func (w *world) run(t *testing.T, r row) {
	w.t = t
	for i, a := range r.Do {
		if got := w.perform(a); got != "ok" {
			t.Fatalf("do[%d]: got %s", i, got)
		}
	}
	asked := 0
	expect := func(what string, got, want any) {
		t.Helper()
		asked++
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: got %v, want %v", what, got, want)
		}
	}
	if r.Op != "" {
		expect(r.Op, w.outcome(r), r.Want)
	}
	if r.Can != "" {
		expect("decision", w.decide(r.Who, r.Can, r.On), r.Want)
	}
	for _, p := range r.Has {
		expect(p, w.decide(r.Who, p, r.On), "allow")
	}
	for _, p := range r.Lacks {
		expect(p, w.decide(r.Who, p, r.On) == "allow", false)
	}
	if r.Roles != nil {
		expect("roles", w.roles(r.Who, r.On), *r.Roles)
	}
	if r.Groups != nil {
		expect("groups", w.groups(r.Who), *r.Groups)
	}
	if r.Claims != "" {
		want := r.Claims
		if want == access.CodeAccessDenied && len(r.Ask) > 0 {
			want = access.CodeInvalidDetails // one answer to whoever names nodes: it does not tell whether there is such an organization
		}
		expect("claims", w.claims(r.Who, r.On, r.Ask), want)
	}
	if r.Access != nil {
		expect("who", w.access(r.On), r.Access)
	}
	if r.Assignable != nil {
		expect("assignable", w.assignable(r), *r.Assignable)
	}
	if r.Seats != nil {
		expect("seats", w.call("operator", "GET", "/nodes/"+w.node(r.On)+"/seats", nil).JSON(t)["used"], *r.Seats)
	}
	if asked == 0 {
		t.Error("the row asks nothing")
	}
}

// outcome performs a row's act. A role that is held already is no fault over HTTP, where a request may come twice: it changes nothing.
// Nor is there a group where it does not belong: its name is unknown, as any other.
func (w *world) outcome(r row) string {
	if r.Want != access.CodeRoleHeld {
		got := w.perform(r.act)
		if group, ok := strings.CutPrefix(r.To, "group:"); ok && got == "unknown_reference" && !w.belongs(group, r.On) {
			return access.CodeGroupNotHere
		}
		return got
	}
	before := fmt.Sprint(w.items("operator", "/nodes/"+w.node(r.On)+"/assignments"))
	got := w.perform(r.act)
	if got == "ok" && fmt.Sprint(w.items("operator", "/nodes/"+w.node(r.On)+"/assignments")) == before {
		return access.CodeRoleHeld
	}
	return got
}

// caller is who sends: an operator where the tables say directory or configuration.
func caller(actor string) string {
	if actor == "directory" || actor == "config" {
		return "operator"
	}
	return actor
}

// assignment names a subject and a role.
func (w *world) assignment(to, role string) map[string]any {
	kind, id, _ := strings.Cut(to, ":")
	out := map[string]any{kind: w.name(to)}
	if kind == "login" {
		connector, name, _ := strings.Cut(id, "/")
		out[kind] = map[string]any{"connector": connector, "name": name}
	}
	if role != "" {
		out["role"] = role
	}
	return out
}

// perform carries an act out by the call of the API that stands for it, and returns ok or the code of the refusal.
func (w *world) perform(a act) string {
	who, at := caller(a.Actor), "/nodes/"+w.node(a.On)
	send := func(method, path string, body any) string { return code(w, w.call(who, method, path, body)) }
	switch a.Op {
	case "assign":
		if a.Actor == "config" {
			return w.configure(a)
		}
		return send("POST", at+"/assignments", w.assignment(a.To, a.Role))
	case "remove":
		if a.Role == "" {
			return w.removeAll(who, a)
		}
		return send("POST", at+"/assignments/remove", w.assignment(a.To, a.Role))
	case "replace":
		return w.replace(who, a)
	case "expel":
		return send("POST", at+"/assignments/remove", w.assignment(a.To, ""))
	case "suspend", "resume":
		return send("POST", at+"/members/"+w.name(a.To)+"/"+a.Op, nil)
	case "set":
		if a.Value == "" {
			return send("DELETE", at+"/settings/"+a.Key, nil)
		}
		return send("PUT", at+"/settings/"+a.Key, map[string]any{"value": w.path(a.Value)})
	case "copy":
		name := a.New
		if name == "" {
			name = "copy"
		}
		return send("POST", at+"/roles", map[string]any{"id": name, "level": a.L, "base": a.Role, "permissions": a.Give})
	case "edit":
		return send("PUT", at+"/roles/"+a.Role, map[string]any{"permissions": a.Give})
	case "delete":
		return send("DELETE", at+"/roles/"+a.Role, nil)
	case "group":
		return send("POST", at+"/groups", map[string]any{"name": a.New})
	case "change_group":
		return send("DELETE", "/nodes/"+w.node(w.groupHome(a.Role))+"/groups/"+a.Role, nil)
	case "join":
		return send("PUT", "/nodes/"+w.node(w.groupHome(a.Role))+"/groups/"+a.Role+"/members/"+w.name(a.To), nil)
	case "clients":
		return send("GET", at+"/clients", nil)
	case "configure":
		tag := w.call("operator", "GET", at, nil)
		spec := tag.JSON(w.t)
		return send("PUT", at, map[string]any{"level": spec["level"], "display_name": "Renamed", "settings": spec["settings"]})
	case "destroy":
		got := send("DELETE", at, nil)
		if got != "not_empty" {
			return got
		}
		for _, c := range w.items("operator", at+"/clients") { // they go first, each as a decision of its own
			if got := send("DELETE", "/clients/"+c["client_id"].(string), nil); got != "ok" {
				return got
			}
		}
		return send("DELETE", at, nil)
	case "review":
		return send("GET", at+"/access", nil)
	case "audit":
		return send("GET", at+"/audit", nil)
	case "create":
		body := map[string]any{"name": a.New, "level": a.L}
		if a.On != "" {
			body["parent"] = w.path(a.On)
		} else {
			body["model"] = w.table.Model
		}
		if a.To != "" {
			body["assignments"] = []any{w.assignment(a.To, a.Role)}
		}
		w.paths[a.New] = a.New
		if a.On != "" && a.L != "organization" {
			w.paths[a.New] = w.path(a.On) + "/" + a.New
		}
		return send("POST", "/nodes", body)
	}
	body := map[string]any{}
	if a.New != "" && a.Op != "import_library_build" { // of that Gatehouse keeps no node that could have a name
		body["name"] = a.New
		w.paths[a.New] = w.path(a.On) + "/" + a.New
	}
	return send("POST", at+"/operations/"+a.Op, body)
}

// removeAll takes what somebody holds at exactly one node, role by role, as a list of who holds what is worked off.
func (w *world) removeAll(who string, a act) string {
	kind, _, _ := strings.Cut(a.To, ":")
	out := ""
	for _, held := range w.items("operator", "/nodes/"+w.node(a.On)+"/assignments") {
		if held[kind] != w.name(a.To) {
			continue
		}
		role, _ := held["role"].(string)
		if out = code(w, w.call(who, "POST", "/nodes/"+w.node(a.On)+"/assignments/remove", w.assignment(a.To, role))); out != "ok" {
			return out
		}
	}
	if out == "" { // there is nothing to name
		return code(w, w.call(who, "POST", "/nodes/"+w.node(a.On)+"/assignments/remove", w.assignment(a.To, "")))
	}
	return out
}

// configure assigns as the operator's configuration does: a document names everybody who holds something at the node.
func (w *world) configure(a act) string {
	held := []any{w.assignment(a.To, a.Role)}
	for _, h := range w.items("operator", "/nodes/"+w.node(a.On)+"/assignments") {
		if h["client"] == nil { // what a client holds stands in its own document
			held = append(held, h)
		}
	}
	metadata, spec := map[string]any{"name": w.path(a.On)}, map[string]any{"level": w.level(a.On), "assignments": held}
	if parent, name, ok := cutLast(w.path(a.On)); ok {
		metadata["parent"], metadata["name"] = parent, name
	} else {
		spec["model"] = w.table.Model
	}
	return code(w, w.call("operator", "POST", "/apply", map[string]any{
		"documents": []any{map[string]any{"kind": "Node", "metadata": metadata, "spec": spec}},
	}))
}

// replace gives one role in place of another: whoever does that sees what a member holds, and sets what he is to hold.
func (w *world) replace(who string, a act) string {
	member := "/nodes/" + w.node(a.On) + "/members/" + w.name(a.To)
	roles := strs(w.must("operator", "GET", member, nil)["roles"])
	i := slices.Index(roles, a.From)
	if i < 0 {
		return "not_found"
	}
	roles[i] = a.Role
	return code(w, w.call(who, "PUT", member, map[string]any{"roles": roles}))
}

// belongs reports whether a node is where a group belongs, or below.
func (w *world) belongs(group, node string) bool {
	return strings.HasPrefix(w.path(node)+"/", w.path(w.groupHome(group))+"/")
}

// cutLast splits a path before its last name.
func cutLast(path string) (parent, name string, ok bool) {
	i := strings.LastIndex(path, "/")
	if i < 0 {
		return "", path, false
	}
	return path[:i], path[i+1:], true
}

// roles are those that somebody has at a node: a person who is not in the list is there as anyone.
func (w *world) roles(who, node string) []string {
	w.t.Helper()
	list := w.access(node)
	if _, ok := list[who]; !ok && strings.HasPrefix(who, "user:") {
		return list["anyone"]
	}
	return list[who]
}

// groupHome is the node that a group of the table belongs to.
func (w *world) groupHome(group string) string {
	for _, g := range w.table.Facts.Groups {
		if g.ID == group {
			return g.Node
		}
	}
	return strings.TrimPrefix(group, "all_users_")
}

// decide asks the decision API, as an operator.
func (w *world) decide(who, permission, node string) string {
	w.t.Helper()
	kind, _, _ := strings.Cut(who, ":")
	subject := map[string]any{"type": kind, "id": w.name(who)}
	if who == "anyone" {
		subject = map[string]any{"type": "anonymous", "id": "anonymous"}
	}
	a := w.call("operator", "POST", "/access/v1/evaluation", map[string]any{
		"subject": subject, "action": map[string]any{"name": permission},
		"resource": map[string]any{"type": w.level(node), "id": w.path(node)},
	})
	if a.Status != http.StatusOK {
		return a.String()
	}
	answer := a.JSON(w.t)
	if answer["decision"] == true {
		return "allow"
	}
	context, _ := answer["context"].(map[string]any)
	reason, _ := context["reason_user"].(map[string]any)
	switch {
	case reason["403"] != nil:
		return "forbidden"
	case reason["404"] != nil:
		return "not_found"
	}
	return a.String()
}

func (w *world) level(node string) string {
	for _, n := range w.table.Facts.Nodes {
		if n.ID == node {
			return n.Level
		}
	}
	level, _ := w.call("operator", "GET", "/nodes/"+w.node(node), nil).JSON(w.t)["level"].(string)
	return level
}

// access reads who has access to a node, in the tables' names.
func (w *world) access(node string) map[string][]string {
	w.t.Helper()
	out := map[string][]string{}
	for _, line := range w.items("operator", "/nodes/"+w.node(node)+"/access") {
		subject := line["subject"].(map[string]any)
		kind, _ := subject["type"].(string)
		name, _ := subject["name"].(string)
		key := kind + ":" + strings.TrimPrefix(name, "t-")
		if kind == "anonymous" {
			key = "anyone"
		}
		if kind == "client" {
			key = "client:" + subject["id"].(string)
		}
		out[key] = []string{}
		for _, r := range line["roles"].([]any) {
			out[key] = append(out[key], r.(string))
		}
	}
	return out
}

// groups reads the groups claim of a token that asks for every node at which the person holds something.
func (w *world) groups(who string) []string {
	w.t.Helper()
	root := w.table.Facts.Nodes[0].ID
	var ask []string
	for _, n := range w.table.Facts.Nodes[1:] {
		if len(w.access(n.ID)[who]) > 0 {
			ask = append(ask, n.ID)
		}
	}
	claims, refused := w.tokenClaims(who, root, ask)
	if refused == "access_denied" && len(ask) == 0 {
		return []string{} // no role anywhere, no token
	}
	if refused != "" {
		w.t.Fatalf("token for %s: %s", who, refused)
	}
	return strs(claims["groups"])
}

// claims reads a token and writes it in the tables' notation.
func (w *world) claims(who, org string, ask []string) string {
	w.t.Helper()
	claims, refused := w.tokenClaims(who, org, ask)
	if refused != "" {
		return refused
	}
	roles := strs(claims["roles"])
	slices.Sort(roles)
	out := fmt.Sprintf("roles=%v groups=%v", roles, strs(claims["groups"]))
	details, _ := claims["authorization_details"].([]any)
	for _, d := range details {
		d := d.(map[string]any)
		id := d["identifier"].(string)
		out += fmt.Sprintf(" %s:%s=%v", d["type"], id[strings.LastIndex(id, "/")+1:], strs(d["privileges"]))
	}
	return out
}

func (w *world) tokenClaims(who, org string, ask []string) (claims map[string]any, refused string) {
	w.t.Helper()
	var details []token.DetailRequest
	for _, n := range ask {
		details = append(details, token.DetailRequest{Type: w.level(n), Identifier: strings.TrimPrefix(w.path(n), w.path(org)+"/")})
	}
	kind, id, _ := strings.Cut(who, ":")
	var text string
	if kind == "client" {
		pairs := []string{"grant_type", "client_credentials", "client_id", id, "client_secret", machineSecret, "audience", api, "organization", w.path(org)}
		if len(details) > 0 {
			asked := make([]string, len(details))
			for i, d := range details {
				asked[i] = fmt.Sprintf(`{"type":%q,"identifier":%q}`, d.Type, d.Identifier)
			}
			pairs = append(pairs, "authorization_details", "["+strings.Join(asked, ",")+"]")
		}
		a := w.Post("/oauth/token", pairs...)
		if a.Status != http.StatusOK {
			refused, _ = a.JSON(w.t)["error"].(string)
			return nil, refused
		}
		text, _ = a.JSON(w.t)["access_token"].(string)
	} else {
		var err error
		if text, err = w.TryPerson(userName(id), apptest.For("app", api), apptest.In(w.path(org)), apptest.Details(details)); err != nil {
			return nil, iam.CodeOf(err)
		}
	}
	return decode(w.t, text), ""
}

// decode reads the claims of a token without checking it.
func decode(t testing.TB, jwt string) (claims map[string]any) {
	t.Helper()
	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(jwt, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(payload, &claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

func strs(v any) []string {
	out := []string{}
	list, _ := v.([]any)
	for _, e := range list {
		out = append(out, e.(string))
	}
	return out
}

// assignable reads the roles that may be given at a node.
func (w *world) assignable(r row) []string {
	w.t.Helper()
	kind := r.Value
	if kind == "" {
		kind = "user"
	}
	who := "operator"
	if r.Actor != "" {
		who = caller(r.Actor)
	}
	out := []string{}
	list := "/nodes/" + w.node(r.On) + "/roles?assignable_to=" + kind
	if who != "operator" && w.call(who, "GET", list, nil).Status == http.StatusNotFound {
		return out // he may not know of the node
	}
	for _, role := range w.items(who, list) {
		out = append(out, role["id"].(string))
	}
	return out
}
