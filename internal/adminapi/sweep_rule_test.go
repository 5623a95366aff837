package adminapi_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
)

// A sweepRule says how the sweep calls an operation.
type sweepRule struct {
	// body is well-formed. $node, $user and so on stand where it names something: see belonging.
	body string
	// query, if any, likewise.
	query string
	// platform: it is for those with a platform role, and tells others so before it looks at anything.
	platform bool
	// fresh are the fields of the body that name what the caller makes, which is his to name.
	fresh []string
	// anybody: users are the installation's, so whoever may do this names any, and learns nothing of what they hold elsewhere.
	anybody bool
	// free says why naming something of another organization is no trespass; the operation is then not called.
	free string
}

const aboutNothing = "it names nothing that an organization has"

const clientBody = `{"name":"fresh","client_id":"fresh","organization":"$node","role":"$role","assignments":[{"node":"$node","role":"$role"}]}`

// sweepRules has every operation of the description, those of a node once for both homes.
var sweepRules = map[string]sweepRule{
	"GET /api/v1/whoami": {free: aboutNothing},

	"POST /api/v1/access/check": {body: `{"action":"process_view","resource":{"type":"","id":"$node"},"subject":{"type":"group","id":"$group"}}`},
	"POST /api/v1/access/explain": {body: `{"action":"process_view","resource":{"type":"","id":"$node"},"subject":{"type":"group","id":"$group"}}` + "\n" +
		`{"assign":{"node":"$node","role":"$role","subject":{"type":"group","id":"$group"},"actor":{"type":"client","id":"$client"}}}` + "\n" +
		`{"request_id":"$request"}`},
	"POST /api/v1/access/who": {body: `{"action":"process_view","resource":{"id":"$node"}}`},
	"POST /api/v1/access/preview": {anybody: true, body: `{"changes":[{"assign":{"node":"$node","user":"$me","role":"$role"}}]}` + "\n" +
		`{"changes":[{"assign":{"node":"$node","group":"$group","role":"workspace_user"}}]}` + "\n" +
		`{"changes":[{"assign":{"node":"$node","client":"$client","role":"workspace_user"}}]}` + "\n" +
		`{"changes":[{"unassign":{"node":"$node","user":"$user"}}]}` + "\n" +
		`{"changes":[{"suspend":{"node":"$node","user":"$user"}}]}` + "\n" +
		`{"changes":[{"resume":{"node":"$node","user":"$user"}}]}` + "\n" +
		`{"changes":[{"set":{"node":"$node","key":"no_such","value":"x"}}]}` + "\n" +
		`{"changes":[{"add_group_member":{"node":"$node","group":"$group","user":"$me"}}]}` + "\n" +
		`{"changes":[{"remove_group_member":{"node":"$node","group":"$group","user":"$user"}}]}` + "\n" +
		`{"changes":[{"delete_group":{"node":"$node","group":"$group"}}]}` + "\n" +
		`{"changes":[{"delete_role":{"node":"$node","role":"$role"}}]}`},

	"GET /api/v1/activity":                      {platform: true},
	"GET /api/v1/organizations/{node}/activity": {query: "subject=client:$client"},
	"POST /api/v1/apply":                        {platform: true, body: `{"documents":[]}`},
	"GET /api/v1/export":                        {platform: true},

	"GET /api/v1/audiences":               {free: aboutNothing},
	"POST /api/v1/audiences":              {platform: true, body: `{"name":"fresh","identifier":"https://fresh.example"}`},
	"DELETE /api/v1/audiences/{audience}": {platform: true},
	"GET /api/v1/audiences/{audience}":    {platform: true},
	"PUT /api/v1/audiences/{audience}":    {platform: true, body: `{"identifier":"https://fresh.example"}`},

	"GET /api/v1/connectors":                {platform: true},
	"POST /api/v1/connectors":               {platform: true, body: `{"name":"fresh","type":"oidc","issuer":"https://idp.example","client_id":"x"}`},
	"DELETE /api/v1/connectors/{connector}": {platform: true},
	"GET /api/v1/connectors/{connector}":    {platform: true},
	"PUT /api/v1/connectors/{connector}":    {platform: true, body: `{"type":"oidc","issuer":"https://idp.example","client_id":"x"}`},

	"GET /api/v1/audit":        {platform: true, query: "stream=$stream&at=$node"},
	"GET /api/v1/audit/anchor": {platform: true, query: "stream=$stream"},
	"GET /api/v1/audit/export": {platform: true, query: "stream=$stream&at=$node"},
	"GET /api/v1/audit/verify": {platform: true, query: "stream=$stream"},

	"GET /api/v1/nodes/{node}/audit":        {query: "outcome=done&at=$node&actor=client:$client&subject=group:$group"},
	"GET /api/v1/nodes/{node}/audit/anchor": {},
	"GET /api/v1/nodes/{node}/audit/export": {query: "outcome=done&at=$node&actor=client:$client&subject=group:$group"},
	"GET /api/v1/nodes/{node}/audit/verify": {},

	"GET /api/v1/clients":                              {free: aboutNothing},
	"POST /api/v1/clients":                             {body: clientBody, fresh: []string{"name", "client_id"}},
	"GET /api/v1/clients/{client}":                     {},
	"PUT /api/v1/clients/{client}":                     {body: `{"assignments":[{"node":"$node","role":"$role"}],"role":"$role"}`},
	"DELETE /api/v1/clients/{client}":                  {},
	"POST /api/v1/clients/{client}/disable":            {},
	"POST /api/v1/clients/{client}/enable":             {},
	"GET /api/v1/clients/{client}/secrets":             {},
	"POST /api/v1/clients/{client}/secrets":            {body: `{"name":"fresh"}`},
	"DELETE /api/v1/clients/{client}/secrets/{secret}": {},
	"GET /api/v1/nodes/{node}/clients":                 {},
	"POST /api/v1/nodes/{node}/clients":                {body: clientBody, fresh: []string{"name", "client_id"}},

	"GET /api/v1/keys":          {platform: true},
	"POST /api/v1/keys":         {platform: true, body: `{"alg":"ES256"}`},
	"DELETE /api/v1/keys/{kid}": {platform: true},
	"POST /api/v1/leaks":        {free: "whoever finds a secret may end it: having it is the right to"},

	"GET /api/v1/models":                {free: aboutNothing},
	"POST /api/v1/models":               {platform: true, body: `{"source":"x"}`},
	"POST /api/v1/models/validate":      {free: aboutNothing},
	"GET /api/v1/models/{model}":        {free: "who reads a model is a test of models"},
	"GET /api/v1/models/{model}/render": {free: "who reads a model is a test of models"},
	"PUT /api/v1/models/{model}":        {platform: true, body: `{"source":"x"}`},
	"DELETE /api/v1/models/{model}":     {platform: true},

	"GET /api/v1/organizations":  {free: aboutNothing},
	"POST /api/v1/organizations": {body: `{"name":"fresh","parent":"$node","assignments":[{"user":"$user","role":"$role"},{"group":"$group","role":"$role"},{"client":"$client","role":"$role"}]}`},
	"POST /api/v1/nodes": {body: `{"name":"fresh","parent":"$node","level":"project","kind":"project"}` + "\n" +
		`{"name":"fresh","parent":"$node","level":"project","kind":"project","assignments":[{"user":"$user","role":"$role"}]}` + "\n" +
		`{"name":"fresh","parent":"$node","level":"project","kind":"project","assignments":[{"group":"$group","role":"project_viewer"}]}` + "\n" +
		`{"name":"fresh","parent":"$node","level":"project","kind":"project","assignments":[{"client":"$client","role":"project_viewer"}]}`},
	"GET /api/v1/nodes/{node}":        {},
	"PUT /api/v1/nodes/{node}":        {body: `{"display_name":"Taken","level":"workspace"}`},
	"DELETE /api/v1/nodes/{node}":     {},
	"GET /api/v1/nodes/{node}/access": {},
	"GET /api/v1/nodes/{node}/nodes":  {},

	"GET /api/v1/nodes/{node}/assignments": {},
	"POST /api/v1/nodes/{node}/assignments": {body: `{"user":"$me","role":"$role"}` + "\n" + `{"group":"$group","role":"workspace_user"}` + "\n" +
		`{"client":"$client","role":"workspace_user"}`},
	"POST /api/v1/nodes/{node}/assignments/remove": {anybody: true, body: `{"user":"$user"}` + "\n" + `{"user":"$user","role":"$role"}` + "\n" + `{"group":"$group"}` + "\n" + `{"client":"$client"}`},

	"GET /api/v1/nodes/{node}/groups":                           {},
	"POST /api/v1/nodes/{node}/groups":                          {body: `{"name":"fresh"}`},
	"GET /api/v1/nodes/{node}/groups/{group}":                   {},
	"DELETE /api/v1/nodes/{node}/groups/{group}":                {},
	"GET /api/v1/nodes/{node}/groups/{group}/members":           {},
	"PUT /api/v1/nodes/{node}/groups/{group}/members/{user}":    {anybody: true},
	"DELETE /api/v1/nodes/{node}/groups/{group}/members/{user}": {anybody: true},

	"GET /api/v1/nodes/{node}/invitations":                 {},
	"POST /api/v1/nodes/{node}/invitations":                {body: `{"email":"fresh@example.org","role":"$role"}`},
	"DELETE /api/v1/nodes/{node}/invitations/{invitation}": {},

	"GET /api/v1/nodes/{node}/members":                 {},
	"POST /api/v1/nodes/{node}/members":                {body: `{"user":"$me","role":"$role"}`},
	"GET /api/v1/nodes/{node}/members/{user}":          {},
	"PUT /api/v1/nodes/{node}/members/{user}":          {body: `{"role":"$role"}` + "\n" + `{"roles":["$role"]}`},
	"DELETE /api/v1/nodes/{node}/members/{user}":       {},
	"POST /api/v1/nodes/{node}/members/{user}/resume":  {anybody: true},
	"POST /api/v1/nodes/{node}/members/{user}/suspend": {anybody: true},
	"GET /api/v1/nodes/{node}/seats":                   {},
	"GET /api/v1/nodes/{node}/suspensions":             {},

	"GET /api/v1/nodes/{node}/migrations":                          {},
	"POST /api/v1/nodes/{node}/migrations":                         {body: `{"source":"flowx-4","holders":[{"user":"$me","role":"FLOWX_VIEWER","where":"$node"}]}`},
	"GET /api/v1/nodes/{node}/migrations/{migration}":              {},
	"DELETE /api/v1/nodes/{node}/migrations/{migration}":           {},
	"POST /api/v1/nodes/{node}/migrations/{migration}/apply":       {},
	"PUT /api/v1/nodes/{node}/migrations/{migration}/items/{item}": {body: `{"node":"$node","role":"$role","user":"$me"}`},

	"GET /api/v1/nodes/{node}/model/render":            {},
	"GET /api/v1/nodes/{node}/operations":              {},
	"POST /api/v1/nodes/{node}/operations/{operation}": {body: `{"name":"fresh"}`},

	"GET /api/v1/nodes/{node}/reviews":                         {},
	"POST /api/v1/nodes/{node}/reviews":                        {body: `{"due":"2036-01-01T00:00:00Z"}`},
	"GET /api/v1/nodes/{node}/reviews/{review}":                {},
	"POST /api/v1/nodes/{node}/reviews/{review}/close":         {body: `{"force":true}`},
	"GET /api/v1/nodes/{node}/reviews/{review}/export":         {},
	"GET /api/v1/nodes/{node}/reviews/{review}/items":          {},
	"PUT /api/v1/nodes/{node}/reviews/{review}/items/{number}": {body: `{"decision":"withdraw"}`},

	"GET /api/v1/nodes/{node}/roles":           {},
	"POST /api/v1/nodes/{node}/roles":          {body: `{"id":"fresh","base":"$role","level":"workspace"}`, fresh: []string{"id"}},
	"GET /api/v1/nodes/{node}/roles/{role}":    {},
	"PUT /api/v1/nodes/{node}/roles/{role}":    {body: `{"permissions":[]}`},
	"DELETE /api/v1/nodes/{node}/roles/{role}": {},

	"GET /api/v1/nodes/{node}/settings":              {},
	"PUT /api/v1/nodes/{node}/settings/{setting}":    {body: `{"value":"x"}`},
	"DELETE /api/v1/nodes/{node}/settings/{setting}": {},

	"GET /api/v1/revocations":                        {platform: true},
	"POST /api/v1/revocations":                       {platform: true, body: `{"kind":"client","id":"$client"}`},
	"GET /api/v1/users":                              {platform: true},
	"POST /api/v1/users":                             {platform: true, body: `{"name":"fresh"}`},
	"GET /api/v1/users/{user}":                       {platform: true},
	"PUT /api/v1/users/{user}":                       {platform: true, body: `{}`},
	"DELETE /api/v1/users/{user}":                    {platform: true},
	"POST /api/v1/users/{user}/password-resets":      {platform: true, body: `{}`},
	"GET /api/v1/users/{user}/logins":                {platform: true},
	"POST /api/v1/users/{user}/logins":               {platform: true, body: `{"connector":"github","subject":"1"}`},
	"DELETE /api/v1/users/{user}/logins/{login}":     {platform: true},
	"GET /api/v1/users/{user}/sessions":              {},
	"DELETE /api/v1/users/{user}/sessions":           {},
	"DELETE /api/v1/users/{user}/sessions/{session}": {},
	"GET /api/v1/users/{user}/grants":                {},
	"DELETE /api/v1/users/{user}/grants/{grant}":     {},
	"GET /api/v1/users/{user}/consents":              {},
	"DELETE /api/v1/users/{user}/consents/{client}":  {},
}

// naming are the fields of bodies and the parameters of queries that may name something of an organization, except the users whom
// anybody may name, and what stands for it in a rule. A field of a body that is neither here nor in telling fails the test.
var naming = map[string][]string{
	"node": {"$node"}, "parent": {"$node"}, "organization": {"$node"}, "where": {"$node"}, "resource.id": {"$node"}, "at": {"$node"},
	"stream": {"$stream"}, "group": {"$group"}, "client": {"$client"}, "role": {"$role", "FLOWX_"}, "roles": {"$role"}, "base": {"$role"},
	"user": {"$user", "$me"}, "subject.id": {"$group"}, "actor.id": {"$client"}, "request_id": {"$request"},
	"actor": {"$client"}, "subject": {"$group", "$client", `"subject"`},
}

var telling = strings.Fields(`access_rev action after alg allowed_origins anchor application_type assign assignable_to assignments assignments.login
	actor assign.actor audiences backchannel_logout_uri client_id comment connector consent decision delivery disabled display_name due email expire_old_after
	expires_at expires_in force format grant_types holders id_token_signed_response_alg key kind level login members model name order organization_choice
	organization_switch outcome permissions platform_role post_logout_redirect_uris redirect_uris require_pkce resource scopes search seats secrets settings
	since skip source state strict_auth_method token_endpoint_auth_method type until value wait changes add_group_member delete_group delete_role
	remove_group_member resume set suspend unassign page_size page_token`)

// A described operation names its parameters and the fields of its body by their last names; the id of a thing with the thing.
type describedOp struct {
	query, fields []string
}

// description reads the operations, by method and path.
func (b *broker) description() map[string]describedOp {
	b.t.Helper()
	type schema struct {
		Ref        string                     `json:"$ref"`
		Properties map[string]json.RawMessage `json:"properties"`
		Items      json.RawMessage            `json:"items"`
	}
	var doc struct {
		Paths map[string]map[string]struct {
			Parameters  []struct{ Name, In string }
			RequestBody struct {
				Content map[string]struct{ Schema json.RawMessage }
			}
		}
		Components struct{ Schemas map[string]json.RawMessage }
	}
	check(b.t, json.Unmarshal([]byte(b.send("GET", "/api/openapi.json", "", "").body), &doc))
	var walk func(raw json.RawMessage, parent string, found map[string]bool)
	walk = func(raw json.RawMessage, parent string, found map[string]bool) {
		var s schema
		check(b.t, json.Unmarshal(raw, &s))
		if s.Ref != "" {
			walk(doc.Components.Schemas[s.Ref[strings.LastIndex(s.Ref, "/")+1:]], parent, found)
			return
		}
		for name, p := range s.Properties {
			field := name
			if name == "id" && parent != "" {
				field = parent + ".id"
			}
			found[field] = true
			walk(p, name, found)
		}
		if s.Items != nil {
			walk(s.Items, parent, found)
		}
	}
	out := make(map[string]describedOp)
	for path, methods := range doc.Paths {
		for method, o := range methods {
			var d describedOp
			for _, p := range o.Parameters {
				if p.In == "query" {
					d.query = append(d.query, p.Name)
				}
			}
			found := make(map[string]bool)
			for _, c := range o.RequestBody.Content {
				walk(c.Schema, "", found)
			}
			d.fields = slices.Sorted(maps.Keys(found))
			out[strings.ToUpper(method)+" "+path] = d
		}
	}
	return out
}

// ruleOf returns the rule of an operation, and fails where there is none or it leaves out something that a caller can name.
func ruleOf(t *testing.T, name string, d describedOp) (sweepRule, bool) {
	t.Helper()
	rule, ok := sweepRules[name]
	if !ok {
		method, path, _ := strings.Cut(name, " ")
		rule, ok = sweepRules[nameOf(method, path)]
	}
	if !ok {
		t.Errorf("%s: the sweep has no rule for this operation", name)
		return rule, false
	}
	if rule.platform || rule.free != "" {
		return rule, true
	}
	for _, part := range []struct {
		fields []string
		text   string
	}{{d.query, rule.query}, {d.fields, rule.body}} {
		for _, f := range part.fields {
			stands, names := naming[f]
			switch {
			case slices.Contains(rule.fresh, f):
			case names && slices.ContainsFunc(stands, func(s string) bool { return strings.Contains(part.text, s) }):
			case !names && slices.Contains(telling, f):
			case names && part.text == "" && slices.Contains(telling, f):
			default:
				t.Errorf("%s: the sweep's rule says nothing of %q", name, f)
			}
		}
	}
	return rule, true
}
